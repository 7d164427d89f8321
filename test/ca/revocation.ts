// Revocation (RFC 8555 section 7.6), as strict as a public CA: the account that issued, or the certificate's own key; and a
// key that was used to revoke is never certified again.
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isSignedByKey, type PostRequest, type Signed, signedByAccount, signedByKey } from './access.ts'
import type { Answer } from './answer.ts'
import { fromBase64url, type Jwk } from './jws.ts'
import { malformed, notFound, Problem } from './problem.ts'
import type { StoredCertificate } from './store.ts'
import type { World } from './world.ts'

/** What the owner of a certificate may give (Baseline Requirements 7.2.2). */
const reasons = [0, 1, 3, 4, 5]

export function revokeCert(world: World, request: PostRequest): Answer {
  const { store, urls } = world
  if (isSignedByKey(request)) {
    const signed = signedByKey(request)
    const certificate = find(world, signed)
    const spki = spkiOf(certificate.issued.leaf)
    if (keyOf(signed.jwk) !== spki)
      throw new Problem(403, 'unauthorized', 'the request is signed with the key of another certificate')
    revoke(certificate, { ...signed, payload: { ...signed.payload, reason: 1 } })
    store.blockedKeys.add(spki)
  } else {
    const signed = signedByAccount(request, store, urls.account)
    const certificate = find(world, signed)
    if (certificate.accountId !== signed.account.id)
      throw new Problem(403, 'unauthorized', 'the certificate is of another account')
    revoke(certificate, signed)
  }
  return { status: 200, headers: {}, body: '' }
}

const base64 = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64')
const keyOf = (jwk: Jwk): string => base64(createPublicKey({ key: jwk, format: 'jwk' }))

/** The public key of a certificate (PEM), as the blocked ones are kept. */
export const spkiOf = (certificate: string): string => base64(new X509Certificate(certificate).publicKey)

function find({ store }: World, { payload }: Signed): StoredCertificate {
  const der = fromBase64url(payload?.['certificate'], 'certificate')
  const found = store.certificates.all.find(({ issued }) => new X509Certificate(issued.leaf).raw.equals(der))
  if (!found) throw notFound('certificate')
  return found
}

function revoke(certificate: StoredCertificate, { payload }: Signed): void {
  const reason = payload?.['reason'] ?? 0
  if (typeof reason !== 'number') throw malformed('reason is no number')
  if (!reasons.includes(reason))
    throw new Problem(400, 'badRevocationReason', `reason ${reason} is not one of ${reasons.join(', ')}`)
  if (certificate.revoked !== undefined) throw new Problem(400, 'alreadyRevoked', 'it is revoked already')
  certificate.revoked = reason
}
