// What an earlier run has left that was killed, or could not take it away: records, files and answers for challenges, as its
// ledger has them, and what lego was lent. Whatever run comes next takes it away, also one with nothing else to do: the next
// that orders something may be weeks away.
import * as fs from 'node:fs'
import { messageOf } from '../errors.ts'
import { isTemporary, lstatIfThere, orAbsent, removeTemporaries } from '../fs.ts'
import type { Job } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import type { Log } from '../log.ts'

/** Whether there is something, be it of a run that is at work just now. Throws the system's error. */
export const hasLeftovers = ({ legoCert, challenges }: CertPaths): boolean =>
  (orAbsent(() => fs.readdirSync(legoCert)) ?? []).some((name) => isTemporary(name) || challenges.endsWith(`/${name}`))

export interface ClearingTools {
  /** The certificate's lock: who has it is at work, and its traces are no leftovers. */
  readonly locks: { tryCertificate(): boolean }
  readonly log: Log
  /** What the ledger has. */
  clearChallenges(job: Job): Promise<void>
}

/** Takes it away, if nobody has the certificate's lock. Never throws: what stays is warned about, and left to the next run. */
export async function clearLeftovers(job: Job, paths: CertPaths, tools: ClearingTools): Promise<void> {
  try {
    if (!hasLeftovers(paths) || !tools.locks.tryCertificate()) return
    removeTemporaries(paths.legoCert)
    if (lstatIfThere(paths.challenges)) await tools.clearChallenges(job)
  } catch (e) {
    tools.log.warning(`what an earlier run has left cannot be taken away: ${messageOf(e)}, ignoring`)
  }
}
