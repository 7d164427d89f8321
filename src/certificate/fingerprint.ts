// SHA-256 fingerprints, by which certificates and keys that must not be used again are known. node:crypto is loaded by the
// first call: a run on a machine where nothing was ever revoked has none.
import { createRequire } from 'node:module'

export interface Fingerprints {
  /** Of the whole certificate (DER), hex digits in lower case. */
  readonly certificate: string
  /** Of its public key (SubjectPublicKeyInfo, DER), hex digits in lower case. */
  readonly key: string
}

const crypto = () => createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto')

const sha256 = (bytes: Buffer): string => crypto().createHash('sha256').update(bytes).digest('hex')

const spki = { type: 'spki', format: 'der' } as const

/** Those of the first certificate of a PEM text. Throws the parser's error when there is none or it is damaged. */
export function fingerprintsOf(certificate: string): Fingerprints {
  const { X509Certificate } = crypto()
  const { raw, publicKey } = new X509Certificate(certificate)
  return { certificate: sha256(raw), key: sha256(publicKey.export(spki)) }
}

/** That of the public half of a private key, PEM. Throws the parser's error when it is none. */
export const keyFingerprint = (keyPem: string): string => sha256(crypto().createPublicKey(keyPem).export(spki))
