// What may be asked of a certificate besides its names, at Pebble, the judge of the protocol: profiles, IP addresses,
// chains, an end, the certificate replaced, must-staple, and whose key it is for.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { type Issued, issue } from '../../src/acme/issue.ts'
import type { IssueRequest } from '../../src/acme/request.ts'
import { buildCsr } from '../../src/certificate/csr.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { splitPem } from '../../src/certificate/pem.ts'
import { type Pebble, type PebbleOptions, pebbleMissing, serve, startPebble } from '../support/pebble.ts'
import { type Bench, bench, failureOf } from './request.ts'

const skip = pebbleMissing ?? false
const day = 86_400

/** A Pebble for the tests of one suite. */
function pebbleWith(options: PebbleOptions): () => Pebble {
  let pebble: Pebble | undefined
  before(async () => {
    pebble = await startPebble(options)
  })
  after(() => pebble?.stop())
  return () => {
    assert.ok(pebble)
    return pebble
  }
}

/** A request whose webroot is served on both loopbacks for as long as the test runs. */
async function served(t: TestContext, pebble: Pebble, changes: Partial<IssueRequest> = {}): Promise<Bench> {
  const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot], ...changes })
  for (const address of ['127.0.0.1', '::1']) {
    const web = await serve(b.webroot, pebble.httpPort, undefined, address)
    t.after(() => web.stop())
  }
  return b
}

async function issued(b: Bench, changes: Partial<IssueRequest> = {}): Promise<Issued & { leaf: X509Certificate }> {
  const result = await issue({ ...b.req, ...changes })
  assert.ok(result)
  result.stored()
  return { ...result, leaf: new X509Certificate(result.chain[0] ?? '') }
}

const seconds = ({ validFrom, validTo }: X509Certificate): number =>
  (Date.parse(validTo) - Date.parse(validFrom)) / 1000

/** RFC 9773 §4.1 */
function identifierOf(leaf: X509Certificate): string {
  const der = leaf.raw
  const authorityKeyIdentifier = der.indexOf(Buffer.from('0603551d23', 'hex'))
  // OCTET STRING, SEQUENCE, [0]: the identifier.
  const at = authorityKeyIdentifier + 5 + 4
  const keyIdentifier = der.subarray(at + 2, at + 2 + (der[at + 1] ?? 0))
  const serial = leaf.serialNumber.padStart(leaf.serialNumber.length + (leaf.serialNumber.length % 2), '0')
  const isNegative = Number.parseInt(serial.slice(0, 2), 16) >= 0x80
  const content = Buffer.from(isNegative ? `00${serial}` : serial, 'hex')
  return `${keyIdentifier.toString('base64url')}.${content.toString('base64url')}`
}

