// The command line: options and arguments become typed settings here.
import { resolve } from 'node:path'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { addAccountCommands } from './cli-account.ts'
import { addDnsCommands } from './cli-dns.ts'
import { addUnitCommands } from './cli-units.ts'
import { workAsAcme } from './commands/as-acme.ts'
import type { Context, Wanted } from './commands/context.ts'
import { contextFor, type GlobalOptions } from './commands/globals.ts'
import { plan } from './commands/plan.ts'
import { postRun } from './commands/post-run.ts'
import { renewCommand } from './commands/renew.ts'
import { exitStatuses, NixacmeError } from './errors.ts'
import type { Host } from './host.ts'

/** "90", "90s", "15m", "2h", "1d" → seconds. */
function seconds(text: string): number {
  const [, amount, unit] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  if (amount === undefined) throw new InvalidArgumentError("expected a duration such as '90', '15m', '2h' or '1d'.")
  return Number(amount) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[unit as 's']
}

interface RenewOptions {
  all?: true
  now?: true
  dryRun?: true
  wait?: number | false
  json?: true
}

const all = () => new Option('--all', 'all certificates of the config')
const json = () => new Option('--json', 'print one JSON array instead of text')

function wantedOf(certs: string[], options: { all?: true }, otherwise: Wanted | undefined): Wanted {
  if (options.all && certs.length > 0)
    throw new NixacmeError('usage', 'name certificates or give --all, not both', { hints: seeHelp })
  if (options.all) return 'all'
  if (certs.length > 0) return [...new Set(certs)]
  if (otherwise) return otherwise
  throw new NixacmeError('usage', 'name a certificate, or give --all', { hints: seeHelp })
}

const seeHelp = ["run 'nixacme --help'"]

