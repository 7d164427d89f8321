// A parsed file, TOML or JSON alike: values with the place of each. Tables are Maps, so that a key such as `__proto__`
// is a key like any other.
import type { Position } from './faults.ts'

export type Tree = Table | List | Scalar

export interface Entry {
  readonly keyAt: Position
  readonly value: Tree
}

export interface Table {
  readonly kind: 'table'
  readonly at: Position
  readonly entries: Map<string, Entry>
}

export interface List {
  readonly kind: 'list'
  readonly at: Position
  readonly items: Tree[]
}

export interface Scalar {
  readonly kind: 'scalar'
  readonly at: Position
  /** bigint: a whole number that a double cannot hold exactly. Date: a date or time of TOML. */
  readonly value: string | number | bigint | boolean | null | Date
}

/** A file's content could not be parsed: where, and what was expected instead. */
export class BrokenSyntax extends Error {
  readonly at: Position | null
  constructor(at: Position | null, message: string) {
    super(message)
    this.at = at
  }
}

const deepest = 32

/** Throws BrokenSyntax where a tree is deeper than any config: everything after may then call itself for each level. */
export function assertShallow(root: Tree): void {
  const waiting: { readonly tree: Tree; readonly depth: number }[] = [{ tree: root, depth: 0 }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { tree, depth } = next
    if (depth > deepest) throw new BrokenSyntax(tree.at, `nested too deeply: at most ${deepest} levels are possible`)
    if (tree.kind === 'list') for (const item of tree.items) waiting.push({ tree: item, depth: depth + 1 })
    if (tree.kind === 'table')
      for (const { value } of tree.entries.values()) waiting.push({ tree: value, depth: depth + 1 })
  }
}

/** The plain value, for the option's check; objects have no prototype. */
export function toPlain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(toPlain)
  const object: Record<string, unknown> = Object.create(null)
  for (const [key, { value }] of tree.entries) object[key] = toPlain(value)
  return object
}

/** The place of the value at `path` inside `tree`, or of the deepest part on the way that is there. */
export function positionOf(tree: Tree, path: readonly PropertyKey[]): Position {
  const [part, ...rest] = path
  const inner =
    tree.kind === 'table' && typeof part === 'string'
      ? tree.entries.get(part)?.value
      : tree.kind === 'list' && typeof part === 'number'
        ? tree.items[part]
        : undefined
  return inner ? positionOf(inner, rest) : tree.at
}

const shown = 60

/** Short words for a value that was found, for a sentence: `the string 'x'`, `the number 5`, `a list`. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return 'a date or time'
  if (typeof value === 'string') return `the string '${value.length > shown ? `${value.slice(0, shown)}…` : value}'`
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`
  if (typeof value === 'boolean') return `${value}`
  return 'a table'
}
