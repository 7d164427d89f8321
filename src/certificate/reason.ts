// Why a certificate is revoked: the reason codes of RFC 5280 §5.3.1 that its owner may give.
import { NixacmeError } from '../errors.ts'

/** Name and code. Without one (`unspecified`) a request names no reason, as RFC 5280 wants it. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const

export type RevocationReason = keyof typeof revocationReasons

/** The other codes, and why they are not for the owner of a TLS certificate. */
const notTheOwners: Readonly<Record<string, readonly [code: number, why: string]>> = {
  cACompromise: [2, "is for a CA's own certificates"],
  certificateHold: [6, 'is for certificates that may come back, which those of TLS may not'],
  removeFromCRL: [8, 'takes a revocation back, which cannot be done for TLS certificates'],
  privilegeWithdrawn: [9, 'is for the CA to say'],
  aACompromise: [10, 'is for attribute certificates'],
}

const names = Object.keys(revocationReasons) as RevocationReason[]

/** A reason by its name, whatever the case of its letters, or by its number. Throws `usage` (64) for any other text. */
export function parseReason(text: string): RevocationReason {
  const is = (name: string, code: number) => name.toLowerCase() === text.toLowerCase() || String(code) === text
  const reason = names.find((name) => is(name, revocationReasons[name]))
  if (reason) return reason
  const hints = [`reasons: ${names.map((name) => `${name} (${revocationReasons[name]})`).join(', ')}`]
  const [name, other] = Object.entries(notTheOwners).find(([name, [code]]) => is(name, code)) ?? []
  if (other) throw new NixacmeError('usage', `reason '${name}' ${other[1]}`, { hints })
  throw new NixacmeError('usage', `'${text}' is no reason for a revocation`, { hints })
}
