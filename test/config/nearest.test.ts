import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { editDistance, nearest } from '../../src/config/nearest.ts'

for (const [a, b, distance] of [
  ['', '', 0],
  ['', 'abc', 3],
  ['email', 'emial', 1],
  ['webroot', 'webrot', 1],
  ['kitten', 'sitting', 3],
  ['ca', 'abc', 3],
] as const)
  test(`distance of '${a}' and '${b}' is ${distance}`, () => assert.equal(editDistance(a, b), distance))

test('a distance is symmetric, zero only for equal strings, and at most the longer length', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b)
      assert.equal(distance, editDistance(b, a))
      assert.equal(distance === 0, a === b)
      assert.ok(distance <= Math.max(a.length, b.length))
    }),
  )
})

const names = ['webroot', 'email', 'extraDomainNames', 'keyType', 'group']
for (const [written, found] of [
  ['webrot', 'webroot'],
  ['extra_domain_names', 'extraDomainNames'],
  ['ExtraDomainName', 'extraDomainNames'],
  ['emial', 'email'],
  ['key-type', 'keyType'],
  ['certificate', undefined],
  ['x', undefined],
  ['x'.repeat(100_000), undefined],
] as const)
  test(`'${written.slice(0, 20)}' is ${found ? `near '${found}'` : 'near nothing'}`, () =>
    assert.equal(nearest(written, names), found))
