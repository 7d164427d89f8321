// What is to be done for a job as things stand on disk. `plan` and `renew` ask the same questions here, so that they agree.
import { lackingNames } from '../certificate/read.ts'
import { lstatIfThere } from '../fs.ts'
import type { Host } from '../host.ts'
import { type Job, type JobServer, pathsOf } from '../job/job.ts'
import type { CertPaths, Roots } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { type Decision, decide, postpone } from './decision.ts'
import { betterInstalled, compare } from './install.ts'
import { countedElsewhere } from './memory.ts'
import { type Known, turnOf, type Wish } from './schedule.ts'
import { hasPending, readState, type StoredState } from './state.ts'
import { isWatched } from './watch.ts'

export type Skip = Extract<Decision, { kind: 'skip' }>

/** How a job stands with one of its CAs. */
export interface Standing {
  readonly server: JobServer
  readonly paths: CertPaths
  readonly state: StoredState
}

export interface Judgement {
  readonly decision: Decision
  /** Where there is work: with the CA whose turn it is. Else: with the one whose certificate is in use. */
  readonly standing: Standing
  /** With the CA whose certificate is in use. */
  readonly current: Standing
  /** With all of its CAs, in their order. */
  readonly standings: readonly Standing[]
  readonly wish: Wish
}

/** What of the config a failure may come from, as one text: when it changes, the failure is forgotten. */
export const healing = (job: Job): string =>
  JSON.stringify([
    job.names,
    job.email,
    job.challenges,
    job.csr,
    job.mustStaple,
    job.notAfter,
    job.preferredChain,
    job.caCertificates,
    job.plainHttp,
    job.profilePolicy,
    job.keyReuse,
    job.engine,
    job.orderTimeout,
  ])

/** Of several CAs' certificates the one that has all names and was issued last counts. */
function currentOf(standings: readonly [Standing, ...Standing[]], { names }: Job): Standing {
  const rank = ({ state: { candidate } }: Standing): number =>
    candidate.kind !== 'usable'
      ? -1
      : candidate.facts.notBefore.getTime() * (lackingNames(candidate.facts, names).length === 0 ? 1 : 1e-6)
  return standings.reduce((best, other) => (rank(other) > rank(best) ? other : best))
}

/** How the job stands with the CA whose certificate is in use. Throws as `readState` does. */
export const inUse = (job: Job, roots: Roots): Standing => currentOf(standingsOf(job, roots), job)

function standingsOf(job: Job, roots: Roots): readonly [Standing, ...Standing[]] {
  const standingWith = (server: JobServer): Standing => {
    const paths = pathsOf(roots, job, server)
    return { server, paths, state: readState(paths) }
  }
  const [first, ...others] = job.servers
  return [standingWith(first), ...others.map(standingWith)]
}

/** Reads the state and judges it, now. Throws as `readState` does. */
export function judge(
  job: Job,
  roots: Roots,
  { now: clock, builtAt }: Pick<Host, 'now' | 'builtAt'>,
  atOnce: boolean,
): Judgement {
  const standings = standingsOf(job, roots)
  const current = currentOf(standings, job)
  const { candidate } = current.state
  const now = clock()
  const notAfter = candidate.kind === 'usable' ? candidate.facts.notAfter : undefined
  const wish = { names: job.names, config: healing(job), notAfter }
  const at = { now, builtAt, atOnce }
  const decision = decide(current.state, job, at)
  const looked = { current, standings, wish }
  // What CAs may be asked is looked up where there is something to ask for.
  if (decision.kind === 'skip') return { ...looked, decision, standing: current }
  const { server, heldBack } = turnOf(standings.map(knownOf), wish, now)
  return { ...looked, decision: postpone(decision, at, heldBack), standing: standings[server] ?? current }
}

const knownOf = ({ state: { memory }, paths, server }: Standing): Known => ({
  memory,
  elsewhere: countedElsewhere(paths, server.directoryUrl),
  limits: server.limits,
  hasOrder: memory.orders.length > 0 && lstatIfThere(paths.pendingOrder) !== undefined,
})

/**
 * What a skip has still to do. `something`: an earlier run was killed half-way, or names were re-ordered. `keep`: the
 * installed set is a better one, which is to be said. `watch`: the poller of renewal information does not know it yet.
 */
export type Left = 'nothing' | 'something' | 'keep' | 'watch'

export function leftToDo(
  job: Job,
  { decision, current }: Judgement,
  { gid, now }: { readonly gid: number | undefined; readonly now: Date },
): Left {
  const { paths, state } = current
  if (decision.kind !== 'skip' || state.candidate.kind !== 'usable') return 'nothing'
  if (decision.storeHash || hasPending(paths)) return 'something'
  const difference = compare(paths.out, state.candidate.set, gid)
  if (difference === 'none') return isWatched(job, current) ? 'nothing' : 'watch'
  const isKept =
    difference === 'content' &&
    betterInstalled(paths.out, state.candidate.facts, { names: job.names, now, condemned: paths })
  return isKept ? 'keep' : 'something'
}

/** Says that nothing is due, and why. */
export function saySkip(log: Log, { reason, clockDoubt }: Skip): void {
  const message = `skipping renewal: ${reason}`
  if (clockDoubt) log.warning(message, ['check the time synchronisation of this machine'])
  else log.info(message)
}
