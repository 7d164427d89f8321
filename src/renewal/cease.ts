// A certificate that was revoked because it is not needed any more. CAs move the window of what is revoked into the past
// (RFC 9773 §4.2), which would have it replaced at once: what is kept of the CA's wishes says that this one is given up.
import { NixacmeError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import type { Standing } from './look.ts'
import { updateWatch } from './renewal-info-file.ts'
import { type WatchTools, watch } from './watch.ts'

/**
 * Has the poller and all runs pass over what the CA says of the stored certificate of `standing` from now on. It stays
 * until another certificate is in use. A failure is a warning: the certificate is revoked already.
 */
export async function giveUp(job: Job, standing: Standing, tools: WatchTools): Promise<void> {
  const { candidate } = standing.state
  const given = candidate.kind === 'usable' ? candidate.facts.renewalId : undefined
  if (given === undefined) return
  await watch(job, standing, tools)
  try {
    await updateWatch(
      standing.paths.renewalInfo,
      (known) => (known.info?.certificate === given ? { ...known, info: { ...known.info, ceased: true } } : undefined),
      tools.host,
    )
  } catch (e) {
    if (!(e instanceof NixacmeError)) throw e
    tools.log.warning(`a new certificate will come when the CA hears of the revocation: ${e.message}`, e.hints)
  }
}
