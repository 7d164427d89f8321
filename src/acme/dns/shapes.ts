// The shapes that interfaces of DNS providers come in: lists of zones in pages, records of their own, and whole sets of
// values at a name. What must hold for all of them is here once: others' values stay, twice is as good as once.
import { NixacmeError } from '../../errors.ts'
import { jittered, pause } from '../pace.ts'
import { type Api, wordsOf } from './api.ts'
import { fieldsOf, listOf, textOf, unquoted } from './json.ts'
import { candidateZones, type DnsProvider, type ProviderTools, type TxtRecord } from './provider.ts'

/** What is known of a zone where its name is all that is needed. */
export interface NamedZone {
  readonly name: string
}

/** Pages that are read of one list. */
const mostPages = 1000

export interface Page<Item> {
  readonly items: readonly Item[]
  /** There is a further one. */
  readonly more: boolean
}

/** All items of a list that comes in pages, numbered from 1. Throws `unavailable` (69) for one that does not end. */
export const allPages = <Item>(api: Api, page: (number: number) => Promise<Page<Item>>): Promise<Item[]> =>
  allFollowed(api, async (number: number | undefined = 1) => {
    const { items, more } = await page(number)
    return { items, next: more ? number + 1 : undefined }
  })

/** The same for pages of which each tells what leads to the next; the first is read with undefined. */
export async function allFollowed<Item, Next>(
  api: Api,
  page: (next: Next | undefined) => Promise<{ readonly items: readonly Item[]; readonly next: Next | undefined }>,
): Promise<Item[]> {
  const all: Item[] = []
  let next: Next | undefined
  for (let number = 1; number <= mostPages; number++) {
    const found = await page(next)
    all.push(...found.items)
    next = found.next
    if (next === undefined) return all
  }
  throw api.nonsense(`a list of more than ${mostPages} pages`)
}

/** `refused` (76): there is no zone to put the record into. */
export const noZone = (api: Api, name: string): NixacmeError =>
  api.refusal(`'${name}': the account holds no zone for it`, [
    'check that the credentials are of the account with the zone, and that they may see it',
  ])

/**
 * Finds the zone of a name in the account's list of zones, the longest that fits. The list is read once, and again when that
 * failed. `list` gives names in lower case, without a dot at the end.
 */
export function zoneFinder<Zone extends NamedZone>(
  api: Api,
  list: () => Promise<readonly Zone[]>,
): (name: string) => Promise<Zone> {
  let zones: Promise<readonly Zone[]> | undefined
  return async (name) => {
    zones ??= list().catch((e) => {
      zones = undefined
      throw e
    })
    const all = await zones
    for (const candidate of candidateZones(name)) {
      const zone = all.find((one) => one.name === candidate)
      if (zone) return zone
    }
    throw noZone(api, name)
  }
}

export interface FoundRecord {
  readonly id: string
  /** Without quotes. */
  readonly value: string
}

export interface RecordAccess<Zone> {
  zoneOf(name: string): Promise<Zone>
  /** All TXT records at the name, values without quotes. */
  find(zone: Zone, name: string): Promise<readonly FoundRecord[]>
  add(zone: Zone, record: TxtRecord): Promise<void>
  /** One that is not there any more is no fault. */
  remove(zone: Zone, id: string, record: TxtRecord): Promise<void>
}

/** A provider whose interface gives each record an identifier. */
export function overRecords<Zone>({ zoneOf, find, add, remove }: RecordAccess<Zone>): DnsProvider {
  return {
    async present(record) {
      const zone = await zoneOf(record.name)
      const found = await find(zone, record.name)
      if (!found.some(({ value }) => value === record.value)) await add(zone, record)
    },
    async cleanUp(record) {
      const zone = await zoneOf(record.name)
      const found = await find(zone, record.name)
      for (const { id, value } of found) if (value === record.value) await remove(zone, id, record)
    },
  }
}

/**
 * Does it, for providers that have no clear word for 'is there already' and 'is not there': after a refusal the records tell
 * whether somebody else has done it.
 */
export async function unlessDone(action: () => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> {
  try {
    await action()
  } catch (e) {
    if (!(e instanceof NixacmeError && e.kind === 'refused' && (await isDone()))) throw e
  }
}

export interface TxtSet {
  /** Each as the provider writes it, so that what is not ours goes back as it came. */
  readonly values: readonly string[]
  /** Seconds; undefined where there is no set yet. */
  readonly ttl: number | undefined
}

export interface SetAccess<Zone> {
  zoneOf(name: string): Promise<Zone>
  read(zone: Zone, name: string): Promise<TxtSet>
  /** No values: the set is removed. */
  write(zone: Zone, name: string, values: readonly string[], before: TxtSet): Promise<void>
  /** A value as the provider writes it. */
  written(value: string): string
  /** And as it is looked up. */
  plain(written: string): string
}

/** A provider whose interface reads and writes all values of a name together. */
export function overSets<Zone>({ zoneOf, read, write, written, plain }: SetAccess<Zone>): DnsProvider {
  const change = async (name: string, make: (values: readonly string[]) => readonly string[]) => {
    const zone = await zoneOf(name)
    const before = await read(zone, name)
    const after = make(before.values)
    if (after.length !== before.values.length) await write(zone, name, after, before)
  }
  const isOf = (value: string) => (one: string) => plain(one) === value
  return {
    present: ({ name, value }) =>
      change(name, (values) => (values.some(isOf(value)) ? values : [...values, written(value)])),
    cleanUp: ({ name, value }) => change(name, (values) => values.filter((one) => !isOf(value)(one))),
  }
}

type Fields = Readonly<Record<string, unknown>>

/** The list that a JSON answer has under this name. Throws `unavailable` (69) where there is none. */
export function listIn(api: Api, answer: unknown, name: string): readonly Fields[] {
  const list = listOf(fieldsOf(answer)?.[name])
  if (list) return list
  throw api.nonsense(`expected a list '${name}', found ${wordsOf(answer).slice(0, 100)}`)
}

/** A field that must be there. Throws `unavailable` (69). */
export function fieldIn(api: Api, fields: Fields, name: string): string {
  const text = textOf(fields[name])
  if (text !== undefined) return text
  throw api.nonsense(`expected a field '${name}', found ${wordsOf(fields).slice(0, 100)}`)
}

/** Identifier and value of records, whose fields have these names. */
export const recordsIn = (api: Api, list: readonly Fields[], value: string): FoundRecord[] =>
  list.map((fields) => ({ id: fieldIn(api, fields, 'id'), value: unquoted(fieldIn(api, fields, value)) }))

/** How often a set is read and written anew that somebody else changes meanwhile. */
const mostTries = 5

/** Does what ends with false when somebody else's change came first, until it does not. Throws `unavailable` (69). */
export async function untilWritten(
  { signal }: Pick<ProviderTools, 'signal'>,
  name: string,
  write: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 1; attempt <= mostTries; attempt++) {
    if (await write()) return
    if (attempt < mostTries) await pause(jittered(0.5), signal)
  }
  throw new NixacmeError('unavailable', `'${name}' was changed by somebody else meanwhile, ${mostTries} times`)
}
