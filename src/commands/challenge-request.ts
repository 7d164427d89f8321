// What the challenges of a job are shown with, and taken away: for orders, for trials, and for what an earlier run has left.
import type { SolversRequest } from '../acme/challenges/open.ts'
import { type Job, pathsOf } from '../job/job.ts'
import { challengesDir } from '../job/paths.ts'
import { credentialsOf, type Secrets, variablesOf } from '../job/variables.ts'
import type { Context } from './context.ts'

/** `gid` is the numeric group of the job's files. */
export function challengeRequest(
  job: Job,
  gid: number | undefined,
  secrets: Secrets,
  { host, log, roots }: Context,
): Omit<SolversRequest, 'transport'> {
  return {
    challenges: job.challenges,
    challengeFolder: challengesDir(roots),
    ledger: { path: pathsOf(roots, job).challenges, uid: host.identity.uid, gid },
    groupGid: gid,
    groupName: job.group,
    variables: variablesOf(secrets, host),
    credentials: () => credentialsOf(secrets, host),
    isAttended: host.stderr.isTerminal,
    env: host.env,
    now: host.now,
    signal: host.interrupted,
    log: log.about(job.cert),
    userAgent: `nixacme/${host.version}`,
  }
}

/**
 * Takes away what an earlier run has left, as its ledger has it; no CA is asked. What stays is warned about. Throws `config`
 * (78) for proxy and private roots.
 */
export async function clearChallenges(
  job: Job,
  gid: number | undefined,
  secrets: Secrets,
  context: Context,
): Promise<void> {
  const { host, log } = context
  log.about(job.cert).info('taking away what an earlier run has left of its challenges')
  const { openSolvers } = await import('../acme/challenges/open.ts')
  const { openTransport } = await import('../acme/transport.ts')
  const transport = openTransport({ caCertificates: job.caCertificates, env: host.env })
  try {
    await openSolvers({ ...challengeRequest(job, gid, secrets, context), transport }).cleanUp()
  } finally {
    transport.close()
  }
}
