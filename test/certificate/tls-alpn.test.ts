// The certificate of tls-alpn-01, read by others: Node's reader, and openssl.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { alpnCertificate } from '../../src/certificate/tls-alpn.ts'
import { needs } from '../support/needs.ts'

const keyAuthorization = 'token.thumbprint'
const now = new Date('2026-11-22T08:00:00Z')

const parts = (pem: string) => {
  const certificate = new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')))
  return { key: createPrivateKey(pem), certificate }
}

for (const [identifier, name] of [
  ['www.example.com', 'DNS:www.example.com'],
  ['192.0.2.1', 'IP Address:192.0.2.1'],
  ['2001:db8::1', 'IP Address:2001:DB8:0:0:0:0:0:1'],
] as const)
  test(`${identifier} is its one name, and the key fits`, async () => {
    const { key, certificate } = parts(await alpnCertificate(identifier, keyAuthorization, now))
    assert.equal(certificate.subjectAltName, name)
    assert.ok(certificate.checkPrivateKey(key))
    assert.ok(certificate.verify(certificate.publicKey))
    assert.ok(new Date(certificate.validFrom) < now && new Date(certificate.validTo) > now)
  })

test('the critical extension holds the hash of the key authorization (RFC 8737 §3)', async (t) => {
  if (!needs(t, 'openssl')) return
  const { certificate } = parts(await alpnCertificate('example.com', keyAuthorization, now))
  const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: certificate.toString(), encoding: 'utf8' })
  assert.match(text, /1\.3\.6\.1\.5\.5\.7\.1\.31: critical/)
  // OCTET STRING in the OCTET STRING of the extension, after the OID and BOOLEAN TRUE.
  const digest = createHash('sha256').update(keyAuthorization).digest('hex')
  assert.ok(certificate.raw.toString('hex').includes(`06082b0601050507011f0101ff04220420${digest}`))
})

test('each has a key and a number of its own', async () => {
  const [one, other] = await Promise.all([1, 2].map(() => alpnCertificate('example.com', keyAuthorization, now)))
  assert.notEqual(parts(one ?? '').certificate.serialNumber, parts(other ?? '').certificate.serialNumber)
  assert.notEqual(one, other)
})
