// Home slots: the assignment of real Nix, the rows of the contract, and the laws that make it fair.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { assignSlots, byBytes } from '../../src/job/slots.ts'
import { identityVectors } from '../nix/identity.ts'

for (const { input, output } of identityVectors().slots)
  test(`Nix: ${input.certs.length} certificates, limit ${input.limit}`, () =>
    assert.deepEqual(Object.fromEntries(assignSlots(input.certs, input.limit)), output))

const certs = ['10.example', '9.example', 'Z.example', '_x', 'a-b.example', 'a.b.example', 'a.example', 'b.example']
for (const [limit, wanted] of [
  [3, [1, 2, 3, 1, 2, 3, 1, 2]],
  [5, [1, 2, 3, 4, 5, 1, 2, 3]],
  [1, [1, 1, 1, 1, 1, 1, 1, 1]],
] as const)
  test(`contract: limit ${limit}`, () => {
    const slots = assignSlots([...certs].reverse(), limit)
    assert.deepEqual(
      certs.map((cert) => slots.get(cert)),
      wanted,
    )
  })

for (const limit of [0, -1]) test(`limit ${limit} is none`, () => assert.equal(assignSlots(certs, limit).size, 0))

const names = fc.uniqueArray(fc.string({ unit: 'binary', minLength: 1 }), {
  maxLength: 60,
})
const limit = fc.integer({ min: 1, max: 20 })

test('law: each certificate has one slot of 1…N, and the slots differ by one certificate at most', () => {
  fc.assert(
    fc.property(names, limit, (all, n) => {
      const slots = assignSlots(all, n)
      assert.deepEqual(new Set(slots.keys()), new Set(all))
      const sizes = Array.from({ length: n }, (_, i) => [...slots.values()].filter((slot) => slot === i + 1).length)
      assert.equal(
        sizes.reduce((a, b) => a + b, 0),
        all.length,
      )
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
    }),
  )
})

test('law: the order of writing does not matter', () => {
  const shuffled = names.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
  )
  fc.assert(
    fc.property(shuffled, limit, ([all, other], n) =>
      assert.deepEqual([...assignSlots(all, n)], [...assignSlots(other, n)]),
    ),
  )
})

test('byte order is that of UTF-8, not of UTF-16', () => {
  assert.ok('\u{10000}' < '\uFB00', 'JavaScript compares UTF-16 units')
  assert.ok(byBytes('\u{10000}', '\uFB00') > 0)
  assert.ok(byBytes('Z', 'a') < 0)
  assert.equal(byBytes('a', 'a'), 0)
})
