// Providers that keep each value as a record with an identifier of its own: others' values need no care, a value that is
// there already must be looked for.
import type { Api } from './api.ts'
import { textOf, unquoted } from './json.ts'
import type { DnsProvider, TxtRecord } from './provider.ts'

export interface FoundRecord {
  readonly id: string
  /** As it is looked up: without quotes. */
  readonly value: string
}

/** A record of an answer. Throws `unavailable` (69) where it has no identifier or no content. */
export function foundRecord(api: Pick<Api, 'nonsense'>, id: unknown, content: unknown): FoundRecord {
  const [key, text] = [textOf(id), textOf(content)]
  if (key === undefined || key === '' || text === undefined)
    throw api.nonsense('a record without identifier or content')
  return { id: key, value: unquoted(text) }
}

export interface RecordStore<Zone> {
  /** The account's zone for a name. Throws `refused` (76) where it has none. */
  zoneFor(name: string): Promise<Zone>
  /** The TXT records that stand at this name, all of them. */
  recordsAt(zone: Zone, name: string): Promise<readonly FoundRecord[]>
  add(zone: Zone, record: TxtRecord): Promise<void>
  /** Removes one record; that it is gone already is no fault. */
  remove(zone: Zone, id: string): Promise<void>
}

export function recordByRecord<Zone>(store: RecordStore<Zone>): DnsProvider {
  const find = async ({ name, value }: TxtRecord) => {
    const zone = await store.zoneFor(name)
    const records = await store.recordsAt(zone, name)
    return { zone, found: records.filter((record) => record.value === value) }
  }
  return {
    async present(record) {
      const { zone, found } = await find(record)
      if (found.length === 0) await store.add(zone, record)
    },
    async cleanUp(record) {
      const { zone, found } = await find(record)
      for (const { id } of found) await store.remove(zone, id)
    },
  }
}
