// What lego cannot do, of the options that it has nothing to do with.
import { type Candidate, effectivePlace } from './candidate.ts'
import type { Findings } from './faults.ts'
import { placeOf } from './section.ts'

/** Told while nothing runs: which options of its own an installed lego lacks shows only when it is asked. */
export function assertEngine(cert: Candidate, findings: Findings): void {
  const { options, raw, faulty } = cert
  if (options.engine !== 'lego' || faulty.has('engine')) return
  if (Object.keys(options.challenges).length > 0 && !faulty.has('challenges'))
    findings.fault(
      placeOf(raw, 'challenges'),
      'lego proves all names of a certificate in one way',
      'leave \'challenges\' out, use engine = "native", or make several certificates',
    )
  const byDraft = { dnsPersist: options.dnsPersist, dnsAccountLabel: options.dnsAccountLabel && options.dnsProvider }
  for (const option of ['dnsPersist', 'dnsAccountLabel'] as const)
    if (byDraft[option] && !faulty.has(option))
      findings.fault(
        effectivePlace(cert, option),
        `with lego names cannot be proven by ${option === 'dnsPersist' ? 'DNS-PERSIST-01' : 'DNS-ACCOUNT-01'}`,
        `leave '${option}' out, or use engine = "native"`,
      )
  for (const option of ['listenHTTP', 'listenTLS'] as const)
    if (options[option]?.startsWith('/') && !faulty.has(option))
      findings.fault(
        effectivePlace(cert, option),
        `lego cannot listen on a socket in the file system, as '${options[option]}' is`,
        'name an address: [host]:port',
      )
}
