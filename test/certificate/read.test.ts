// Reading certificates: every spelling of PEM and key that tools write, names as they are, and whatever is cut or mixed up
// is called by its flaw instead of being believed.
import 'reflect-metadata'
import assert from 'node:assert/strict'
import { createPrivateKey, KeyObject } from 'node:crypto'
import { test } from 'node:test'
import * as x509 from '@peculiar/x509'
import { splitPem } from '../../src/certificate/pem.ts'
import { judgeLeaf, readLeaf } from '../../src/certificate/read.ts'
import { checkSet, judgeSet } from '../../src/certificate/verify.ts'
import { keyTypes } from '../../src/config/config.ts'
import { NixacmeError } from '../../src/errors.ts'
import { certificatePem, newKeys } from '../ca/pki.ts'
import { assemble, day, foreignIssuer, foreignKey, makeSet, rootPem } from '../support/certificates.ts'

const from = new Date('2026-03-01T08:09:10Z')
const until = new Date('2026-05-30T08:09:09Z')
const whole = await makeSet({ names: ['Example.TEST', '*.example.test'], notBefore: from, notAfter: until })
const leaf = whole.chain[0] ?? ''
const intermediate = whole.chain[1] ?? ''

/** A certificate that signs itself, with what the usual ones do not have. */
async function oddCertificate(
  o: Partial<x509.X509CertificateCreateSelfSignedParams> & { names?: readonly string[] },
): Promise<{ pem: string; key: string }> {
  const keys = await newKeys()
  const { names, ...rest } = o
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=common.test',
    notBefore: from,
    notAfter: until,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
    extensions: names
      ? [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value })))]
      : [],
    ...rest,
  })
  const key = KeyObject.from(keys.privateKey).export({ type: 'sec1', format: 'pem' }).toString()
  return { pem: certificatePem(certificate), key }
}

const flawOf = (judged: ReturnType<typeof judgeLeaf>): string => ('flaw' in judged ? judged.flaw : 'none')

/** The facts of the first certificate in a PEM text. */
const read = (pem: string) => readLeaf(pem).facts

test('facts: dates to the second, names in lower case and in order', () => {
  const facts = read(whole.fullchain)
  assert.deepEqual([facts.notBefore, facts.notAfter], [from, until])
  assert.deepEqual(facts.names, ['example.test', '*.example.test'])
})

test('the first certificate counts, whatever stands before it', () => {
  const text = `# a comment\n${whole.key}${whole.fullchain}`
  assert.deepEqual(read(text), read(leaf))
  assert.equal(splitPem(text).join(''), whole.fullchain)
})

test('dates beyond 2049 (GeneralizedTime) and the last of all (RFC 5280 section 4.1.2.5) are read', async () => {
  for (const notAfter of [new Date('2050-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')]) {
    const { pem } = await oddCertificate({ notAfter })
    assert.deepEqual(read(pem).notAfter, notAfter)
  }
})

test('serial numbers: 20 octets, a leading 00, zero', async () => {
  for (const serialNumber of [`7f${'ff'.repeat(19)}`, `00${'ab'.repeat(19)}`, '00'])
    assert.deepEqual(read((await oddCertificate({ serialNumber })).pem).notAfter, until)
})

test('the identifier of RFC 9773 §4.1: its example, serial with a leading 00, no padding; none without a key identifier', async () => {
  const example = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`
  assert.equal(read(example).renewalId, 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
  assert.equal(read((await oddCertificate({})).pem).renewalId, undefined)
  const keyId = '0102030405060708090a0b0c0d0e0f1011121314'
  for (const [serialNumber, tail] of [
    ['01', 'AQ'],
    ['80', 'AIA'],
    [`00${'ff'.repeat(19)}`, Buffer.from(`00${'ff'.repeat(19)}`, 'hex').toString('base64url')],
  ] as const) {
    const extensions = [new x509.AuthorityKeyIdentifierExtension(keyId)]
    const { pem } = await oddCertificate({ serialNumber, extensions })
    assert.equal(read(pem).renewalId, `AQIDBAUGBwgJCgsMDQ4PEBESExQ.${tail}`)
  }
})

test('names: A-labels, wildcards, 100 of them; none where there is no subjectAltName, the common name does not count', async () => {
  const many = Array.from({ length: 100 }, (_, i) => `n${i}.xn--bcher-kva.test`)
  assert.deepEqual(read((await oddCertificate({ names: many })).pem).names, many)
  assert.deepEqual(read((await oddCertificate({})).pem).names, [])
})

test('what is no dNSName is no name: IP addresses, mail, and a name that is made to look like several', async () => {
  const extensions = [
    new x509.SubjectAlternativeNameExtension([
      { type: 'ip', value: '192.0.2.1' },
      { type: 'email', value: 'DNS:mail.test' },
      { type: 'dns', value: 'x.test, DNS:victim.test, DNS:y.test' },
      { type: 'dns', value: 'good.test' },
    ]),
  ]
  const { names } = read((await oddCertificate({ extensions })).pem)
  assert.ok(!names.includes('victim.test'), names.join(' | '))
  assert.ok(!names.includes('mail.test'), names.join(' | '))
  assert.equal(names.at(-1), 'good.test')
})

for (const keyType of keyTypes.filter((type) => type !== 'rsa8192'))
  test(`${keyType}: the key is recognised in lego's spelling, as PKCS #8, and with CRLF`, async () => {
    const set = await makeSet({ names: ['a.test'], keyType })
    const pkcs8 = createPrivateKey(set.key).export({ type: 'pkcs8', format: 'pem' }).toString()
    for (const key of [set.key, pkcs8, set.key.replaceAll('\n', '\r\n')])
      assert.equal(flawOf(judgeLeaf({ ...set, key })), 'none')
    assert.match(flawOf(judgeLeaf({ ...set, key: whole.key })), /not the one of the certificate/)
  })

