// `nixacme account …`: finds the jobs, and has the work done by the user whose files the accounts are.
import { NixacmeError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { asAcme } from './as-acme.ts'
import { type Context, findJobs, sayFaults } from './context.ts'
import { type AccountTask, workOnAccounts } from './work-account.ts'

/** Does `task`, which names the certificate whose account is meant. Gives the exit status. */
export async function accountCommand(task: AccountTask, context: Context): Promise<number> {
  const { cert } = task
  // Who else uses an account is a question to all jobs.
  const isAboutAll = task.action === 'show' || task.action === 'deactivate'
  const found = await findJobs(context, isAboutAll || cert === undefined ? 'all' : [cert])
  const { jobs } = found
  const status = sayFaults(found, context)
  if (cert !== undefined) assertThere(cert, jobs)
  const isForAcme = context.host.identity.uid === 0 && jobs[0]?.useRoot === false
  const worked = isForAcme ? await asAcme(jobs, { account: task }, context) : await workOnAccounts(jobs, task, context)
  return status || worked
}

function assertThere(cert: string, jobs: readonly Job[]): void {
  if (jobs.some((job) => job.cert === cert)) return
  throw new NixacmeError('usage', `there is no certificate '${cert}'`, {
    hints: ["'nixacme plan' shows those there are"],
  })
}
