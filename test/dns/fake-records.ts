// What the fakes of providers keep: TXT records with identifiers, and pages of lists.
export interface KeptRecord {
  readonly id: string
  readonly name: string
  readonly value: string
  readonly ttl: number
}

/** Records of the zone `example.com` by their full names. */
export class KeptRecords {
  #next = 1000
  all: KeptRecord[] = []

  put(name: string, value: string, ttl = 77): KeptRecord {
    const record = { id: `${this.#next++}`, name, value, ttl }
    this.all.push(record)
    return record
  }

  /** False: there was none. */
  remove(id: string): boolean {
    const before = this.all.length
    this.all = this.all.filter((record) => record.id !== id)
    return this.all.length < before
  }

  readonly values = (name: string): string[] =>
    this.all.filter((record) => record.name === name).map(({ value }) => value)

  readonly add = (name: string, value: string): void => {
    this.put(name, value)
  }
}

/** The items of a page, numbered from 1, and whether there is a further one. */
export function pageOf<Item>(all: readonly Item[], page: number, perPage: number) {
  const items = all.slice((page - 1) * perPage, page * perPage)
  return { items, last: Math.max(1, Math.ceil(all.length / perPage)), more: page * perPage < all.length }
}

/** `@` for the zone itself, and back. */
export const relative = (name: string, apex = '@'): string =>
  name === 'example.com' ? apex : name.slice(0, -'.example.com'.length)
export const absolute = (name: string, apex = '@'): string => (name === apex ? 'example.com' : `${name}.example.com`)

/** Names of zones, the one that is looked for behind so many others. */
export const zonesBehind = (count: number): string[] => [
  ...Array.from({ length: count }, (_, i) => `zone${i}.example`),
  'example.com',
]
