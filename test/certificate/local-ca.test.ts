// The built-in CA, read by openssl: another program than the one that made it. And CAs of minica's shape, made by openssl.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { element, elements, inside, tag } from '../../src/certificate/der.ts'
import { issuePreliminary, makeLocalCa, type PreliminarySet } from '../../src/certificate/local-ca.ts'
import { flawOfLocalCa, isIssuedBy, type LocalCa } from '../../src/certificate/local-ca-check.ts'
import { pemOctets } from '../../src/certificate/pem.ts'
import { readLeaf } from '../../src/certificate/read.ts'
import { judgeSet } from '../../src/certificate/verify.ts'
import { makeSet } from '../support/certificates.ts'
import { temporaryDir } from '../support/process.ts'
import { minicaShape, openssl } from './minica.ts'

const now = new Date('2026-11-22T01:02:03.456Z')
const ca = await makeLocalCa(now)
const names = ['a.test', '*.a.test', 'xn--bcher-kva.test', '192.0.2.7', '2001:db8::1']

const text = (pem: string): string => openssl(['x509', '-noout', '-text'], pem)

/** `openssl verify` at the time that the certificates were made for. */
function verify(t: TestContext, { leaf, ca }: PreliminarySet, ...more: readonly string[]): void {
  const dir = temporaryDir(t)
  const [caFile, leafFile] = [join(dir, 'ca.pem'), join(dir, 'leaf.pem')]
  writeFileSync(caFile, ca)
  writeFileSync(leafFile, leaf)
  const at = String(Math.floor(now.getTime() / 1000) + 3600)
  execFileSync('openssl', ['verify', '-attime', at, '-CAfile', caFile, ...more, leafFile], { stdio: 'pipe' })
}

test('the CA is what minica makes: name, constraints, usages, key identifiers, 100 years', () => {
  const shown = text(ca.certificate)
  const serial = new X509Certificate(ca.certificate).serialNumber.toLowerCase()
  assert.match(serial, /^[4-7][0-9a-f]{15}$/)
  const name = `CN ?= ?minica root ca ${serial.slice(0, 6)}`
  for (const pattern of [
    new RegExp(`Issuer: ${name}\n`),
    new RegExp(`Subject: ${name}\n`),
    /NIST CURVE: P-256/,
    /Signature Algorithm: ecdsa-with-SHA256/,
    /Not Before: Nov 22 01:02:03 2026 GMT\n\s*Not After : Nov 22 01:02:03 2126 GMT/,
    /Key Usage: critical\n\s*Digital Signature, Certificate Sign\n/,
    /Extended Key Usage: ?\n\s*TLS Web Server Authentication, TLS Web Client Authentication\n/,
    /Basic Constraints: critical\n\s*CA:TRUE, pathlen:0\n/,
  ])
    assert.match(shown, pattern)
  const [, subjectKey] = /Subject Key Identifier: ?\n\s*([0-9A-F:]{59})/.exec(shown) ?? []
  assert.match(shown, new RegExp(`Authority Key Identifier: ?\n\\s*(?:keyid:)?${subjectKey}\n`))
  assert.match(ca.key, /^-----BEGIN PRIVATE KEY-----\n/)
  assert.equal(flawOfLocalCa(ca, now), undefined)
})

test('two CAs have nothing in common', async () => {
  const other = await makeLocalCa(now)
  const { subject } = new X509Certificate(other.certificate)
  assert.notEqual(subject, new X509Certificate(ca.certificate).subject)
  assert.notEqual(other.key, ca.key)
})

test('a leaf holds all names in order, for both roles, for 2 years and 30 days, and openssl follows it to the CA', async (t) => {
  const set = await issuePreliminary(ca, names, now)
  const shown = text(set.leaf)
  for (const pattern of [
    /Subject: CN ?= ?a\.test\n/,
    /Not Before: Nov 22 01:02:03 2026 GMT\n\s*Not After : Dec 22 01:02:03 2028 GMT/,
    /Key Usage: critical\n\s*Digital Signature\n/,
    /Extended Key Usage: ?\n\s*TLS Web Server Authentication, TLS Web Client Authentication\n/,
    /Basic Constraints: critical\n\s*CA:FALSE\n/,
    /Subject Alternative Name: ?\n\s*DNS:a.test, DNS:\*\.a\.test, DNS:xn--bcher-kva\.test, IP Address:192\.0\.2\.7, IP Address:2001:DB8:0:0:0:0:0:1\n/,
  ])
    assert.match(shown, pattern)
  for (const purpose of ['sslserver', 'sslclient']) verify(t, set, '-x509_strict', '-purpose', purpose)
  for (const host of ['a.test', 'www.a.test', 'xn--bcher-kva.test']) verify(t, set, '-verify_hostname', host)
  for (const ip of ['192.0.2.7', '2001:db8::1']) verify(t, set, '-verify_ip', ip)
  assert.throws(() => verify(t, set, '-verify_hostname', 'b.test'))
  const { facts } = readLeaf(set.leaf)
  assert.deepEqual(facts.names, names.slice(0, 3))
  assert.deepEqual(facts.addresses, names.slice(3))
  assert.ok(facts.preliminary)
  assert.ok('facts' in judgeSet({ key: set.key, chain: [set.leaf, set.ca] }, names))
})

