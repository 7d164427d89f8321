// What a fake provider keeps: TXT records by identifier, and lists long enough that what is looked for is not on page one.
import assert from 'node:assert/strict'
import type { Fake } from './conformance.ts'

export interface ShelfRecord {
  readonly id: string
  /** Fully qualified, without a dot at the end. */
  readonly name: string
  /** Without quotes. */
  readonly value: string
}

export class Shelf implements Pick<Fake, 'values' | 'add'> {
  records: ShelfRecord[] = []
  #last = 1000

  /** Returns the identifier. A value that is there already is a fault: whoever asks for it has not looked. */
  put(name: string, value: string): string {
    assert.ok(!this.records.some((one) => one.name === name && one.value === value), `'${value}' is there already`)
    const id = String(++this.#last)
    this.records.push({ id, name, value })
    return id
  }

  /** False: there is none. */
  take(id: string): boolean {
    const before = this.records.length
    this.records = this.records.filter((record) => record.id !== id)
    return this.records.length < before
  }

  at = (name: string): ShelfRecord[] => this.records.filter((record) => record.name === name)
  values = (name: string): string[] => this.at(name).map(({ value }) => value)
  add = (name: string, value: string): void => {
    this.put(name, value)
  }
}

/** `count` names of zones that hold nothing of ours, one that only looks like it among them, and then these. */
export const manyZones = (count: number, ...zones: readonly string[]): string[] => [
  'notexample.com',
  ...Array.from({ length: count - 1 }, (_, i) => `zone-${i}.example`),
  ...zones,
]

/** The name within `example.com`. */
export const labelOf = (name: string, apex: string): string =>
  name === 'example.com' ? apex : name.slice(0, -'.example.com'.length)

/** The other way. */
export const nameOf = (label: string, apex: string): string => (label === apex ? 'example.com' : `${label}.example.com`)

/** That an object has these keys and no others. */
export const assertKeys = (object: object, ...keys: readonly string[]): void =>
  assert.deepEqual(Object.keys(object).sort(), [...keys].sort())
