// What is said about CAs: which are asked, how, and what a known one would refuse.
import { isIP } from 'node:net'
import { allowed, nameSet } from '../job/limits.ts'
import { identifiers } from '../job/names.ts'
import { areSound, type Candidate, effectivePlace } from './candidate.ts'
import { directoriesOf } from './config.ts'
import type { Findings } from './faults.ts'
import { nameOf, refusals } from './lets-encrypt.ts'
import type { inheritable } from './options.ts'
import { placeOf, type Section } from './section.ts'

/** One section, whose own `server` and `servers` may not contradict each other; no CA is asked twice. */
export function assertServers(
  { raw, values: { server, servers = [] }, faulty }: Section<Pick<typeof inheritable, 'server' | 'servers'>>,
  findings: Findings,
): void {
  if (faulty.has('servers')) return
  const urls = servers.map((url) => new URL(url).href)
  urls.forEach((url, i) => {
    const earlier = urls.indexOf(url)
    if (earlier < i)
      findings.fault(
        placeOf(raw, 'servers', [i]),
        `'${servers[i]}' is the CA of servers[${earlier}] again`,
        'name each CA once: the next one is for when those before it have failed',
      )
  })
  const [first] = servers
  if (first !== undefined && server !== undefined && server !== first && !faulty.has('server'))
    findings.fault(
      placeOf(raw, 'server'),
      `'server' is ${server === null ? 'null' : `'${server}'`}, but the first of 'servers' is '${first}'`,
      "leave 'server' out: the first of 'servers' takes its place",
    )
}

/** RFC 8555 section 6.1 wants https; on this machine itself plain http is possible where it was asked for. */
export function assertPlainHttp(cert: Candidate, findings: Findings): void {
  if (cert.options.plainHttp || !areSound(cert, 'plainHttp', 'server', 'servers')) return
  const { servers } = cert.options
  directoriesOf(cert.options).forEach((url, i) => {
    if (new URL(url).protocol === 'http:')
      findings.fault(
        servers.length > 0 ? effectivePlace(cert, 'servers', [i]) : effectivePlace(cert, 'server'),
        `'${url}' is asked by plain http, which needs plainHttp = true`,
        'write https:// if the CA speaks it, else set plainHttp = true',
      )
  })
}

/** What is asked for, in the words of CAs. */
function wanted({ name, options }: Candidate) {
  const names = identifiers([options.domain ?? name, ...options.extraDomainNames])
  return { names, hasAddresses: names.some((one) => isIP(one) !== 0), profiles: [options.profile ?? []].flat() }
}

/** What a CA whose rules are known would refuse is told before anything is ordered. */
export function assertWithinCa(cert: Candidate, findings: Findings): void {
  const { options } = cert
  if (!areSound(cert, 'server', 'servers', 'domain', 'extraDomainNames', 'profile')) return
  const { names, ...rest } = wanted(cert)
  const order = {
    ...rest,
    names: names.length,
    mustStaple: options.ocspMustStaple && areSound(cert, 'ocspMustStaple'),
    notAfter: options.notAfter !== null && areSound(cert, 'notAfter'),
  }
  for (const url of directoriesOf(options)) {
    const ca = nameOf(url)
    if (ca === undefined) continue
    for (const { option, reason, hint } of refusals(order))
      findings.fault(effectivePlace(cert, option), `${ca} ${reason}`, hint)
  }
}

/** More certificates of one set of names than a CA whose rules are known issues in a week. */
export function warnOfTwins(certs: readonly Candidate[], findings: Findings): void {
  const counts = new Map<string, number>()
  for (const cert of certs) {
    if (!areSound(cert, 'server', 'servers', 'domain', 'extraDomainNames', 'profile')) continue
    const { names, hasAddresses, profiles } = wanted(cert)
    const isShort = hasAddresses || profiles[0] === 'shortlived'
    for (const ca of new Set(directoriesOf(cert.options).map(nameOf))) {
      const set = `${ca} ${nameSet(names)}`
      const count = (counts.get(set) ?? 0) + 1
      counts.set(set, count)
      if (ca === undefined || count * (isShort ? 2 : 1) <= allowed) continue
      const each = isShort ? ', of which each takes 2' : ''
      findings.warning(
        cert.raw.place,
        `'${cert.name}' is certificate number ${count} with the same names, and ${ca} issues ${allowed} of them in 7 days${each}`,
      )
    }
  }
}
