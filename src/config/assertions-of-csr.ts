// What a certificate request of one's own rules out: it says itself what the other options would say.
import { type Candidate, effectivePlace } from './candidate.ts'
import type { Findings } from './faults.ts'
import { placeOf } from './section.ts'

/** Request and key go together, and no option may say other than they do. */
export function assertCsr(cert: Candidate, findings: Findings): void {
  const { csr, csrKey } = cert.options
  if (cert.faulty.has('csr') || cert.faulty.has('csrKey')) return
  if (csr !== null && csrKey !== null) assertNothingBeside(cert, csr, findings)
  else if (csr !== csrKey) {
    const [given, missing] = csr === null ? ['csrKey', 'csr'] : ['csr', 'csrKey']
    findings.fault(placeOf(cert.raw, given), `'${given}' needs '${missing}' beside it`, 'set both or neither')
  }
}

/**
 * What defaults say, too, may stay where it changes nothing: a kept key is what the request means anyway, and `keyType` is
 * of the account as well. Must-staple is a promise about the certificate, so it counts wherever it comes from.
 */
function assertNothingBeside(cert: Candidate, csr: string, findings: Findings): void {
  const { raw, options, inherited, faulty } = cert
  const own = (key: 'keyReuse' | 'keyType') =>
    raw.options.has(key) && !faulty.has(key) && options[key] !== inherited[key]
  const found = [
    ...(own('keyReuse') && options.keyReuse
      ? [['keyReuse', "the key is that of 'csrKey', now and later"] as const]
      : []),
    ...(own('keyType') ? [['keyType', "the key is that of 'csrKey', whatever its kind"] as const] : []),
    ...(options.ocspMustStaple && !faulty.has('ocspMustStaple')
      ? [['ocspMustStaple', `the request '${csr}' itself says whether it asks for that`] as const]
      : []),
  ]
  for (const [key, reason] of found)
    findings.fault(
      effectivePlace(cert, key),
      `'${key}' cannot be set beside 'csr': ${reason}`,
      raw.options.has(key) ? `leave '${key}' out` : `it comes from defaults: set ${key} = false here`,
    )
}
