// Names as people write them → A-labels: what is sent to the CA and compared with certificates.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { aLabel, identifierOf, identifiers } from '../../src/job/names.ts'

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

for (const [name, wanted] of [
  ['192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['::', '::'],
  ['*.Bücher.example', '*.xn--bcher-kva.example'],
] as const)
  test(`'${name}' is ordered as '${wanted}'`, () => assert.equal(identifierOf(name), wanted))

test('one IP address in two spellings is one name', () => {
  assert.deepEqual(identifiers(['::1', 'a.example', '0:0::1', '192.0.2.1', '::0001']), [
    '::1',
    'a.example',
    '192.0.2.1',
  ])
})

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
    fc.property(fc.array(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string({ unit: 'grapheme' }))), (names) => {
      const labels = identifiers(names)
      assert.deepEqual(identifiers(labels), labels)
      assert.equal(new Set(labels).size, labels.length)
      for (const label of labels) assert.match(label, /^[!-@[-~]*$/)
    }),
  )
})
