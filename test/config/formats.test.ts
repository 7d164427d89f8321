import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from '../../src/config/json.ts'
import { parseToml } from '../../src/config/toml.ts'
import { BrokenSyntax, positionOf, type Table, toPlain } from '../../src/config/tree.ts'

const parsers = { TOML: parseToml, JSON: parseJson }

function brokenBy(format: keyof typeof parsers, text: string): string {
  try {
    parsers[format](text)
  } catch (e) {
    assert.ok(e instanceof BrokenSyntax, `expected BrokenSyntax, found ${e}`)
    return `${e.at ? `${e.at.line}:${e.at.column}` : '-'} ${e.message}`
  }
  assert.fail(`expected '${text}' to be broken`)
}

/** Format, text, place, part of the sentence. */
const broken: readonly (readonly [keyof typeof parsers, string, string, RegExp])[] = [
  ['TOML', 'a = ', '1:4', /expected a value after '='/],
  ['TOML', 'a =  \nb = 1', '1:4', /expected a value after '='/],
  ['TOML', 'a = truE', '1:5', /expected a string in quotes/],
  ['TOML', "a = 'x' b = 1", '1:9', /end of the line/],
  ['TOML', 'example.com b = 1', '1:13', /expected '=' after the key/],
  ['TOML', '[certs', '1:7', /expected '\]'/],
  ['TOML', 'a = "x\ny"', '1:7', /quote that ends/],
  ['TOML', 'a = [1,\n2', '2:2', /'\]' at the end of the list/],
  ['TOML', 'a = {b = 1', '1:11', /'}' at the end of the table/],
  ['TOML', 'a = 1\na = 2', '2:1', /each key once/],
  ['TOML', '[a]\n[a]', '2:2', /each key once/],
  ['TOML', 'a = 01', '1:5', /leading zeros/],
  ['TOML', 'a = "\\q"', '1:7', /escape/],
  ['TOML', 'a = 2026-13-01', '1:14', /date that exists/],
  ['TOML', `a = ${'['.repeat(100_000)}${']'.repeat(100_000)}`, '-', /nested too deeply/],
  ['JSON', '', '1:1', /expected a value/],
  ['JSON', '{', '1:2', /'}'/],
  ['JSON', '{\n  "a" 1}', '2:7', /':'/],
  ['JSON', '{"a": 1,}', '1:9', /key in double quotes/],
  ['JSON', '{"a": 1} x', '1:10', /expected/],
  ['JSON', '{"a": [1 2]}', '1:10', /','/],
  ['JSON', '{"a": "x}', '1:7', /end of the string/],
  ['JSON', "{'a': 1}", '1:2', /expected/],
  ['JSON', '// c\n{}', '1:1', /comment/],
  ['JSON', '{"a": NaN}', '1:7', /expected a value/],
  ['JSON', '{"a": 1,\n "a": 2}', '2:2', /'a' again \(first in line 1\)/],
  ['JSON', '[]', '1:1', /expected an object/],
  ['JSON', 'null', '1:1', /expected an object/],
  ['JSON', `{"a": ${'['.repeat(100_000)}`, '-', /nested too deeply/],
]

for (const [format, text, place, sentence] of broken)
  test(`broken ${format} ${JSON.stringify(text.slice(0, 40))}`, () => {
    const found = brokenBy(format, text)
    assert.equal(found.split(' ')[0], place)
    assert.match(found, sentence)
    assert.doesNotMatch(found, /\.$/)
  })

const plain = (table: Table): unknown => JSON.parse(JSON.stringify(toPlain(table)))

test('both formats give the same values', () => {
  const toml = `
acceptTerms = true
a.b = [1, -2, "x"]
[certs."example.com"]
email = """
x"""
inline = { k = 1, l.m = [] }
[certs."example.com".sub]
n = 1.5
[[list]]
o = 1
[[list]]
[list.inner]
p = 2
`
  const json = {
    acceptTerms: true,
    a: { b: [1, -2, 'x'] },
    certs: { 'example.com': { email: 'x', inline: { k: 1, l: { m: [] } }, sub: { n: 1.5 } } },
    list: [{ o: 1 }, { inner: { p: 2 } }],
  }
  assert.deepEqual(plain(parseToml(toml)), json)
  assert.deepEqual(plain(parseJson(JSON.stringify(json, null, 2))), json)
})

test('TOML has values that JSON has not: dates, not-a-number, large numbers', () => {
  const table = parseToml('a = 2026-11-21\nb = 07:32:00\nc = nan\nd = -inf\ne = 9007199254740993\nf = 1_000\ng = 0x10')
  const { a, b, c, d, e, f, g } = toPlain(table) as Record<string, unknown>
  assert.ok(a instanceof Date && b instanceof Date)
  assert.deepEqual([c, d, e, f, g], [Number.NaN, Number.NEGATIVE_INFINITY, 9007199254740993n, 1000, 16])
})

test('a JSON number beyond what a double holds exactly is no plain number', () => {
  const { a, b } = toPlain(parseJson('{"a": 9007199254740993, "b": 1e400}')) as Record<string, unknown>
  assert.equal(typeof a, 'bigint')
  assert.equal(b, Number.POSITIVE_INFINITY)
})

for (const [format, text] of [
  ['TOML', '[certs."x"]\n  names = [\n    "a",\n  "b" ]\n__proto__ = { polluted = 1 }\nconstructor = 2'],
  ['JSON', '{"certs": {"x": {\n  "names": [\n    "a",\n  "b" ],\n"__proto__": { "polluted": 1 },\n"constructor": 2}}}'],
] as const)
  test(`${format} keeps the place of everything, and its keys are only keys`, () => {
    const table = parsers[format](text)
    assert.deepEqual(positionOf(table, ['certs', 'x', 'names', 1]), { line: 4, column: 3 })
    assert.equal(positionOf(table, ['certs', 'x', 'names', 7]).line, 2)
    const certs = table.entries.get('certs')?.value
    const x = certs?.kind === 'table' ? certs.entries.get('x')?.value : undefined
    assert.ok(x?.kind === 'table')
    assert.deepEqual([...x.entries.keys()], ['names', '__proto__', 'constructor'])
    const object = toPlain(x) as Record<string, unknown>
    assert.deepEqual(Object.keys(object), ['names', '__proto__', 'constructor'])
    assert.equal(Object.getPrototypeOf(object), null)
    assert.equal('polluted' in {}, false)
  })
