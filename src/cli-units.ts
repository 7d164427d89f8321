// The command line of what units run that are not of one certificate: the poller, its starter, and the responder.
import { Argument, type Command } from 'commander'
import type { Context } from './commands/context.ts'

/** Makes an action of a command out of one that wants the context, and ends the run with its status. */
type Runner = <A extends unknown[]>(
  action: (context: Context, ...args: A) => Promise<number>,
) => (...args: A) => Promise<void>

/** Adds `poll`, `start-due` and `serve-challenges`. */
export function addUnitCommands(program: Command, run: Runner): void {
  program
    .command('poll')
    .summary('ask when the CAs want certificates renewed')
    .description(
      'Asks the CAs for renewal information where it is time to, and marks certificates whose time has come.',
    )
    .action(
      run(async (context) => {
        const { poll } = await import('./commands/poll.ts')
        return poll(context)
      }),
    )

  program
    .command('start-due')
    .summary('start the renewals that poll has marked')
    .description('Starts the renewals that poll has marked: the units, or without systemd the renewals themselves.')
    .action(
      run(async (context) => {
        const { startDue } = await import('./commands/start-due.ts')
        return startDue(context)
      }),
    )

  program
    .command('serve-challenges')
    .summary('answer challenges on sockets that systemd passes')
    .description('Answers the challenges of all renewals on the sockets that systemd passes, and ends when idle.')
    .addArgument(new Argument('<kind>', 'http: HTTP-01; tls: TLS-ALPN-01').choices(['http', 'tls']))
    .action(
      run(async (context, kind: 'http' | 'tls') => {
        const { serveChallenges } = await import('./commands/serve-challenges.ts')
        return serveChallenges(kind, context)
      }),
    )
}
