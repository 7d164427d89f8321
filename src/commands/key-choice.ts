// Whose key a new certificate is for.
import type { KeySource } from '../acme/request.ts'
import { isOfType } from '../certificate/keys.ts'
import type { Job } from '../job/job.ts'
import type { Candidate } from '../renewal/state.ts'

/**
 * The key of the operator's own request; with `keyReuse` that of the present certificate, where it is of the type wanted
 * (one under quarantine is no present one: its certificate cannot be used); else a new one.
 */
export function keyFor({ csr, keyReuse, keyType }: Job, present: Candidate): KeySource {
  if (csr !== null) return { kind: 'request', ...csr }
  if (keyReuse && present.kind === 'usable' && isOfType(present.set.key, keyType))
    return { kind: 'keep', pem: present.set.key }
  return { kind: 'new' }
}
