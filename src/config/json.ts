// JSON text (RFC 8259: no comments, no trailing commas) → tree. The only door to jsonc-parser, which keeps offsets.
import { type Node, type ParseError, type ParseErrorCode, parseTree } from 'jsonc-parser'
import type { Position } from './faults.ts'
import { BrokenSyntax, type Entry, type Table, type Tree } from './tree.ts'

/** Throws BrokenSyntax, also when a key stands twice in one object: the second would silently win. */
export function parseJson(text: string): Table {
  const at = positions(text)
  try {
    const errors: ParseError[] = []
    const node = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false })
    const [first] = errors
    if (first) throw new BrokenSyntax(at(first.offset), `broken JSON: ${expected[first.error] ?? 'cannot be read'}`)
    if (!node) throw new BrokenSyntax(at(0), `broken JSON: ${expected[valueExpected]}`)
    const tree = toTree(node, at)
    if (tree.kind !== 'table') throw new BrokenSyntax(tree.at, "expected an object '{…}' of options")
    return tree
  } catch (e) {
    if (e instanceof RangeError) throw new BrokenSyntax(null, 'broken JSON: nested too deeply')
    throw e
  }
}

/** Offset → line and column, by one pass over the text. */
function positions(text: string): (offset: number) => Position {
  const starts = [0]
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}

function toTree(node: Node, position: (offset: number) => Position): Tree {
  const at = position(node.offset)
  if (node.type === 'array') {
    return { kind: 'list', at, items: (node.children ?? []).map((item) => toTree(item, position)) }
  }
  if (node.type !== 'object') {
    const value: unknown = node.value
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
      return { kind: 'scalar', at, value: BigInt(value) }
    return { kind: 'scalar', at, value: value as string | number | boolean | null }
  }
  const entries = new Map<string, Entry>()
  for (const { children } of node.children ?? []) {
    const [key, value] = children ?? []
    if (!key || !value) continue
    const name = String(key.value)
    const keyAt = position(key.offset)
    const earlier = entries.get(name)
    if (earlier)
      throw new BrokenSyntax(
        keyAt,
        `broken JSON: expected each key once, found '${name}' again (first in line ${earlier.keyAt.line})`,
      )
    entries.set(name, { keyAt, value: toTree(value, position) })
  }
  return { kind: 'table', at, entries }
}

/** ParseErrorCode of jsonc-parser is a const enum, which isolated modules cannot read: its numbers stand here. */
const valueExpected = 4
const expected: { readonly [code in ParseErrorCode]?: string } = {
  1: 'expected a value: a string in double quotes, a number, true, false, null, a list or an object',
  2: 'expected a number',
  3: 'expected a key in double quotes (a comma after the last one is not allowed)',
  4: 'expected a value',
  5: "expected ':' after the key",
  6: "expected ',' before the next value",
  7: "expected '}' at the end of the object",
  8: "expected ']' at the end of the list",
  9: 'expected the end of the file',
  10: 'expected a value, found a comment, which JSON does not have',
  11: 'expected a value, found a comment, which JSON does not have',
  12: "expected '\"' at the end of the string",
  13: 'expected the rest of the number',
  14: String.raw`expected four hexadecimal digits after \u`,
  15: String.raw`expected an escape such as \" or \\`,
  16: 'expected printable characters, found a control character in a string',
}
