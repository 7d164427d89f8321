// The program as a function: arguments and a host in, exit status out.
import { certOfUnit, contextFor } from './commands/globals.ts'
import { renewCommand } from './commands/renew.ts'
import { ConfigError, sayFaults } from './config/faults.ts'
import { exitStatuses, messageOf, NixacmeError } from './errors.ts'
import type { Host } from './host.ts'
import { createLog, logError } from './log.ts'
import type { HeldSlot } from './renewal/run-locks.ts'

/** `renew <cert>` without options. */
const asUnit = { atOnce: false, dryRun: false, patience: undefined, json: false }

/**
 * Runs one command. Never throws: what went wrong is said on stderr, once, and told by the exit status. `slot`: what the
 * short way waited for.
 */
export async function main(argv: readonly string[], host: Host, slot?: HeldSlot): Promise<number> {
  const cert = certOfUnit(argv)
  try {
    if (cert === undefined) {
      const { cli } = await import('./cli.ts')
      return await cli(argv, host)
    }
    return await renewCommand([cert], { ...asUnit, slot }, await contextFor(host, {}))
  } catch (e) {
    const log = await createLog(host)
    if (!(e instanceof NixacmeError)) {
      log.error(`a fault of nixacme: ${messageOf(e)}`, [...topOfStack(e), 'please report it with these lines'])
      return exitStatuses.bug
    }
    if (e instanceof ConfigError) sayFaults(log, e)
    else logError(log, e, cert === undefined ? undefined : { cert, action: undefined })
    return e.exitStatus
  }
}

/** The first lines of a stack trace: enough to find the place. */
const topOfStack = (e: unknown): string[] =>
  e instanceof Error
    ? (e.stack ?? '')
        .split('\n')
        .slice(1, 6)
        .map((line) => line.trim())
    : []
