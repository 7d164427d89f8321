// The command line: options and arguments become typed settings here.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { apply } from './commands/apply.ts'
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
    .summary('compile the config into jobs')
    .description('Compiles the config into jobs, shows what changes, and writes it.')
    .addOption(new Option('--dry-run', 'show the changes, write nothing'))
    .action(
      run(async (context, options: { dryRun?: true }) => {
        return apply({ dryRun: options.dryRun === true }, context)
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

  program.command('work-as-acme', { hidden: true }).action(run(workAsAcme))
  for (const command of program.commands) command.helpOption('-h, --help', 'print this help')
  return program
}

/** Reads the command line and runs what it says. Wrong use throws `usage` (64). */
export async function cli(argv: readonly string[], host: Host): Promise<number> {
  let status: number = exitStatuses.ok.status
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
