// The daily case, `renew <cert>` with nothing to do, as one short synchronous path: job, home slot, state, decision, and out.
// It is bundled on its own, without the parts that only work needs, so that it costs little more than starting Node.
// Whatever is not that case, it leaves to the program proper, having said and done nothing.

import { staleness } from './commands/context.ts'
import { configOf, rootsOf } from './commands/globals.ts'
import { ownerOf } from './commands/owner.ts'
import { exitStatuses } from './errors.ts'
import type { Host } from './host.ts'
import { type Job, pathsOf, readJob } from './job/job.ts'
import { type Roots, slotPath } from './job/paths.ts'
import { plainLog } from './log.ts'
import { type Held, trySlot } from './renewal/lock.ts'
import { judge, leftToDo, saySkip } from './renewal/look.ts'
import { isPending } from './renewal/signal.ts'
import { readState } from './renewal/state.ts'
import { localGroupId } from './system-users.ts'

export { systemHost } from './host.ts'

/** The exit status, or undefined: the long way, please. Never throws. */
export function shortWay(argv: readonly string[], host: Host): number | undefined {
  const [command, cert, ...more] = argv
  const isDaily = command === 'renew' && cert !== undefined && !cert.startsWith('-') && more.length === 0
  if (!isDaily || host.stderr.isTerminal) return undefined
  try {
    const roots = rootsOf(host, {})
    const job = readJob(roots, cert)
    if (!job || staleness({ config: configOf(host, {}), roots }, [cert], [job], false)) return undefined
    // Root works as user acme, in a child; and has to ask who else could have written the job.
    if (host.identity.uid === 0 && !job.useRoot) return undefined
    return skip(job, roots, host)
  } catch {
    return undefined
  }
}

function skip(job: Job, roots: Roots, host: Host): number | undefined {
  const group = localGroupId(job.group)
  if (group === 'unsure') return undefined
  const { home } = job.lock
  const me = { cert: job.cert, pid: host.pid, since: host.now() }
  const slot: Held | undefined = home === null ? undefined : trySlot(slotPath(roots, home), me)
  try {
    const paths = pathsOf(roots, job)
    const state = readState(paths)
    const decision = judge(job, state, host, false)
    const { gid } = ownerOf(job.group, group, host)
    if (decision.kind !== 'skip' || isPending(paths.out)) return undefined
    if (leftToDo(job, paths, state, decision, { gid, now: host.now() }) !== 'nothing') return undefined
    saySkip(plainLog(host).about(job.cert), decision)
    return exitStatuses.ok.status
  } finally {
    slot?.release()
  }
}
