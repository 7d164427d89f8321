// The reader of keys and certificates against Node's own, on sound and on damaged input: it never throws anything else than
// it says, and where both read something they read the same.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { judgeLeaf, readLeaf } from '../../src/certificate/read.ts'
import { assemble, makeSet } from '../support/certificates.ts'

const names = ['a.test', '*.b.test', 'xn--bcher-kva.test']
const sets = await Promise.all([
  makeSet({ names }),
  makeSet({ names, keyType: 'ec384', notBefore: new Date('2049-12-01T00:00:00Z') }),
  makeSet({ names, keyType: 'rsa2048' }),
])

const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')
const pemOf = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END ${label}-----\n`
const labelOf = (pem: string): string => /BEGIN (.*)-----/.exec(pem)?.[1] ?? ''

/** What may happen to a file: bits flip, bytes go, its end goes, zeros take its place. */
const damage = fc.oneof(
  fc.record({ do: fc.constant('flip' as const), at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ do: fc.constant('cut' as const), at: fc.nat(), by: fc.constant(0) }),
  fc.record({ do: fc.constant('drop' as const), at: fc.nat(), by: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ do: fc.constant('zero' as const), at: fc.nat(), by: fc.integer({ min: 1, max: 600 }) }),
)
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never

function spoil(der: Buffer, { do: what, at: place, by }: Damage): Buffer {
  const at = place % Math.max(der.length, 1)
  const copy = Buffer.from(der)
  if (what === 'cut') return copy.subarray(0, at)
  if (what === 'drop') return Buffer.concat([copy.subarray(0, at), copy.subarray(at + by)])
  if (what === 'zero') return copy.fill(0, at, Math.min(at + by, der.length))
  copy[at] = (copy[at] ?? 0) ^ by
  return copy
}

/** Node's reading, or undefined where it has none. */
function byNode(pem: string): { notBefore: Date; notAfter: Date; san: string } | undefined {
  try {
    const x = new X509Certificate(pem)
    const [notBefore, notAfter] = [new Date(x.validFrom), new Date(x.validTo)]
    if (Number.isNaN(notBefore.getTime()) || Number.isNaN(notAfter.getTime())) return undefined
    return { notBefore, notAfter, san: x.subjectAltName ?? '' }
  } catch {
    return undefined
  }
}

const isPlain = (san: string): boolean => /^(DNS:[a-zA-Z0-9.*-]+(, |$))*$/.test(san)

test('a damaged certificate is refused, or read as Node reads it', () => {
  fc.assert(
    fc.property(fc.constantFrom(...sets), fc.array(damage, { minLength: 0, maxLength: 2 }), (set, all) => {
      const pem = pemOf('CERTIFICATE', all.reduce(spoil, derOf(set.chain[0] ?? '')))
      let facts: ReturnType<typeof readLeaf>['facts']
      try {
        facts = readLeaf(pem).facts
      } catch (e) {
        assert.ok(e instanceof RangeError, String(e))
        assert.ok(all.length > 0, 'a sound one is read')
        return
      }
      const node = byNode(pem)
      if (!node) return
      assert.deepEqual([facts.notBefore, facts.notAfter], [node.notBefore, node.notAfter])
      // Of a damaged extension Node shows nothing at all.
      if (node.san !== '' && isPlain(node.san))
        assert.deepEqual(facts.names.map((name) => `dns:${name}`).join(', '), node.san.toLowerCase())
    }),
    { numRuns: 1500 },
  )
})

test('a damaged key is refused with a flaw that tells nothing of it; one that is taken has the public half', () => {
  fc.assert(
    fc.property(fc.constantFrom(...sets), fc.boolean(), fc.array(damage, { maxLength: 2 }), (set, pkcs8, all) => {
      const sound = pkcs8 ? createPrivateKey(set.key).export({ type: 'pkcs8', format: 'pem' }).toString() : set.key
      const key = pemOf(labelOf(sound), all.reduce(spoil, derOf(sound)))
      const judged = judgeLeaf({ ...set, key })
      if ('flaw' in judged) {
        assert.ok(all.length > 0, judged.flaw)
        assert.match(judged.flaw, /^the key is (damaged or cut short|not the one of the certificate)$/)
        return
      }
      // The private half is not proved here; where Node reads the key, its public half as written must be the leaf's.
      let spki: string
      try {
        spki = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'pem' }).toString()
      } catch {
        return
      }
      const leaf = new X509Certificate(set.chain[0] ?? '').publicKey.export({ type: 'spki', format: 'pem' }).toString()
      assert.equal(spki, leaf)
    }),
    { numRuns: 1500 },
  )
})

test('any text at all: a flaw, never an exception', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => pemOf('CERTIFICATE', Buffer.from(bytes))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => pemOf('PRIVATE KEY', Buffer.from(bytes))),
    fc.constantFrom(...sets.flatMap((set) => [set.key, set.chain[0] ?? ''])),
  )
  fc.assert(
    fc.property(text, text, (key, leaf) => {
      const judged = judgeLeaf(assemble(key, [leaf]))
      const isPair = sets.some((set) => set.key === key && set.chain[0] === leaf)
      assert.equal('facts' in judged, isPair)
    }),
    { numRuns: 1000 },
  )
})
