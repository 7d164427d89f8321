// nixacme-config(5) against the definition of the options, and its examples against the checker.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { oldOptions } from '../../src/config/old.ts'
import { certOnly, global, inheritable, type Options } from '../../src/config/options.ts'
import { load } from './support.ts'

const path = fileURLToPath(new URL('../../man/nixacme-config.5', import.meta.url))
const manual = readFileSync(path, 'utf8')
const sections = new Map(
  manual.split(/^\.Sh /m).map((text) => [text.split('\n', 1)[0] ?? '', text.slice(text.indexOf('\n') + 1)]),
)
const section = (title: string): string => sections.get(title) ?? assert.fail(`no section ${title}`)

for (const [title, options] of [
  ['GLOBAL OPTIONS', global],
  ['OPTIONS OF DEFAULTS AND CERTIFICATES', inheritable],
  ['OPTIONS OF CERTIFICATES', certOnly],
] as [string, Options][])
  test(`${title}: each option with its type and default, and no other`, () => {
    const items = section(title)
      .split(/^\.It Ic /m)
      .slice(1)
      .map((text) => text.split('\n'))
    const found = items.map(([name, type, fallback]) => `${name} ${type} ${fallback}`)
    const wanted = Object.entries(options).map(
      ([name, option]) => `${name} Type: ${option.kind}. Default: ${JSON.stringify(option.default)}.`,
    )
    assert.deepEqual(found.sort(), wanted.sort())
  })

test('every older name is explained', () => {
  const words = section('OLDER NAMES').split(/[\s,]+/)
  for (const old of Object.values(oldOptions))
    for (const name of Object.keys(old)) assert.ok(words.includes(name), name)
})

test('the examples hold, and say the same', () => {
  const [toml, json] = [...section('EXAMPLES').matchAll(/^\.Bd .*\n([\s\S]*?)^\.Ed$/gm)].map(([, text]) => text)
  assert.ok(toml && json)
  const first = load(toml)
  assert.deepEqual(
    first.certs.map(({ name }) => name),
    ['example.com', 'mail'],
  )
  assert.deepEqual({ ...load({ 'config.json': json }), sources: [] }, { ...first, sources: [] })
})

const mandoc = spawnSync('mandoc', ['-Tlint', '-W', 'warning', path], { encoding: 'utf8' })
test(
  'mandoc finds nothing to warn of',
  { skip: mandoc.error ? 'mandoc is not installed: apt-get install mandoc' : false },
  () => assert.deepEqual([mandoc.status, mandoc.stdout], [0, '']),
)