for (const [first, subject, critical] of [
  ['192.0.2.7', /^subject=CN ?= ?192\.0\.2\.7$/m, false],
  ['*.wild.test', /^subject=CN ?= ?\*\.wild\.test$/m, false],
  [`${'a'.repeat(60)}.test`, /^subject=\s*$/m, true],
] as const)
  test(`a first name '${first}'`, async (t) => {
    const set = await issuePreliminary(ca, [first], now)
    assert.match(openssl(['x509', '-noout', '-subject'], set.leaf), subject)
    assert.match(text(set.leaf), critical ? /Alternative Name: critical/ : /Alternative Name: ?\n/)
    verify(t, set, '-x509_strict')
  })

/** The Name at `index` of a certificate's fields, byte for byte: clients other than openssl compare it so. */
const nameIn = (pem: string, index: number): Buffer => {
  const tbs = inside(pemOctets(pem, 'CERTIFICATE') ?? Buffer.alloc(0), tag.sequence)
  return element(elements(element(tbs, 0, tag.sequence)), index, tag.sequence)
}
const issuerOf = (pem: string) => nameIn(pem, 3)
const subjectOf = (pem: string) => nameIn(pem, 5)

for (const [what, key, change] of [
  ['P-256 in PKCS #8', 'ec', {}],
  ['P-384 in SEC 1', 'ec384', { sec1: true }],
  ['RSA in PKCS #1, as minica had it first', 'rsa', { pkcs1: true }],
  ['a name as UTF8String', 'ec', { utf8: true }],
  ['no key identifier', 'ec', { withoutIdentifier: true }],
] as const)
  test(`a CA that minica made is taken as it is: ${what}`, async (t) => {
    const minica = minicaShape(temporaryDir(t), { key, ...change })
    assert.equal(flawOfLocalCa(minica, new Date()), undefined)
    // A text around the block, as an editor or `openssl x509 -text` leaves it, is no part of the chain.
    const set = await issuePreliminary({ ...minica, certificate: `# mine\n${minica.certificate}\n` }, names, new Date())
    assert.equal(set.ca, minica.certificate)
    assert.deepEqual(issuerOf(set.leaf), subjectOf(minica.certificate))
    const [caFile, leafFile] = [join(temporaryDir(t), 'ca.pem'), join(temporaryDir(t), 'leaf.pem')]
    writeFileSync(caFile, set.ca)
    writeFileSync(leafFile, set.leaf)
    execFileSync('openssl', ['verify', '-CAfile', caFile, '-purpose', 'sslserver', leafFile], { stdio: 'pipe' })
    assert.ok(readLeaf(set.leaf).facts.preliminary)
    assert.ok(isIssuedBy(set.leaf, minica.certificate))
    assert.ok(!isIssuedBy(set.leaf, ca.certificate))
  })

test('what is wrong with a CA is said, without a word of its key', async (t) => {
  const other = await makeLocalCa(now)
  const dir = temporaryDir(t)
  const leaf = await issuePreliminary(ca, ['a.test'], now)
  const password = createPrivateKey(ca.key).export({
    format: 'pem',
    type: 'pkcs8',
    cipher: 'aes-128-cbc',
    passphrase: 'x',
  })
  const cases: readonly (readonly [string, LocalCa, RegExp])[] = [
    ['no key', { ...ca, key: '' }, /^its key is damaged/],
    ['half a key', { ...ca, key: ca.key.slice(0, 90) }, /^its key is damaged/],
    ['a key with a password', { ...ca, key: password.toString() }, /^its key .* has a password$/],
    ['half a certificate', { ...ca, certificate: ca.certificate.slice(0, 300) }, /^its certificate is damaged/],
    ['the key of another', { ...ca, key: other.key }, /^its key is not the one of its certificate$/],
    ['a leaf', { key: leaf.key, certificate: leaf.leaf }, /^its certificate is not that of a CA$/],
    ['another name', minicaShape(dir, { key: 'ec', name: 'my own ca' }), /^the common name .* 'minica root ca'$/],
  ]
  for (const [what, pair, flaw] of cases) assert.match(flawOfLocalCa(pair, now) ?? 'none', flaw, what)
  assert.match(flawOfLocalCa(ca, new Date('2126-11-23T00:00:00Z')) ?? 'none', /^its certificate expired on 2126-11-22$/)
})

test('only an issuer whose common name begins so makes a certificate preliminary', async (t) => {
  const real = await makeSet({ names: ['minica root ca 123456', 'a.test'] })
  assert.ok(!readLeaf(real.fullchain).facts.preliminary)
  const dir = temporaryDir(t)
  for (const [subject, expected] of [
    ['/CN=minica root ca 0a1b2c', true],
    ['/O=x/CN=minica root ca 0a1b2c', true],
    ['/CN=not minica root ca 0a1b2c', false],
    ['/O=minica root ca 0a1b2c/CN=x', false],
    ['/CN=minica root', false],
  ] as const) {
    const file = join(dir, 'odd.pem')
    openssl(['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-subj', subject, '-out', file])
    assert.equal(readLeaf(readFileSync(file, 'utf8')).facts.preliminary, expected, subject)
  }
})
