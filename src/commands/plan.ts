// What `renew` would do, when and why. As root it looks through the eyes of user acme: it must not follow what stands in
// acme's folders.
import { asAcme } from './as-acme.ts'
import { type Context, findJobs, sayFaults, type Wanted } from './context.ts'
import { type PlanOptions, planJobs } from './plan-jobs.ts'

export async function plan(wanted: Wanted, options: PlanOptions, context: Context): Promise<number> {
  const found = await findJobs(context, wanted)
  const status = sayFaults(found, context)
  const isForAcme = context.host.identity.uid === 0 && found.jobs[0]?.useRoot === false
  const planned = await (isForAcme
    ? asAcme(found.jobs, { plan: options }, context)
    : planJobs(found.jobs, options, context))
  return status || planned
}