test('a chain with CRLF, blank lines and comments between the blocks is the same chain', () => {
  for (const text of [
    whole.fullchain.replaceAll('\n', '\r\n'),
    whole.chain.join('\n\n'),
    `subject=x\n${leaf}\nissuer=y\n${intermediate}trailing`,
  ]) {
    const chain = splitPem(text)
    assert.equal(chain.length, 2)
    assert.deepEqual(judgeSet({ key: whole.key, chain }, ['example.test']), judgeSet(whole, ['example.test']))
  }
})

test('a chain up to its root holds too', async () => {
  const chain = [...whole.chain, await rootPem()]
  assert.equal(flawOf(judgeSet({ key: whole.key, chain }, ['example.test'])), 'none')
})

test('a leaf that is cut anywhere is damaged, never another certificate', () => {
  for (let length = 0; length < leaf.trimEnd().length; length += 7) {
    const cut = leaf.slice(0, length)
    assert.notEqual(flawOf(judgeLeaf({ key: whole.key, chain: splitPem(cut) })), 'none', `at ${length}`)
    assert.throws(() => read(cut), RangeError, `at ${length}`)
  }
})

test('a key that is cut anywhere is damaged', () => {
  for (let length = 0; length < whole.key.trimEnd().length; length += 5) {
    const flaw = flawOf(judgeLeaf({ key: whole.key.slice(0, length), chain: whole.chain }))
    assert.match(flaw, /^the key is (damaged|not the one)[^\n]*$/, `at ${length}`)
    assert.doesNotMatch(flaw, /[A-Za-z0-9+/]{40}/, 'nothing of the key is said')
  }
})

test('a block with another content than a certificate is damaged', () => {
  const block = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
  for (const text of ['AAAA', Buffer.from('no certificate').toString('base64'), '===='])
    assert.match(flawOf(judgeLeaf({ key: whole.key, chain: splitPem(block(text)) })), /damaged/)
})

test('judgeSet: each way in which a set does not belong together', async () => {
  const other = await makeSet({ names: ['example.test', '*.example.test'] })
  for (const [what, set, flaw] of [
    ['no certificate', { key: whole.key, chain: [] }, /damaged/],
    ['the key of another', await foreignKey(whole), /the key is not/],
    ['the leaf of another', assemble(whole.key, [other.chain[0] ?? '', intermediate]), /the key is not/],
    [
      'an issuer that signed nothing',
      await foreignIssuer(whole),
      /certificate 1 of the chain is not issued by the next/,
    ],
    ['the chain upside down', assemble(whole.key, [intermediate, leaf]), /the key is not/],
    ['the leaf twice', assemble(whole.key, [leaf, leaf, intermediate]), /certificate 1 of the chain/],
    [
      'a stranger at the end',
      assemble(whole.key, [...whole.chain, other.chain[0] ?? '']),
      /certificate 2 of the chain/,
    ],
    ['a damaged issuer', assemble(whole.key, [leaf, leaf.replace(/\n.{20}/, '\n')]), /certificate (1|2) of the chain/],
  ] as const)
    assert.match(flawOf(judgeSet(set, [])), flaw, what)
})

test('judgeSet: names that are lacking are named, capitals do not matter, and a wildcard stands for itself alone', () => {
  assert.equal(flawOf(judgeSet(whole, ['EXAMPLE.test', '*.Example.test'])), 'none')
  assert.equal(
    flawOf(judgeSet(whole, ['example.test', 'www.example.test', 'b.test'])),
    "the certificate lacks 'www.example.test', 'b.test'",
  )
})

test("checkSet: what a CA sent and cannot be used is the CA's fault (76), and nothing of it is said to be stored", () => {
  const inTime = new Date(until.getTime() - 1000)
  assert.equal(checkSet(whole, ['example.test'], inTime).notAfter.getTime(), until.getTime())
  assert.throws(() => checkSet(whole, ['example.test'], until), /the certificate expired at /)
  assert.throws(
    () => checkSet(whole, ['b.test'], inTime),
    (e) => e instanceof NixacmeError && e.exitStatus === 76 && e.message.includes("'b.test'") && e.hints.length === 1,
  )
})

test('an expired certificate and one of tomorrow are read like any other: when is not decided here', async () => {
  for (const offset of [-200 * day, 2 * day]) {
    const set = await makeSet({ names: ['a.test'], notBefore: new Date(Date.now() + offset) })
    assert.equal(flawOf(judgeSet(set, ['a.test'])), 'none')
  }
})
