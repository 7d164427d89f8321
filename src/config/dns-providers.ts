// The names of the DNS providers that there are without lego, so that a mistyped one is told offline. A test holds them and
// the providers themselves together.
import { areSound, type Candidate, effectivePlace } from './candidate.ts'
import type { Findings, Place } from './faults.ts'
import { nearest } from './nearest.ts'
import { placeOf } from './section.ts'

export const dnsProviders = [
  'acme-dns',
  'azuredns',
  'cloudflare',
  'desec',
  'digitalocean',
  'duckdns',
  'exec',
  'gandiv5',
  'gcloud',
  'godaddy',
  'hetzner',
  'httpreq',
  'inwx',
  'ionos',
  'linode',
  'manual',
  'namecheap',
  'netcup',
  'njalla',
  'ovh',
  'pdns',
  'porkbun',
  'rfc2136',
  'route53',
  'scaleway',
  'vultr',
] as const

/** Before the colon of a provider that is a script or a hook. */
export const dnsBridges = ['acmesh', 'certbot', 'dehydrated'] as const

const includes = (names: readonly string[], name: string): boolean => names.includes(name)

const isKnown = (name: string): boolean => {
  const [prefix = '', rest] = name.split(':', 2)
  return rest === undefined ? includes(dnsProviders, name) : includes(dnsBridges, prefix)
}

/** Lego has many more: with it any name will do. */
export function assertDnsProviders(cert: Candidate, findings: Findings): void {
  const { options } = cert
  if (options.engine === 'lego' || !areSound(cert, 'engine', 'dnsProvider', 'challenges')) return
  const judge = (name: string | null | undefined, place: Place) => {
    if (!name || isKnown(name)) return
    const near = nearest(name, dnsProviders)
    const meant = near === undefined ? "'nixacme dns list' names them" : `did you mean '${near}'?`
    findings.fault(place, `there is no DNS provider '${name}'`, `${meant}; lego has more: engine = "lego"`)
  }
  judge(options.dnsProvider, effectivePlace(cert, 'dnsProvider'))
  for (const [name, table] of Object.entries<Readonly<Record<string, string>>>(options.challenges))
    judge(table['dnsProvider'], placeOf(cert.raw, 'challenges', [name, 'dnsProvider']))
}

/** Hooks of other clients are told the name that is proven, and make `_acme-challenge` before it themselves. */
const makeNamesThemselves = ['certbot', 'dehydrated']

export function assertAccountLabel(cert: Candidate, findings: Findings): void {
  const { options } = cert
  if (!options.dnsAccountLabel || !areSound(cert, 'dnsAccountLabel', 'dnsProvider', 'challenges')) return
  const own = Object.values<Readonly<Record<string, string>>>(options.challenges).map((table) => table['dnsProvider'])
  for (const provider of new Set([options.dnsProvider, ...own]))
    if (includes(makeNamesThemselves, provider?.split(':', 1)[0] ?? ''))
      findings.fault(
        effectivePlace(cert, 'dnsAccountLabel'),
        `hooks as '${provider}' make the name of the record themselves, without a label of the account`,
        "leave 'dnsAccountLabel' out, or use another provider",
      )
}

/** `manual` tells somebody what to do, and sees when it is done. */
export function assertSeen(cert: Candidate, findings: Findings): void {
  const { options } = cert
  if (options.dnsPropagationCheck || options.engine === 'lego' || !areSound(cert, 'dnsProvider', 'challenges')) return
  const isManual = [options.dnsProvider, ...Object.values(options.challenges).map((table) => table['dnsProvider'])]
  if (isManual.includes('manual'))
    findings.fault(
      effectivePlace(cert, 'dnsPropagationCheck'),
      "with the DNS provider 'manual' the record must be waited for, found dnsPropagationCheck = false",
      "leave 'dnsPropagationCheck' out",
    )
}