describe('profiles and addresses', { skip }, () => {
  const pebble = pebbleWith({ profiles: { default: 90 * day, shortlived: 6 * day } })

  test('the profile that is ordered is the one that is given', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'] })
    for (const [profiles, days] of [
      [['shortlived'], 6],
      [['gone', 'default'], 90],
    ] as const) {
      const { leaf } = await issued(b, { profiles })
      assert.equal(Math.round(seconds(leaf) / day), days)
    }
  })

  test('addresses of both families beside a name: the short-lived profile, all of them in the certificate', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example', '127.0.0.1', '::1'] })
    const { leaf } = await issued(b)
    assert.equal(leaf.subjectAltName, 'DNS:a.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    assert.equal(Math.round(seconds(leaf) / day), 6)
    assert.deepEqual(b.challengeFiles(), [])
    assert.ok(b.log.lines.some((line) => line === "info: profile 'shortlived', for there is an IP address"))
  })

  test('an address alone, without a common name', async (t) => {
    const b = await served(t, pebble(), { names: ['127.0.0.1'] })
    const { leaf } = await issued(b)
    assert.equal(leaf.subjectAltName, 'IP Address:127.0.0.1')
    assert.equal(leaf.subject, undefined)
  })

  test('an address where nothing answers: refused, naming the address', async (t) => {
    const b = bench(t, pebble().directoryUrl, { caCertificates: [pebble().tlsRoot], names: ['::1'] })
    const e = await failureOf(issue(b.req))
    assert.equal(e.exitStatus, 76)
    assert.match(e.message, /the proof of control over '::1'/)
  })

  test('an end', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'], notAfter: 3 * day })
    const { leaf } = await issued(b)
    const end = b.req.now().getTime() + 3 * day * 1000
    assert.ok(Math.abs(Date.parse(leaf.validTo) - end) < 60_000, leaf.validTo)
    assert.ok(!b.log.lines.some((line) => line.startsWith('warning')), b.log.lines.join('\n'))
  })

  test("'replaces' is taken once; the second time the order is placed without", async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'] })
    const { leaf } = await issued(b)
    const replaces = identifierOf(leaf)
    const without = () => b.log.lines.filter((line) => line.includes("ordering without 'replaces'"))
    // Under load Pebble hands a certificate out a moment before it can look it up, and answers with 500 until then.
    const stumbles = () => without().filter((line) => line.includes('could not find an order')).length
    for (let tries = 1; tries <= 5; tries++) {
      const before = stumbles()
      await issued(b, { replaces })
      if (stumbles() === before) break
    }
    assert.equal(without().length, stumbles())
    await issued(b, { replaces })
    assert.equal(without().length, stumbles() + 1)
    assert.match(without().at(-1) ?? '', /alreadyReplaced/)
  })

  test('must-staple at a CA without OCSP: refused with the reason', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'], mustStaple: true })
    const e = await failureOf(issue(b.req))
    assert.equal(e.exitStatus, 76)
    assert.match(e.message, /names no OCSP responder: the CA has no OCSP$/)
  })

  test('the present key, again', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'] })
    const first = await issued(b)
    const again = await issued(b, { key: { kind: 'keep', pem: first.keyPem } })
    assert.equal(again.keyPem, first.keyPem)
    assert.ok(again.leaf.checkPrivateKey(createPrivateKey(first.keyPem)))
    assert.notEqual(again.leaf.serialNumber, first.leaf.serialNumber)
  })

  test("the account's key as the certificate's: refused, no order is placed", async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'] })
    await issued(b)
    await pebble().logged('POST /certZ/', 1)
    const orders = pebble().count('POST /order-plz')
    const pem = readFileSync(b.req.account.key, 'utf8')
    const e = await failureOf(issue({ ...b.req, key: { kind: 'keep', pem } }))
    assert.equal(e.exitStatus, 76)
    assert.match(e.message, /the key of the account/)
    await issued(b)
    await pebble().logged('POST /order-plz', orders + 1)
    assert.equal(pebble().count('POST /order-plz'), orders + 1)
  })

  test("a request of one's own: its key and its names, in a certificate", async (t) => {
    const names = ['a.example', '127.0.0.1']
    const b = await served(t, pebble(), { names })
    const [request, key] = [join(b.dir, 'own.csr'), join(b.dir, 'own.key')]
    const pem = await generateKey('ec384')
    writeFileSync(key, pem)
    writeFileSync(request, await buildCsr(pem, names))
    const result = await issued(b, { key: { kind: 'request', request, key } })
    assert.equal(result.keyPem, pem)
    assert.ok(result.leaf.checkPrivateKey(createPrivateKey(pem)))
  })
})

describe('OCSP', { skip }, () => {
  const pebble = pebbleWith({ ocspResponderUrl: 'http://ocsp.example/' })

  test('must-staple at a CA that has OCSP: the extension is there', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'], mustStaple: true })
    const { leaf, chain } = await issued(b)
    assert.equal(chain.length, 2)
    assert.ok(leaf.raw.includes(Buffer.from('06082b0601050507011804053003020105', 'hex')))
  })
})

describe('several roots, three intermediates', { skip }, () => {
  const pebble = pebbleWith({ env: { PEBBLE_ALTERNATE_ROOTS: '2', PEBBLE_CHAIN_LENGTH: '3' } })
  const rootAt = async (n: number) => new X509Certificate(splitPem(await pebble().issuerRoot(n))[0] ?? '')
  const commonName = ({ subject }: X509Certificate) => /^CN=(.*)$/m.exec(subject)?.[1] ?? ''

  for (const n of [0, 1, 2])
    test(`the chain to root ${n}, by its common name`, async (t) => {
      const root = await rootAt(n)
      const b = await served(t, pebble(), { names: ['a.example'], preferredChain: commonName(root) })
      const { chain } = await issued(b)
      assert.equal(chain.length, 4)
      assert.ok(new X509Certificate(chain.at(-1) ?? '').verify(root.publicKey))
      assert.ok(!b.log.lines.some((line) => line.startsWith('warning')))
    })

  test('a root that no chain leads to: the first chain, with a warning that names all', async (t) => {
    const b = await served(t, pebble(), { names: ['a.example'], preferredChain: 'Some Other Root' })
    const { chain } = await issued(b)
    const roots = await Promise.all([0, 1, 2].map(rootAt))
    assert.ok(roots[0] && new X509Certificate(chain.at(-1) ?? '').verify(roots[0].publicKey))
    const warnings = b.log.lines.filter((line) => line.startsWith('warning'))
    assert.equal(warnings.length, 1)
    for (const root of roots) assert.ok(warnings[0]?.includes(`'${commonName(root)}'`), warnings[0])
  })
})
