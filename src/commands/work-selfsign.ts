// The work of `selfsign` and `selfsign-ca`, as the user whose files they make.
import type { Job } from '../job/job.ts'
import { ensureLocalCa } from '../renewal/local-ca-files.ts'
import { ensurePreliminary, issuingInstant } from '../renewal/preliminary.ts'
import { groupId } from '../system-users.ts'
import type { Context } from './context.ts'
import { acmeUser, ownerFinder, ownerOf } from './owner.ts'

/** The local CA is no certificate's: its folder is of user acme's own group, where this process may give it that. */
const caGroup = async ({ host }: Context): Promise<number | undefined> =>
  ownerOf(acmeUser, await groupId(acmeUser), host).gid

/** Gives each job a self-signed certificate where it needs one. Throws for the first that cannot have it. */
export async function makeSelfsigned(jobs: readonly Job[], context: Context): Promise<number> {
  const { host, log, roots } = context
  const find = ownerFinder(host)
  for (const job of jobs) {
    const { gid, fault } = await find(job)
    if (fault) throw fault
    await ensurePreliminary(job, { roots, host, log, gid, caGid: await caGroup(context) })
  }
  return 0
}

/** Makes the local CA if it is missing. */
export async function makeSelfsignedCa(context: Context): Promise<number> {
  const { host, log, roots } = context
  await ensureLocalCa({ roots, host, log, gid: await caGroup(context), now: issuingInstant(host) })
  return 0
}
