// Names as people write them → A-labels: what is sent to the CA and compared with certificates.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { aLabel, identifiers } from '../../src/job/names.ts'

for (const [name, wanted] of [
  ['example.com', 'example.com'],
  ['WWW.Example.COM', 'www.example.com'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['BÜCHER.example', 'xn--bcher-kva.example'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['日本語。example', 'xn--wgv71a119e.example'],
  ['straße.example', 'xn--strae-oqa.example'],
  ['*.example.com', '*.example.com'],
  ['*.Bücher.example', '*.xn--bcher-kva.example'],
  ['_acme.example.com', '_acme.example.com'],
  ['exa mple.com', ''],
  ['xn--\u{fffd}.example', ''],
  ['', ''],
  ['*.', ''],
] as const)
  test(`'${name}' is '${wanted}'`, () => assert.equal(aLabel(name), wanted))

test('order is kept, and a name in another spelling is dropped', () => {
  assert.deepEqual(identifiers(['b.example', 'bücher.example', 'B.example', 'xn--bcher-kva.example', 'a.example']), [
    'b.example',
    'xn--bcher-kva.example',
    'a.example',
  ])
})

test('a wildcard and its base are two names', () => {
  assert.deepEqual(identifiers(['*.example.com', 'example.com', '*.EXAMPLE.com']), ['*.example.com', 'example.com'])
})

test('law: an A-label is its own A-label, in ASCII and lower case, without duplicates', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.domain(), fc.string({ unit: 'grapheme' }))), (names) => {
      const labels = identifiers(names)
      assert.deepEqual(identifiers(labels), labels)
      assert.equal(new Set(labels).size, labels.length)
      for (const label of labels) assert.match(label, /^[!-@[-~]*$/)
    }),
  )
})
