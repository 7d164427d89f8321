// Work on the stored files of one certificate that no run may do at the same time.
import { type Job, pathsOf } from '../job/job.ts'
import { tryFolder, waitFor } from '../renewal/lock.ts'
import { ensureFolders } from '../renewal/store.ts'
import type { Context } from './context.ts'

/** Seconds, where the config names none: a run that holds the lock is bound by its order's deadline. */
const patience = 3600

/**
 * Runs `work` under the certificate's lock; its folders are made where they are missing. Throws `later` (75) when another
 * run keeps the lock too long, `lock` (71), `write` (73) or `permission` (77).
 */
export async function withCertificateLock<T>(
  job: Job,
  gid: number | undefined,
  { host, log, roots }: Context,
  work: () => T | Promise<T>,
): Promise<T> {
  const paths = pathsOf(roots, job)
  ensureFolders(roots, paths, gid)
  const held = await waitFor(() => tryFolder(paths.legoCert), {
    seconds: job.lock.timeout ?? patience,
    signal: host.interrupted,
    now: host.now,
    what: 'the other run for this certificate',
    onWait: () => log.about(job.cert).waiting('waiting: another run works on this certificate'),
  })
  try {
    return await work()
  } finally {
    held.release()
  }
}
