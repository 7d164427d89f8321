// What CAs allow, dealt out among the certificates that share it: by cases that are counted by hand, and by law.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { allowed, type Claim, dealLimits, type Limits, nameSet, provenNames } from '../../src/job/limits.ts'

const le = 'https://le.example/dir'
const other = 'https://other.example/dir'
const claim = (cert: string, names: string[], directories = [le]): Claim => ({ cert, names, directories })

/** The limits at the first of its CAs, by certificate: orders and validations. */
function dealt(...claims: Claim[]): Record<string, [number, number]> {
  const limitsOf = dealLimits(claims)
  const pair = ({ orders, validations }: Limits): [number, number] => [orders, validations]
  return Object.fromEntries(claims.map((one) => [one.cert, pair(limitsOf(one, one.directories[0] ?? ''))]))
}

test('who shares nothing has all of it', () => {
  assert.deepEqual(dealt(claim('a', ['a.test']), claim('b', ['b.test', 'c.test'])), { a: [5, 5], b: [5, 5] })
})

test('equal sets of names, in whatever order, share their orders; what is left over goes to the first', () => {
  const claims = ['rsa', 'ec', 'third'].map((cert) => claim(cert, ['a.test', 'b.test']))
  claims[1] = claim('ec', ['b.test', 'a.test'])
  assert.deepEqual(dealt(...claims.slice(0, 2)), { rsa: [3, 3], ec: [2, 2] })
  assert.deepEqual(dealt(...claims), { rsa: [2, 2], ec: [2, 2], third: [1, 1] })
})

test('a name in several sets shares its validations only; a wildcard is validated at the name below it', () => {
  assert.deepEqual(
    dealt(claim('a', ['a.test']), claim('b', ['a.test', 'b.test']), claim('c', ['*.b.test']), claim('d', ['d.test'])),
    { a: [5, 3], b: [5, 2], c: [5, 2], d: [5, 5] },
  )
})

test('each CA counts for itself, however its address is spelled; a second CA is one, too', () => {
  assert.deepEqual(dealt(claim('a', ['a.test']), claim('b', ['a.test'], [other])), { a: [5, 5], b: [5, 5] })
  assert.deepEqual(dealt(claim('a', ['a.test']), claim('b', ['a.test'], ['https://LE.example:443/dir'])), {
    a: [3, 3],
    b: [2, 2],
  })
  const both = [claim('a', ['a.test'], [other, le]), claim('b', ['a.test'])] as const
  const limitsOf = dealLimits(both)
  assert.deepEqual(limitsOf(both[0], other), { orders: 5, validations: 5 })
  assert.deepEqual(limitsOf(both[0], le), { orders: 3, validations: 3 })
  assert.deepEqual(limitsOf(both[1], le), { orders: 2, validations: 2 })
})

test('more than there is to share: one for each', () => {
  const claims = Array.from({ length: 7 }, (_, i) => claim(`c${i}`, ['a.test']))
  assert.deepEqual(new Set(Object.values(dealt(...claims)).flat()), new Set([1]))
})

const name = fc.constantFrom('a.test', 'b.test', '*.a.test', 'c.test')
const claims = fc
  .array(
    fc.record({
      names: fc.uniqueArray(name, { minLength: 1 }),
      directories: fc.uniqueArray(fc.constantFrom(le, other), { minLength: 1 }),
    }),
    { maxLength: allowed },
  )
  .map((all): Claim[] => all.map((one, i) => ({ cert: String(i), ...one })))

test('law: all together ask for no more than a CA allows, and nobody for nothing', () => {
  fc.assert(
    fc.property(claims, (all) => {
      const limitsOf = dealLimits(all)
      const asked = new Map<string, number>()
      const count = (key: string, n: number) => asked.set(key, (asked.get(key) ?? 0) + n)
      for (const one of all)
        for (const url of one.directories) {
          const { orders, validations } = limitsOf(one, url)
          assert.ok(orders >= 1 && validations >= 1)
          count(`orders ${url} ${nameSet(one.names)}`, orders)
          for (const proven of provenNames(one.names)) count(`validations ${url} ${proven}`, validations)
        }
      for (const [key, n] of asked) assert.ok(n <= allowed, `${key}: ${n}`)
    }),
  )
})
