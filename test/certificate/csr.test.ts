// openssl reads what was made: another program than the one that made it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import test from 'node:test'
import { buildCsr } from '../../src/certificate/csr.ts'
import { generateKey } from '../../src/certificate/keys.ts'

const openssl = (csr: Buffer, ...args: string[]): string =>
  execFileSync('openssl', ['req', '-inform', 'DER', '-noout', ...args], {
    input: csr,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  })

for (const [keyType, algorithm] of [
  ['ec256', 'ecdsa-with-SHA256'],
  ['ec384', 'ecdsa-with-SHA384'],
  ['rsa2048', 'sha256WithRSAEncryption'],
  ['rsa3072', 'sha256WithRSAEncryption'],
  ['rsa4096', 'sha256WithRSAEncryption'],
] as const)
  test(`${keyType}: signed with ${algorithm}, by the key it is for`, async () => {
    const csr = await buildCsr(await generateKey(keyType), ['a.example'])
    // Fails with a status of its own when the signature does not hold.
    openssl(csr, '-verify')
    assert.match(openssl(csr, '-text'), new RegExp(`Signature Algorithm: ${algorithm}`))
  })

test('the names stand in the order given, the first is the common name', async () => {
  const names = ['b.example', 'a.example', 'xn--bcher-kva.example', '*.c.example']
  const text = openssl(await buildCsr(await generateKey('ec256'), names), '-text')
  assert.match(text, /Subject: CN ?= ?b.example$/m)
  assert.match(text, new RegExp(names.map((name) => `DNS:${name.replace('*', '\\*')}`).join(', ')))
  assert.doesNotMatch(text, /Key Usage/)
})

for (const [length, subject] of [
  [64, /^subject=CN ?= ?/],
  [65, /^subject=\s*$/],
] as const)
  test(`a first name of ${length} characters ${length > 64 ? 'is no' : 'is the'} common name`, async () => {
    const name = `${'a'.repeat(50)}.${'b'.repeat(length - 59)}.example`
    assert.equal(name.length, length)
    const csr = await buildCsr(await generateKey('ec256'), [name])
    assert.match(openssl(csr, '-subject'), subject)
    assert.match(openssl(csr, '-text'), new RegExp(`DNS:${name}`))
  })

test('a key in PKCS#8 will do', async () => {
  const pem = createPrivateKey(await generateKey('ec256'))
    .export({ type: 'pkcs8', format: 'pem' })
    .toString()
  openssl(await buildCsr(pem, ['a.example']), '-verify')
})

test('a key of another kind: data', async () => {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await assert.rejects(buildCsr(pem, ['a.example']), { kind: 'data' })
})

test('addresses stand beside names; one that comes first is no common name', async () => {
  const names = ['192.0.2.7', 'a.example', '2001:db8::1']
  const csr = await buildCsr(await generateKey('ec256'), names)
  assert.match(openssl(csr, '-subject'), /^subject=\s*$/)
  assert.match(openssl(csr, '-text'), /IP Address:192.0.2.7, DNS:a.example, IP Address:2001:DB8:0:0:0:0:0:1$/m)
})

test('must-staple asks for status_request, and is not there unasked', async () => {
  const key = await generateKey('ec256')
  assert.match(openssl(await buildCsr(key, ['a.example'], { mustStaple: true }), '-text'), /status_request/)
  assert.doesNotMatch(openssl(await buildCsr(key, ['a.example']), '-text'), /TLS Feature|status_request/)
})
