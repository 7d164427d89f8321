// Which name of a certificate is proven in which way, and what is wrong with that.
import { isIP } from 'node:net'
import { aLabel, identifierOf, identifiers } from '../job/names.ts'
import { areSound, type Candidate, effectivePlace } from './candidate.ts'
import type { Challenge, ChallengeGroup } from './config.ts'
import type { Findings, Place } from './faults.ts'
import { placeOf } from './section.ts'

/** Options that each are a way, in the order of sentences. */
const ways = ['dnsProvider', 'webroot', 'listenHTTP', 'listenTLS', 's3Bucket', 'dnsPersist'] as const
type Way = (typeof ways)[number]

type Options = Candidate['options']
type Ways = Readonly<Partial<Record<Way, string | null>>>

/** The way that is set; undefined where none is. */
function challengeOf(table: Ways, options: Options): Challenge | undefined {
  const { webroot, listenHTTP, listenTLS, s3Bucket, dnsProvider, dnsPersist } = table
  const seen = { resolver: options.dnsResolver, propagationCheck: options.dnsPropagationCheck }
  if (webroot) return { kind: 'webroot', webroot }
  if (listenHTTP) return { kind: 'listen-http', address: listenHTTP }
  if (listenTLS) return { kind: 'listen-tls', address: listenTLS }
  if (s3Bucket) return { kind: 's3', bucket: s3Bucket }
  if (dnsPersist) return { kind: 'dns-persist', issuer: aLabel(dnsPersist), ...seen }
  if (!dnsProvider) return undefined
  return { kind: 'dns', provider: dnsProvider, ...seen, ...(options.dnsAccountLabel && { accountLabel: true }) }
}

const namesOf = (name: string, { domain, extraDomainNames }: Options): string[] =>
  identifiers([domain ?? name, ...extraDomainNames])

/** The names that have a way of their own, as identifiers. */
const exceptions = (options: Options): Map<string, Ways> =>
  new Map(Object.entries(options.challenges).map(([name, table]) => [identifierOf(name), table]))

/** Each name with its way. Call it for what holds: a name without one is left out. */
export function challengeGroups(name: string, options: Options): ChallengeGroup[] {
  const own = exceptions(options)
  const groups = new Map<string, { challenge: Challenge; names: string[] }>()
  for (const identifier of namesOf(name, options)) {
    const challenge = challengeOf(own.get(identifier) ?? options, options)
    if (!challenge) continue
    const key = JSON.stringify(challenge)
    const group = groups.get(key)
    if (group) group.names.push(identifier)
    else groups.set(key, { challenge, names: [identifier] })
  }
  return [...groups.values()]
}

/** Contract 2.2: exactly one way, unless every name has one of its own. */
export function assertOneChallenge(cert: Candidate, findings: Findings): void {
  if (!areSound(cert, ...ways, 'challenges', 'domain', 'extraDomainNames')) return
  const { name, options } = cert
  const set = ways.filter((key) => options[key] !== null)
  const own = exceptions(options)
  if (set.length === 1 || (set.length === 0 && namesOf(name, options).every((one) => own.has(one)))) return
  const current = set.map((key) => `${key} '${options[key]}'`).join(' and ')
  const inherited = set.find((key) => !cert.raw.options.has(key))
  const dropping = inherited && `${inherited} comes from defaults: drop it here with ${inherited} = ""`
  findings.fault(
    cert.raw.place,
    `exactly one of ${ways.join(', ')} is required, found ${current || 'none'}`,
    set.length === 0 ? "set 'webroot' to the folder that the web server serves" : (dropping ?? 'remove all but one'),
  )
}

/** A way of its own is for a name that the certificate has, said once. */
export function assertExceptions(cert: Candidate, findings: Findings): void {
  if (!areSound(cert, 'challenges', 'domain', 'extraDomainNames')) return
  const names = namesOf(cert.name, cert.options)
  const seen = new Map<string, string>()
  for (const name of Object.keys(cert.options.challenges)) {
    const identifier = identifierOf(name)
    const place = placeOf(cert.raw, 'challenges', [name])
    if (!names.includes(identifier))
      findings.fault(
        place,
        `'${name}' is no name of this certificate`,
        "add it to 'extraDomainNames', or leave it out here",
      )
    const earlier = seen.get(identifier)
    if (earlier !== undefined) findings.fault(place, `'${name}' is the same name as '${earlier}'`, 'keep one of them')
    seen.set(identifier, name)
  }
}

const isByDns = (way: Way): boolean => way === 'dnsProvider' || way === 'dnsPersist'

/** HTTP and TLS cannot prove a wildcard (RFC 8555 section 8.3, RFC 8737 section 3), DNS no address (RFC 8738 section 7). */
export function assertProvable(cert: Candidate, findings: Findings): void {
  if (!areSound(cert, ...ways, 'challenges')) return
  const { options } = cert
  const own = exceptions(options)
  const tell = (name: string, place: Place) => {
    const table = own.get(identifierOf(name)) ?? options
    const way = ways.find((key) => table[key])
    if (way === undefined) return
    if (name.startsWith('*.') && !isByDns(way))
      findings.fault(
        place,
        `wildcard '${name}' cannot be proven with '${way}', only by DNS`,
        `set dnsProvider for it: challenges."${name}".dnsProvider`,
      )
    if (isIP(name) !== 0 && isByDns(way))
      findings.fault(
        place,
        `address '${name}' cannot be proven by ${way === 'dnsPersist' ? 'DNS-PERSIST-01' : 'DNS-01'}`,
        `set another way for it: challenges."${name}".webroot, for instance`,
      )
  }
  // What a certificate's own name may be is told elsewhere.
  if (options.domain !== null) tell(options.domain, effectivePlace(cert, 'domain'))
  options.extraDomainNames.forEach((name, i) => {
    tell(name, effectivePlace(cert, 'extraDomainNames', [i]))
  })
}
