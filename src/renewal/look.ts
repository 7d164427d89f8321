// What is to be done for a job as things stand on disk. `plan` and `renew` ask the same questions here, so that they agree.
import type { Host } from '../host.ts'
import type { Job } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { type Decision, decide } from './decision.ts'
import { betterInstalled, compare } from './install.ts'
import { hasPending, type StoredState } from './state.ts'

export type Skip = Extract<Decision, { kind: 'skip' }>

/** The decision for a job in this state, now. */
export const judge = (job: Job, state: StoredState, host: Pick<Host, 'now' | 'builtAt'>, atOnce: boolean): Decision =>
  decide(
    state,
    { names: job.names, domainHash: job.domainHash, validMinDays: job.validMinDays },
    { now: host.now(), builtAt: host.builtAt, atOnce },
  )

/**
 * What a skip has still to do. `something`: an earlier run was killed half-way, or names were re-ordered. `keep`: the
 * installed set is a better one, which is to be said.
 */
export type Left = 'nothing' | 'something' | 'keep'

export function leftToDo(
  job: Job,
  paths: CertPaths,
  { candidate }: StoredState,
  decision: Decision,
  { gid, now }: { readonly gid: number | undefined; readonly now: Date },
): Left {
  if (decision.kind !== 'skip' || candidate.kind !== 'usable') return 'nothing'
  if (decision.storeHash || hasPending(paths)) return 'something'
  const difference = compare(paths.out, candidate.set, gid)
  if (difference === 'none') return 'nothing'
  const isKept =
    difference === 'content' && betterInstalled(paths.out, candidate.facts, { names: job.names, now, condemned: paths })
  return isKept ? 'keep' : 'something'
}

/** Says that nothing is due, and why. */
export function saySkip(log: Log, { reason, clockDoubt }: Skip): void {
  const message = `skipping renewal: ${reason}`
  if (clockDoubt) log.warning(message, ['check the time synchronisation of this machine'])
  else log.info(message)
}