/** Builds the program; `finish` gets the exit status of the command that ran. */
export function buildProgram(host: Host, finish: (status: number) => void): Command {
  const program = new Command('nixacme')
  const context = (): Promise<Context> => contextFor(host, program.opts<GlobalOptions>())
  const run =
    <A extends unknown[]>(action: (context: Context, ...args: A) => Promise<number>) =>
    async (...args: A) =>
      finish(await action(await context(), ...args))

  program
    .description('declarative TLS certificates of NixOS security.acme, for any machine')
    .version(host.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addOption(new Option('--config <file>', 'the config file (default: /etc/nixacme/config.toml)'))
    .addOption(new Option('--state-dir <dir>', 'the state root (default: /var/lib/acme)'))
    .addOption(new Option('--runtime-dir <dir>', 'the folder of the lock files (default: /run/acme)'))
    .addOption(new Option('--jobs-dir <dir>', 'the compiled jobs (default: /var/lib/nixacme/jobs)'))
    .addOption(new Option('-q, --quiet', 'say only warnings, errors and what changed'))
    .configureOutput({ writeOut: (text) => host.stdout.write(text), writeErr: () => {}, outputError: () => {} })
    .exitOverride()

  program
    .command('renew')
    .summary('get or renew certificates that are due')
    .description('Gets or renews certificates where that is due, installs them, and runs the hooks.')
    .argument('[cert...]', 'names of certificates')
    .addOption(all())
    .addOption(new Option('--now', 'do not look at dates and earlier failures'))
    .addOption(new Option('--dry-run', 'stop before the order'))
    .addOption(new Option('--wait <duration>', 'wait this long for a slot, as 90, 15m, 2h').argParser(seconds))
    .addOption(new Option('--no-wait', 'do not wait for a slot'))
    .addOption(json())
    .action(
      run(async (context, certs: string[], options: RenewOptions) => {
        const wanted = wantedOf(certs, options, undefined)
        const patience = options.wait === false ? 0 : options.wait
        return renewCommand(
          wanted,
          { atOnce: options.now === true, dryRun: options.dryRun === true, patience, json: options.json === true },
          context,
        )
      }),
    )

  program
    .command('plan')
    .summary('say what renew would do, when and why')
    .description('Says what renew would do, when and why: offline, without writing or locking anything.')
    .argument('[cert...]', 'names of certificates; none: all')
    .addOption(all())
    .addOption(new Option('--now', 'as renew --now would'))
    .addOption(json())
    .action(
      run(async (context, certs: string[], options: RenewOptions) => {
        const wanted = wantedOf(certs, options, 'all')
        return plan(wanted, { atOnce: options.now === true, json: options.json === true }, context)
      }),
    )

  program
    .command('check')
    .summary('judge the config')
    .description('Judges the config and tells all its faults at once.')
    .addOption(new Option('--json', 'print one JSON object instead of text'))
    .action(
      run(async ({ host, log, config }, options: { json?: true }) => {
        const { check } = await import('./commands/check.ts')
        return check({ config: config.path, explicitConfig: config.explicit, json: options.json === true }, host, log)
      }),
    )

  program
    .command('apply')
    .summary('make the machine what the config says')
    .description('Compiles the config into jobs and units, shows what changes, writes it, and tells systemd.')
    .addOption(new Option('--dry-run', 'show the changes, write nothing'))
    .addOption(new Option('--root <dir>', 'write into an image or package instead of the machine'))
    .addOption(new Option('--no-systemctl', 'write the units, and leave it to others to load and start them'))
    .action(
      run(async (context, options: { dryRun?: true; root?: string; systemctl: boolean }) => {
        const { apply } = await import('./commands/apply.ts')
        const root = options.root === undefined ? undefined : resolve(options.root)
        return apply({ dryRun: options.dryRun === true, root, systemctl: options.systemctl }, context)
      }),
    )

  program
    .command('units')
    .summary('print the units')
    .description('Prints the units and the files beside them that apply would write.')
    .addOption(new Option('--out <dir>', 'write them below this folder instead'))
    .action(
      run(async (context, options: { out?: string }) => {
        const { units } = await import('./commands/units.ts')
        return units(options.out, context)
      }),
    )

  program
    .command('wait')
    .summary('wait until a certificate is there')
    .description('Waits until services can use a certificate: with --real, one from the CA.')
    .argument('<cert>', 'name of the certificate')
    .addOption(new Option('--real', 'a self-signed one does not do'))
    .addOption(new Option('--timeout <duration>', 'give up after this long').argParser(seconds).default(300, '5m'))
    .action(
      run(async (context, cert: string, options: { real?: true; timeout: number }) => {
        const { wait } = await import('./commands/wait.ts')
        return wait(cert, { real: options.real === true, seconds: options.timeout }, context)
      }),
    )

  program
    .command('post-run')
    .summary('run the hooks of a new certificate')
    .description('Runs postRun and the reloads for a certificate that was installed since; else does nothing.')
    .argument('<cert>', 'name of the certificate')
    .action(
      run(async (context, cert: string) => {
        return postRun(cert, context)
      }),
    )

  program
    .command('revoke')
    .summary('revoke a certificate')
    .description('Revokes the stored certificate, or one in a file, at the CA. Without --yes it shows which one.')
    .argument('<cert>', 'name of the certificate')
    .addOption(new Option('--reason <reason>', 'why, by name or number, e.g. superseded'))
    .addOption(new Option('--file <pem>', 'revoke the certificate in this file instead'))
    .addOption(new Option('--yes', 'do it'))
    .action(
      run(async (context, cert: string, options: { reason?: string; file?: string; yes?: true }) => {
        const { revokeCommand } = await import('./commands/revoke.ts')
        const { reason, file, yes } = options
        return revokeCommand(cert, { reason, file, confirmed: yes === true }, context)
      }),
    )

  program
    .command('compromise')
    .summary('replace and revoke a key that somebody else may have')
    .description('Gets a certificate with a new key, installs it, and then revokes the old one for ever.')
    .argument('<cert>', 'name of the certificate')
    .addOption(new Option('--again', 'the key that an earlier, unfinished run brought, too'))
    .addOption(new Option('--yes', 'do it'))
    .action(
      run(async (context, cert: string, { again, yes }: { again?: true; yes?: true }) => {
        const { compromiseCommand } = await import('./commands/compromise.ts')
        return compromiseCommand(cert, { confirmed: yes === true, again: again === true }, context)
      }),
    )

  program
    .command('selfsign')
    .summary('make a self-signed certificate until the real one is there')
    .description('Installs a certificate of the local CA unless a real one, or a fitting self-signed one, is there.')
    .argument('<cert>', 'name of the certificate')
    .action(
      run(async (context, cert: string) => {
        const { selfsign } = await import('./commands/selfsign.ts')
        return selfsign(cert, context)
      }),
    )

  program
    .command('selfsign-ca')
    .summary('make the local CA of self-signed certificates')
    .description('Makes the local CA that signs preliminary certificates, unless it is there.')
    .action(
      run(async (context) => {
        const { selfsignCa } = await import('./commands/selfsign-ca.ts')
        return selfsignCa(context)
      }),
    )

  program
    .command('fix-permissions')
    .summary('bring owners, groups and modes of the state in order')
    .description('Brings owners, groups and modes of all certificates in order.')
    .action(
      run(async (context) => {
        const { fixPermissions } = await import('./commands/fix-permissions.ts')
        return fixPermissions(context)
      }),
    )

  program
    .command('lock-files')
    .summary('make the lock files')
    .description('Makes the lock files of the slots, and removes those of slots that are no more.')
    .action(
      run(async (context) => {
        const { lockFiles } = await import('./commands/lock-files.ts')
        return lockFiles(context)
      }),
    )

  addUnitCommands(program, run)
  addAccountCommands(program, run)
  addDnsCommands(program, run)
  program.command('work-as-acme', { hidden: true }).action(run(workAsAcme))
  for (const command of program.commands) command.helpOption('-h, --help', 'print this help')
  return program
}

/** Reads the command line and runs what it says. Wrong use throws `usage` (64). */
export async function cli(argv: readonly string[], host: Host): Promise<number> {
  let status: number = exitStatuses.ok
  const program = buildProgram(host, (s) => {
    status = s
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (e) {
    if (!(e instanceof CommanderError)) throw e
    if (e.exitCode === 0) return status
    throw new NixacmeError('usage', usageSentence(e), { hints: seeHelp })
  }
  return status
}

function usageSentence(e: CommanderError): string {
  if (e.code === 'commander.help') return 'no command given'
  const [first = '', ...more] = e.message
    .replace(/^error: /, '')
    .trim()
    .split('\n')
  return [first, ...more].join(' ').replace(/\.$/, '')
}
