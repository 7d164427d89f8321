// The main file and its drop-ins as one config, each option still knowing where it stands. What is set twice is a fault.
import type { Findings, Place, Position } from './faults.ts'
import { describe, type Table, type Tree, toPlain } from './tree.ts'

export interface Document {
  readonly file: string
  /** Undefined: it could not be read, which is a fault already. */
  readonly root: Table | undefined
}

export interface RawOption {
  readonly file: string
  readonly keyAt: Position
  readonly value: Tree
}

export interface RawSection {
  readonly place: Place
  readonly options: Map<string, RawOption>
}

export interface Merged {
  readonly global: RawSection
  readonly defaults: RawSection
  readonly certs: ReadonlyMap<string, RawSection>
}

const section = (place: Place): RawSection => ({ place, options: new Map() })

/** `main` is the file that faults without a place of their own are told of. */
export function merge(main: string, documents: readonly Document[], findings: Findings): Merged {
  const global = section({ file: main, at: null, path: [] })
  const defaults = section({ file: main, at: null, path: ['defaults'] })
  const certs = new Map<string, RawSection>()

  const put = (target: RawSection, file: string, table: Table, skip: readonly string[] = []) => {
    for (const [key, { keyAt, value }] of table.entries) {
      if (skip.includes(key)) continue
      const earlier = target.options.get(key)
      if (earlier) {
        const place = { file, at: keyAt, path: [...target.place.path, key] }
        findings.fault(place, `set here and in ${whereOf(earlier)}`, 'each option may be set in one file only')
      } else target.options.set(key, { file, keyAt, value })
    }
  }
  const tableIn = (file: string, root: Table, key: string): Table | undefined => {
    const value = root.entries.get(key)?.value
    if (value === undefined || value.kind === 'table') return value
    const found = describe(toPlain(value))
    const hint = value.kind === 'list' && key === 'certs' ? 'write [certs."example.com"], not [[certs]]' : null
    findings.fault({ file, at: value.at, path: [key] }, `expected a table, found ${found}`, hint)
    return undefined
  }

  for (const { file, root } of documents) {
    if (!root) continue
    put(global, file, root, ['defaults', 'certs'])
    const own = tableIn(file, root, 'defaults')
    if (own) put(defaults, file, own)
    for (const [name, { keyAt, value }] of tableIn(file, root, 'certs')?.entries ?? []) {
      const place = { file, at: keyAt, path: ['certs', name] }
      const earlier = certs.get(name)
      if (earlier) {
        const { file: other, at } = earlier.place
        findings.fault(
          place,
          `certificate '${name}' is defined here and in ${whereOf({ file: other, keyAt: at })}`,
          'give one of the two another name, or remove it',
        )
      } else if (value.kind !== 'table')
        findings.fault({ ...place, at: value.at }, `expected a table, found ${describe(toPlain(value))}`)
      else {
        const made = section(place)
        certs.set(name, made)
        put(made, file, value)
      }
    }
  }
  return { global, defaults, certs }
}

/** `'file', line 3` for a sentence. */
export const whereOf = ({ file, keyAt }: { readonly file: string; readonly keyAt: Position | null }): string =>
  keyAt ? `'${file}', line ${keyAt.line}` : `'${file}'`
