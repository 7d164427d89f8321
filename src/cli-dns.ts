// The command line of `nixacme dns …`.
import type { Command } from 'commander'
import type { Runner } from './cli-account.ts'

/** Adds `dns` with its own commands. */
export function addDnsCommands(program: Command, run: Runner): void {
  const dns = program
    .command('dns')
    .summary('show and try DNS providers')
    .description('Shows which DNS providers there are and what they need, and tries one.')
    .helpCommand(false)

  dns
    .command('list')
    .description('Names the DNS providers.')
    .option('--json', 'print one JSON array instead of text')
    .action(
      run(async (context, { json }: { json?: true }) =>
        (await import('./commands/dns.ts')).dnsList(context, json === true),
      ),
    )

  dns
    .command('show')
    .description('Shows the variables of a DNS provider, and how it was verified.')
    .argument('<provider>', 'its name, as in dnsProvider')
    .option('--json', 'print JSON instead of text')
    .action(
      run(async (context, provider: string, { json }: { json?: true }) =>
        (await import('./commands/dns.ts')).dnsShow(provider, context, json === true),
      ),
    )

  dns
    .command('test')
    .description(
      'Puts a test record for each name of a certificate that is proven by DNS, waits for it, and removes it.',
    )
    .argument('<cert>', 'name of the certificate')
    .action(run(async (context, cert: string) => (await import('./commands/dns.ts')).dnsTest(cert, context)))

  for (const command of dns.commands) command.helpOption('-h, --help', 'print this help')
}
