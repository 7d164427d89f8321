// What is known of Let's Encrypt, so that a config that it would refuse is told offline. Pure. Its directory has the last
// word: profiles that are not listed here are not judged. Sources, as of September 2026:
// - profiles: https://letsencrypt.org/docs/profiles/ (of 2026-09-08)
// - must-staple, refused since May 2025, OCSP ended in August 2025: https://letsencrypt.org/2024/12/05/ending-ocsp/
// - notAfter: Boulder's docs/acme-divergences.md, section 7.4
import { isIP } from 'node:net'

const hosts = new Map([
  ['acme-v02.api.letsencrypt.org', "Let's Encrypt"],
  ['acme-staging-v02.api.letsencrypt.org', "Let's Encrypt's staging CA"],
])

/** How the CA of a directory URL is called in a sentence; undefined when it is not Let's Encrypt. */
export const nameOf = (directoryUrl: string): string | undefined => hosts.get(new URL(directoryUrl).hostname)

interface Profile {
  readonly maxNames: number
  /** Whether IP addresses may be among the names. */
  readonly addresses: boolean
}

const ordinary = 'classic'
/** The only one that may hold IP addresses. */
export const forAddresses = 'shortlived'

export const profiles: ReadonlyMap<string, Profile> = new Map([
  [ordinary, { maxNames: 100, addresses: false }],
  ['tlsserver', { maxNames: 25, addresses: false }],
  [forAddresses, { maxNames: 25, addresses: true }],
])

/** One of which nothing is known may do all that any does. */
const unknown: Profile = { maxNames: 100, addresses: true }

export interface Order {
  /** How many, each counted once. */
  readonly names: number
  readonly hasAddresses: boolean
  /** Those that will do; []: whatever the CA gives. */
  readonly profiles: readonly string[]
  readonly mustStaple: boolean
  readonly notAfter: boolean
}

/** `reason` follows the CA's name. */
export interface Refusal {
  readonly option: 'ocspMustStaple' | 'notAfter' | 'profile' | 'extraDomainNames'
  readonly reason: string
  readonly hint: string
}

/** All for which Let's Encrypt would refuse this order. */
export function refusals(order: Order): Refusal[] {
  return [...ofExtensions(order), ...ofProfiles(order)]
}

function ofExtensions({ mustStaple, notAfter }: Order): Refusal[] {
  const staple: Refusal = {
    option: 'ocspMustStaple',
    reason: 'refuses must-staple: it has had no OCSP since 2025, so there is nothing to staple',
    hint: 'set ocspMustStaple = false, or order from a CA that has OCSP',
  }
  const lifetime: Refusal = {
    option: 'notAfter',
    reason: "takes no 'notAfter': the profile says how long a certificate lives",
    hint: `leave 'notAfter' out, and choose a profile, such as '${forAddresses}'`,
  }
  return [...(mustStaple ? [staple] : []), ...(notAfter ? [lifetime] : [])]
}

function ofProfiles({ names, hasAddresses, profiles: wanted }: Order): Refusal[] {
  const accepted = wanted.length > 0 ? wanted : [hasAddresses ? forAddresses : ordinary]
  const fitting = accepted.filter((name) => !hasAddresses || (profiles.get(name) ?? unknown).addresses)
  if (fitting.length === 0)
    return [
      {
        option: 'profile',
        reason: `has IP addresses in profile '${forAddresses}' only, found ${quoted(accepted)}`,
        hint: `add '${forAddresses}', or leave 'profile' out`,
      },
    ]
  const most = Math.max(...fitting.map((name) => (profiles.get(name) ?? unknown).maxNames))
  if (names <= most) return []
  return [
    {
      option: 'extraDomainNames',
      reason: `has at most ${most} names in a certificate of profile ${quoted(fitting)}, found ${names}`,
      hint: 'make several certificates of them, or take a wildcard in place of many names',
    },
  ]
}

/** Whether the CA of this directory URL would take an order of these names in this profile, as far as that is known. */
export function fits(directoryUrl: string, profile: string, names: readonly string[]): boolean {
  const { maxNames, addresses } = (nameOf(directoryUrl) && profiles.get(profile)) || unknown
  return names.length <= maxNames && (addresses || names.every((name) => isIP(name) === 0))
}

const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(' or ')
