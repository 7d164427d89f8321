// The command line of `nixacme account …`.
import type { Command } from 'commander'
import type { Context } from './commands/context.ts'
import type { AccountTask } from './commands/work-account.ts'

/** Makes an action of a command out of one that wants the context, and ends the run with its status. */
export type Runner = <A extends unknown[]>(
  action: (context: Context, ...args: A) => Promise<number>,
) => (...args: A) => Promise<void>

const which = 'name of a certificate of the account'
const serverFlag = ['--server <url>', 'which of its CAs, by directory URL (default: the first)'] as const

interface Chosen {
  server?: string
}

async function perform(task: AccountTask, context: Context): Promise<number> {
  const { accountCommand } = await import('./commands/account.ts')
  return accountCommand(task, context)
}

/** Adds `account` with its own commands. */
export function addAccountCommands(program: Command, run: Runner): void {
  const account = program
    .command('account')
    .summary('show and tend the accounts at the CAs')
    .description('Shows and tends the accounts at the CAs.')
    .helpCommand(false)

  account
    .command('show')
    .description('Shows the accounts: URL, key, who uses them, and the CAA record that names them.')
    .argument('[cert]', `${which}; none: all accounts`)
    .option('--online', 'ask the CA for status and contact')
    .option('--json', 'print one JSON array instead of text')
    .action(
      run((context, cert: string | undefined, options: { online?: true; json?: true }) =>
        perform({ action: 'show', cert, online: options.online === true, json: options.json === true }, context),
      ),
    )

  for (const [action, words] of [
    ['update', 'Tells the CA the e-mail address of the config.'],
    ['rollover', 'Gives the account a new key.'],
    ['recover', 'Finds the account at the CA by its key, and writes it down.'],
  ] as const)
    account
      .command(action)
      .description(words)
      .argument('<cert>', which)
      .option(...serverFlag)
      .action(run((context, cert: string, { server }: Chosen) => perform({ action, cert, server }, context)))

  account
    .command('deactivate')
    .description('Ends the account for good. Without --yes it shows which one.')
    .argument('<cert>', which)
    .option(...serverFlag)
    .option('--yes', 'do it')
    .action(
      run((context, cert: string, { server, yes }: Chosen & { yes?: true }) =>
        perform({ action: 'deactivate', cert, server, confirmed: yes === true }, context),
      ),
    )

  for (const command of account.commands) command.helpOption('-h, --help', 'print this help')
}
