// The zones of an account: a list read page by page, and the one in it that holds a name.
import type { Api } from './api.ts'
import { candidateZones } from './provider.ts'

export interface Page<Item, Next> {
  readonly items: readonly Item[]
  /** What leads to the next page; undefined on the last one. */
  readonly next: Next | undefined
}

/** Of a provider that pages in the least steps that one has: far more than any account holds. */
const mostPages = 1000

/**
 * All items of a list; `read` fetches a page, the first one with undefined. Throws `unavailable` (69) for a list without
 * an end.
 */
export async function allPages<Item, Next>(
  api: Pick<Api, 'nonsense'>,
  read: (next: Next | undefined) => Promise<Page<Item, Next>>,
): Promise<readonly Item[]> {
  const all: Item[] = []
  let next: Next | undefined
  for (let page = 1; page <= mostPages; page++) {
    const found = await read(next)
    all.push(...found.items)
    next = found.next
    if (next === undefined) return all
  }
  throw api.nonsense(`a list of more than ${mostPages} pages`)
}

/**
 * The zone that holds a name, of several the longest: names are compared without a dot at the end. Throws `refused` (76)
 * where the account has none.
 */
export function zoneHolding<Zone>(
  api: Pick<Api, 'refusal'>,
  name: string,
  zones: readonly Zone[],
  nameOf: (zone: Zone) => string,
): Zone {
  for (const candidate of candidateZones(name)) {
    const zone = zones.find((one) => nameOf(one).replace(/\.$/, '').toLowerCase() === candidate)
    if (zone !== undefined) return zone
  }
  throw api.refusal(`'${name}': the account holds no zone for it`)
}
