// dns-persist-01 (draft-ietf-acme-dns-persist-01): the records were made by hand, and are looked at before anything is
// ordered, so that a missing one costs no order and no failure at the CA.
import type { Challenge } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import { type Place, persistName, persistValue, placesOf, zoneLine } from '../../job/proof-records.ts'
import { flawOfValues } from '../dns/persist-record.ts'
import type { Resolver } from '../dns/resolver.ts'
import { valuesNow } from '../dns/values-now.ts'
import { dnsLanes, inLanes } from './lanes.ts'

export interface VerifyOptions {
  readonly resolver: Resolver
  readonly accountUrl: string
  now(): Date
  readonly signal: AbortSignal
}

/**
 * Looks whether every server of the zones that answers shows records which let the account prove these names. Throws
 * `config` (78) with the lines that are to be made, `unavailable` (69) as resolvers do.
 */
export async function verifyStanding(
  { issuer }: Challenge & { readonly kind: 'dns-persist' },
  names: readonly string[],
  options: VerifyOptions,
): Promise<void> {
  const places = placesOf(names)
  const flaws = new Map<Place, string>()
  await inLanes(dnsLanes, places, async (place) => {
    const flaw = await flawAt(place, issuer, options)
    if (flaw !== undefined) flaws.set(place, flaw)
  })
  const wrong = places.filter((place) => flaws.has(place))
  const [first] = wrong
  if (!first) return
  const others = wrong.length - 1
  const more = others === 0 ? '' : `; nor ${others === 1 ? 'another one' : `${others} others`} theirs`
  const proves = first.proves.map((name) => `'${name}'`).join(' and ')
  const { accountUrl } = options
  const lines = wrong.map(({ name, isWildcard }) =>
    zoneLine(persistName(name), persistValue({ issuer, accountUrl, isWildcard })),
  )
  throw new NixacmeError(
    'config',
    `the record '${persistName(first.name)}' does not prove ${proves}: ${flaws.get(first)}${more}`,
    { hints: ["nothing was ordered; make what follows, once, then run 'nixacme renew --now'", ...lines] },
  )
}

async function flawAt(
  { name, isWildcard }: Place,
  issuer: string,
  { resolver, accountUrl, now, signal }: VerifyOptions,
): Promise<string | undefined> {
  for (const { label, values } of await valuesNow(persistName(name), resolver, signal)) {
    const flaw = flawOfValues(values, { issuer, accountUrl, isWildcard }, now())
    if (flaw !== undefined) return `at ${label} it ${flaw}`
  }
  return undefined
}
