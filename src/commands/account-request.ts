// The account of a certificate at one of its CAs, for the network half, and who else uses it.
import type { AccountWork } from '../acme/account-work.ts'
import { type Job, type JobServer, pathsOf } from '../job/job.ts'
import { accountFilesOf } from '../job/paths.ts'
import { RunLocks } from '../renewal/run-locks.ts'
import type { Context } from './context.ts'

/** What the network half needs to work on the account of a job at one of its CAs. */
export function accountWork(job: Job, server: JobServer, { host, log, roots }: Context): AccountWork {
  const paths = pathsOf(roots, job, server)
  const about = log.about(job.cert)
  const locks = new RunLocks({ job, roots, legoCert: paths.legoCert, host, log: about, patience: 0 })
  return {
    directoryUrl: server.directoryUrl,
    plainHttp: job.plainHttp,
    email: job.email,
    keyType: job.keyType,
    account: accountFilesOf(paths),
    withAccountLock: (work) => locks.withAccount(paths.accountRoot, work),
    caCertificates: job.caCertificates,
    env: host.env,
    now: host.now,
    signal: host.interrupted,
    log: about,
    userAgent: `nixacme/${host.version}`,
  }
}

/** The certificates whose account lies in `dir`. */
export const usersOf = (dir: string, jobs: readonly Job[], { roots }: Pick<Context, 'roots'>): string[] =>
  jobs.filter((job) => job.servers.some((one) => pathsOf(roots, job, one).account === dir)).map(({ cert }) => cert)
