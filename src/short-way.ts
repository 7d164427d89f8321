// The daily case, `renew <cert>` with nothing to do, as one short synchronous path: job, home slot, state, decision, and out.
// It is bundled on its own, without the parts that only work needs, so that it costs little more than starting Node. Work
// that has to wait for its slot waits here, too, while the process is still small. All else is the program proper's.
import { staleness } from './commands/context.ts'
import { certOfUnit, configOf, rootsOf } from './commands/globals.ts'
import { ownerOf } from './commands/owner.ts'
import { exitStatuses, NixacmeError } from './errors.ts'
import type { Host } from './host.ts'
import { type Job, pathsOf, readJob } from './job/job.ts'
import type { Roots } from './job/paths.ts'
import { type Log, logError, plainLog } from './log.ts'
import type { Action } from './renewal/decision.ts'
import { hasLeftovers } from './renewal/leftovers.ts'
import { type Judgement, judge, leftToDo, type Skip, saySkip } from './renewal/look.ts'
import { type HeldSlot, RunLocks } from './renewal/run-locks.ts'
import { isPending } from './renewal/signal.ts'
import { localGroupId } from './system-users.ts'

export { systemHost } from './host.ts'

/**
 * The exit status of a run that is over; a slot, held, for the long way to work under; or undefined: the long way, nothing
 * was said or done.
 */
export function shortWay(
  argv: readonly string[],
  host: Host,
): number | undefined | Promise<number | HeldSlot | undefined> {
  const cert = certOfUnit(argv)
  if (cert === undefined || host.stderr.isTerminal) return undefined
  try {
    const roots = rootsOf(host, {})
    const job = readJob(roots, cert)
    if (!job || staleness({ config: configOf(host, {}), roots }, { names: [cert], jobs: [job], faults: new Map() }))
      return undefined
    // Root works as user acme, in a child; and has to ask who else could have written the job.
    if (host.identity.uid === 0 && !job.useRoot) return undefined
    return new ShortWay(job, roots, host).go()
  } catch {
    return undefined
  }
}

class ShortWay {
  readonly #job: Job
  readonly #host: Host
  readonly #roots: Roots
  readonly #log: Log
  readonly #locks: RunLocks

  constructor(job: Job, roots: Roots, host: Host) {
    this.#job = job
    this.#host = host
    this.#roots = roots
    this.#log = plainLog(host).about(job.cert)
    const { legoCert } = pathsOf(roots, job)
    this.#locks = new RunLocks({ job, roots, legoCert, host, log: this.#log, patience: job.lock.timeout })
  }

  go(): ReturnType<typeof shortWay> {
    try {
      return this.#look()
    } catch {
      // What it is, the long way will say; it must find the slot free.
      return this.#leave()
    }
  }

  #look(): ReturnType<typeof shortWay> {
    this.#locks.tryHome()
    const judgement = judge(this.#job, this.#roots, this.#host, false)
    const { decision } = judgement
    if (decision.kind === 'skip') return this.#skip(judgement, decision)
    // A slot that is free now is left to the long way.
    if (decision.kind === 'wait' || this.#locks.slot || this.#job.lock.home === null) return this.#leave()
    return this.#waitForSlot(decision.kind)
  }

  #leave(): undefined {
    this.#locks.release()
  }

  #skip(judgement: Judgement, decision: Skip): number | undefined {
    const group = localGroupId(this.#job.group)
    if (group === 'unsure' || isPending(judgement.current.paths.out)) return this.#leave()
    const { gid, fault } = ownerOf(this.#job.group, group, this.#host)
    if (fault) return this.#leave()
    const left = leftToDo(this.#job, judgement, { gid, now: this.#host.now() })
    if (left !== 'nothing' || hasLeftovers(judgement.current.paths)) return this.#leave()
    saySkip(this.#log, decision)
    this.#locks.release()
    return exitStatuses.ok
  }

  async #waitForSlot(action: Action): Promise<number | HeldSlot | undefined> {
    try {
      await this.#locks.takeSlot()
      return this.#locks.slot
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      logError(this.#log, e, { cert: this.#job.cert, action })
      return e.exitStatus
    }
  }
}
