// Whether the local CA's key and certificate can be used, and which certificates are its own: asked by every run, so it
// does without the library that issues.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isoDay } from '../time.ts'
import { localCaPrefix } from './read.ts'

export interface LocalCa {
  /** Private key, PEM: PKCS#8, SEC1 or PKCS#1 (minica wrote RSA keys once). */
  readonly key: string
  /** PEM */
  readonly certificate: string
}

const tryTo = <T>(action: () => T): T | undefined => {
  try {
    return action()
  } catch {
    return undefined
  }
}

/** What is wrong with a CA's pair at `now`, as a clause; undefined when it can issue. Never throws. */
export function flawOfLocalCa(ca: LocalCa, now: Date): string | undefined {
  const key = tryTo(() => createPrivateKey(ca.key))
  if (!key) return 'its key is damaged, or has a password'
  const certificate = tryTo(() => new X509Certificate(ca.certificate))
  if (!certificate) return 'its certificate is damaged or cut short'
  if (!certificate.checkPrivateKey(key)) return 'its key is not the one of its certificate'
  if (!certificate.ca) return 'its certificate is not that of a CA'
  // Else its leaves would pass for real ones, and keep these out.
  if (!certificate.subject.split('\n').some((line) => line.startsWith(`CN=${localCaPrefix}`)))
    return `the common name in its certificate does not begin with '${localCaPrefix.trim()}'`
  const end = new Date(certificate.validTo)
  return end > now ? undefined : `its certificate expired on ${isoDay(end)}`
}

/** True when the CA's key signed `leaf`; both PEM, of which the first block counts. */
export function isIssuedBy(leaf: string, ca: string): boolean {
  return (
    tryTo(() => {
      const issuer = new X509Certificate(ca)
      const certificate = new X509Certificate(leaf)
      return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
    }) === true
  )
}
