// The providers in nixacme-dns(7) are those of the code, with their variables, times and proof: what the definition of one
// says, its subsection says. It may say more.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { providers } from '../../src/acme/dns/providers.ts'
import { repository } from '../support/process.ts'

const page = readFileSync(join(repository, 'man/nixacme-dns.7'), 'utf8')
const [, section = ''] = /^\.Sh PROVIDERS\n([\s\S]*?)^\.Sh /m.exec(page) ?? []
const subsections = section.split(/^\.Ss /m).slice(1)
const nameOf = (subsection: string) => subsection.split('\n', 1)[0]

/** The words, without macros and what binds punctuation to them. */
const plain = (text: string) =>
  text
    .replaceAll(/^\.(?:It )?[A-Z][a-z] /gm, '')
    .replaceAll(/\\&|\\-/g, '')
    .replaceAll('\\e', '\\')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ([.,;:])(?= |$)/g, '$1')

test('nixacme-dns(7) has a subsection for each provider, in byte order, and no other', () => {
  const names = providers.map(({ name }) => name)
  assert.deepEqual(subsections.map(nameOf), names)
  assert.deepEqual(names, [...names].sort())
})

for (const { name, prefix, times, variables, notes = [], verified } of providers)
  test(`nixacme-dns(7) tells of ${name} what its definition says`, () => {
    const text = subsections.find((one) => nameOf(one) === name) ?? assert.fail('no subsection')
    const items = [...text.matchAll(/^\.It (Ev .*)$/gm)].flatMap(
      ([, item = '']) => item.match(/[A-Z][A-Z0-9_]+/g) ?? [],
    )
    assert.deepEqual(items.sort(), variables.flatMap(({ name: own, aliases = [] }) => [own, ...aliases]).sort())
    const words = plain(text)
    const wanted = [
      `Prefix ${prefix};`,
      `times ${times.ttl}, ${times.propagationTimeout} and ${times.pollingInterval}.`,
      ...notes,
      `Verified ${verified}.`,
    ]
    for (const sentence of wanted) assert.ok(words.includes(sentence), `'${sentence}' is not in: ${words}`)
    for (const { name: own, required } of variables)
      if (required)
        assert.match(text, new RegExp(`^\\.It .*\\bEv ${own}\\b(?:(?!^\\.It|^\\.El)[\\s\\S])*required`, 'm'))
  })
