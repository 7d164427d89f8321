// Makes the lock files of the slots before the first renewal, and removes those of a larger maxConcurrentRenewals (contract
// 1.13: acme-lockfiles). The work is user acme's: started by root, it gives up root first, as acme may write in that folder.
import { lchownSync } from 'node:fs'
import { ensureDir, lstatIfThere } from '../fs.ts'
import type { Roots } from '../job/paths.ts'
import { readHolder } from '../renewal/lock.ts'
import { arrangeLockFiles } from '../renewal/lock-files.ts'
import { runtimeError } from '../renewal/run-locks.ts'
import { assertForAcme } from './acme-folders.ts'
import { type Context, findJobs, sayFaults } from './context.ts'
import { findAcmeUser } from './owner.ts'

/**
 * The command. Silent but for files that stay because they are held. Throws `lock` (71) when a file cannot be made or
 * removed, `permission` (77) for a folder of root's, `config` (78) when there is no user acme; gives the status of a job that cannot be read.
 */
export async function lockFiles(context: Context): Promise<number> {
  const { host, log, roots } = context
  const found = await findJobs(context, 'all')
  const status = sayFaults(found, context)
  const [first] = found.jobs
  // How many slots there are is not known then.
  if (!first) return status
  const acme = host.identity.uid === 0 && !first.useRoot ? await findAcmeUser() : undefined
  ensureFolder(roots, acme)
  if (acme) host.become({ ...acme, groups: [acme.gid] })
  const slots = Math.max(0, ...found.jobs.map((job) => job.lock.slots))
  for (const path of arrangeLockFiles(roots, slots).held) {
    const holder = readHolder(path)
    const who = holder ? `'${holder.cert}' (process ${holder.pid}) holds it` : 'it is held'
    log.info(`leaving '${path}': ${who}`)
  }
  return status
}

/** Makes the folder when it is missing. One that stands is left as it is: root does not give away what it did not make. */
function ensureFolder({ runtime }: Roots, owner: { uid: number; gid: number } | undefined): void {
  const there = lstatIfThere(runtime)
  if (owner) assertForAcme(runtime, there)
  try {
    ensureDir(runtime, { mode: 0o700 })
    if (!there && owner) lchownSync(runtime, owner.uid, owner.gid)
  } catch (cause) {
    throw runtimeError(runtime, cause)
  }
}
