// What options mean together: the assertions of the module (contract 1.4, 2.2) and our own, each a sentence at its place.
// Those of CAs and of certificate requests have files of their own.
import { isIP } from 'node:net'
import { identifierOf } from '../job/names.ts'
import { assertPlainHttp, assertWithinCa } from './assertions-of-cas.ts'
import { assertCsr } from './assertions-of-csr.ts'
import { type Assertion, areSound, type Candidate, effectivePlace } from './candidate.ts'
import { assertExceptions, assertOneChallenge, assertProvable } from './challenges.ts'
import { assertAccountLabel, assertDnsProviders, assertSeen } from './dns-providers.ts'
import { assertEngine } from './engine.ts'
import type { Findings, Place } from './faults.ts'
import { assertFlags } from './lego-flags.ts'
import type { global } from './options.ts'
import { placeOf, type Section } from './section.ts'
import { certName, domain as wrongDomain } from './syntax.ts'

/** The terms are asked for where there is something to order. */
export function assertTerms(section: Section<typeof global>, certs: number, findings: Findings): void {
  if (certs === 0 || section.values.acceptTerms === true || section.faulty.has('acceptTerms')) return
  findings.fault(
    placeOf(section.raw, 'acceptTerms'),
    "the CA's terms of service must be accepted",
    "read them (Let's Encrypt: https://letsencrypt.org/repository/) and set acceptTerms = true",
  )
}

export function assertCertificate(cert: Candidate, findings: Findings): void {
  const assertions: readonly Assertion[] = [
    assertName,
    assertOneChallenge,
    assertExceptions,
    assertProvable,
    assertDnsProviders,
    assertSeen,
    assertAccountLabel,
    assertCsr,
    assertEngine,
    assertFlags,
    assertPlainHttp,
    assertWithinCa,
    warnOfRepeatedNames,
  ]
  for (const assertion of assertions) assertion(cert, findings)
}

function assertName({ name, raw, options, faulty }: Candidate, findings: Findings): void {
  const wrong = certName(name)
  if (wrong !== undefined) {
    const isDomain = name.includes('*') || isIP(name) !== 0
    const hint = isDomain
      ? `set domain = ${JSON.stringify(name)} in a certificate with another name`
      : "choose another name, and say with 'domain' what the certificate is for"
    findings.fault(raw.place, wrong, hint)
  } else if (options.domain === null && !faulty.has('domain')) {
    const noDomain = wrongDomain(name)
    if (noDomain !== undefined)
      findings.fault(raw.place, noDomain, "the certificate's name is its first name too, unless 'domain' is set")
  }
}

/** Challenges go where the web server serves them, not into what holds keys, nor to the root of all folders. */
export function assertWebroots(certs: readonly Candidate[], findings: Findings): void {
  const names = new Set(certs.map(({ name }) => name))
  for (const cert of certs) {
    if (!areSound(cert, 'webroot', 'challenges')) continue
    const own = Object.entries(cert.options.challenges).flatMap(([name, { webroot }]) =>
      webroot ? [[webroot, placeOf(cert.raw, 'challenges', [name, 'webroot'])] as const] : [],
    )
    const { webroot } = cert.options
    const all = webroot === null ? own : [...own, [webroot, effectivePlace(cert, 'webroot')] as const]
    for (const [path, place] of all) assertWebroot(path, place, names, findings)
  }
}

const state = '/var/lib/acme'

function assertWebroot(webroot: string, place: Place, certs: ReadonlySet<string>, findings: Findings): void {
  const path = webroot.replace(/\/+$/, '').replaceAll(/\/+/g, '/')
  const [first = ''] = path.startsWith(`${state}/`) ? path.slice(state.length + 1).split('/') : []
  const isTaken = path === '' || path === state || first.startsWith('.') || certs.has(first)
  if (isTaken)
    findings.fault(
      place,
      `'${webroot}' cannot be a webroot: ${path === '' ? 'it is the root of all folders' : 'keys are kept there'}`,
      `choose a folder of its own, such as '${state}/acme-challenge'`,
    )
}

/** The self-signed unit of one certificate has the name of another's own unit. */
export function assertUnitNames(certs: readonly Candidate[], findings: Findings): void {
  const names = new Set(certs.map(({ name }) => name))
  for (const { name, raw } of certs) {
    const other = name.startsWith('selfsigned-') ? name.slice('selfsigned-'.length) : undefined
    if (other !== undefined && names.has(other))
      findings.fault(
        raw.place,
        `'${name}' cannot be a certificate's name beside '${other}': 'acme-${name}.service' is that one's self-signed unit`,
        "choose another name, and say with 'domain' what the certificate is for",
      )
  }
}

/** The order drops them, so it is no fault; the hashes keep the list as written. */
function warnOfRepeatedNames(cert: Candidate, findings: Findings): void {
  if (!areSound(cert, 'domain', 'extraDomainNames')) return
  const seen = new Set([identifierOf(cert.options.domain ?? cert.name)])
  cert.options.extraDomainNames.forEach((name, i) => {
    const label = identifierOf(name)
    if (seen.has(label))
      findings.warning(
        effectivePlace(cert, 'extraDomainNames', [i]),
        `'${name}' is there more than once, ordering it once`,
      )
    seen.add(label)
  })
}
