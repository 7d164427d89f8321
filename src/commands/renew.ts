// `nixacme renew`: finds the jobs, becomes the right user, does the work of each, tells the hooks, and reports.

import { NixacmeError } from '../errors.ts'
import { under } from '../fs.ts'
import type { Job } from '../job/job.ts'
import { isPending } from '../renewal/signal.ts'
import { asAcme } from './as-acme.ts'
import { type Context, findJobs, sayFaults, type Wanted } from './context.ts'
import { isAcme } from './owner.ts'
import { tell } from './post-run.ts'
import { type RenewSettings, work } from './work.ts'

export async function renewCommand(wanted: Wanted, settings: RenewSettings, context: Context): Promise<number> {
  const { host, log } = context
  const found = await findJobs(context, wanted)
  const { jobs } = found
  const status = sayFaults(found, context)
  if (jobs.length === 0 && found.faults.size === 0) log.info('no certificates')
  const isRoot = host.identity.uid === 0
  const { slot, ...ours } = settings
  const isForAcme = isRoot && jobs[0]?.useRoot === false
  // A lock cannot be given to the child.
  if (isForAcme) slot?.held.release()
  const worked = isForAcme ? await asAcme(jobs, { renew: ours }, context) : await work(jobs, settings, context)
  // A certificate that failed must not keep the others from being told.
  const told = settings.dryRun ? 0 : await tellAll(jobs, context)
  return status || worked || told
}

/** Runs the hooks of what was installed, unless they are for somebody else to run. */
async function tellAll(jobs: readonly Job[], context: Context): Promise<number> {
  const { host, log, roots } = context
  const pending = jobs.filter((job) => isPending(under(roots.state, job.cert)))
  if (pending.length === 0) return 0
  if (await isAcme(host)) return 0
  let status = 0
  for (const job of pending) {
    try {
      await tell(job, context)
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      status ||= e.exitStatus
      log.about(job.cert).error(e.message, e.hints)
    }
  }
  return status
}
