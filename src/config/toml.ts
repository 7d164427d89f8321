// TOML 1.1 text → tree. The only door to toml-eslint-parser, whose syntax tree keeps the place of everything.
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser'
import type { Position } from './faults.ts'
import { BrokenSyntax, type List, type Table, type Tree } from './tree.ts'

/** Throws BrokenSyntax. */
export function parseToml(text: string): Table {
  try {
    const [top] = parseTOML(text, { tomlVersion: '1.1' }).body
    const root: Table = { kind: 'table', at: { line: 1, column: 1 }, entries: new Map() }
    for (const item of top.body) {
      if (item.type === 'TOMLKeyValue') put(root, item)
      else {
        const table = tableAt(root, item)
        for (const pair of item.body) put(table, pair)
      }
    }
    return root
  } catch (e) {
    if (e instanceof ParseError) throw broken(text, e)
    if (e instanceof RangeError) throw new BrokenSyntax(null, 'broken TOML: nested too deeply, or a string too long')
    throw e
  }
}

function broken(text: string, { message, index, lineNumber, column }: ParseError): BrokenSyntax {
  // The parser looks for a missing value in the lines below: the fault is where it should have been.
  const before = text.slice(0, index).trimEnd()
  const missing = before.endsWith('=') && (text.slice(before.length, index).includes('\n') || index >= text.length)
  if (!missing) return new BrokenSyntax({ line: lineNumber, column: column + 1 }, `broken TOML: ${inOurWords(message)}`)
  const lines = before.split('\n')
  const at = { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
  return new BrokenSyntax(at, `broken TOML: ${words['Unspecified values are invalid']}`)
}

const start = (node: { loc: AST.SourceLocation }): Position => ({
  line: node.loc.start.line,
  column: node.loc.start.column + 1,
})

const nameOf = (key: AST.TOMLBare | AST.TOMLQuoted): string => (key.type === 'TOMLBare' ? key.name : key.value)

/** The table inside `table` under `name`, made when missing; in an array of tables, its last one. */
function child(table: Table, name: string, at: Position): Table {
  const found = table.entries.get(name)?.value
  if (found?.kind === 'table') return found
  const last = found?.kind === 'list' ? found.items.at(-1) : undefined
  if (last?.kind === 'table') return last
  // The parser has refused a key that is a value already, so there is nothing to overwrite.
  const made: Table = { kind: 'table', at, entries: new Map() }
  table.entries.set(name, { keyAt: at, value: made })
  return made
}

function put(table: Table, { key, value }: AST.TOMLKeyValue): void {
  let target = table
  const last = key.keys.length - 1
  key.keys.forEach((part, i) => {
    if (i < last) target = child(target, nameOf(part), start(part))
    else target.entries.set(nameOf(part), { keyAt: start(part), value: toTree(value) })
  })
}

function tableAt(root: Table, { key, kind }: AST.TOMLTable): Table {
  let target = root
  const last = key.keys.length - 1
  key.keys.forEach((part, i) => {
    const name = nameOf(part)
    const at = start(part)
    const there = target.entries.get(name)?.value
    if (i < last || kind === 'standard') {
      target = child(target, name, at)
      return
    }
    const list: List = there?.kind === 'list' ? there : { kind: 'list', at, items: [] }
    const made: Table = { kind: 'table', at, entries: new Map() }
    list.items.push(made)
    target.entries.set(name, { keyAt: at, value: list })
    target = made
  })
  return target
}

function toTree(node: AST.TOMLContentNode): Tree {
  const at = start(node)
  if (node.type === 'TOMLArray') return { kind: 'list', at, items: node.elements.map(toTree) }
  if (node.type === 'TOMLInlineTable') {
    const table: Table = { kind: 'table', at, entries: new Map() }
    for (const pair of node.body) put(table, pair)
    return table
  }
  if (node.kind !== 'integer') return { kind: 'scalar', at, value: node.value }
  return { kind: 'scalar', at, value: Number.isSafeInteger(node.value) ? node.value : node.bigint }
}

/** The parser's messages that name a state rather than what is expected; the others read well as they are. */
const words: Record<string, string> = {
  'Unterminated string constant': 'expected the quote that ends the string',
  'Unterminated table-key': "expected ']' after the table's name",
  'Unterminated array': "expected ']' at the end of the list",
  'Unterminated inline table': "expected '}' at the end of the table",
  'Empty bare keys are not allowed': "expected a key before '='",
  'Must be a newline': 'expected the end of the line',
  'Expected equal (=) token': "expected '=' after the key (a key with dots or spaces needs quotes)",
  'Unspecified values are invalid': "expected a value after '='",
  'Expected comma (,) token': "expected ','",
  'Defining a key multiple times is invalid': 'expected each key once, found one that is there already',
  'Unexpected character': 'expected a string in quotes, a number, true, false, a list or a table',
  'Unexpected token': 'expected a key or a [table]',
  'Control characters (codes < 0x1f and 0x7f) are not allowed':
    'expected printable characters, found a control character',
  'Unexpected invalid date': 'expected a date that exists',
  'Unexpected invalid time': 'expected a time that exists',
  'Leading zeros are not allowed': 'expected a number without leading zeros',
  'Invalid character in escape sequence': String.raw`expected an escape such as \" or \\ (in '…' quotes a backslash is itself)`,
}

const inOurWords = (message: string): string => words[message] ?? message.charAt(0).toLowerCase() + message.slice(1)
