// Requests that operators make themselves, mostly with openssl, and what may be wrong with them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { buildCsr } from '../../src/certificate/csr.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { readOwnRequest } from '../../src/certificate/own-request.ts'

const paths = { request: '/etc/own.csr', key: '/etc/own.key' }
const names = ['a.example', '2001:db8::1']
const good = 'DNS:a.example,IP:2001:db8::1'

interface Made {
  readonly pem: Buffer
  readonly der: Buffer
}

/** What `openssl req -new` makes of a key. */
function opensslRequest(t: TestContext, key: string, subject: string, ...extensions: string[]): Made {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-csr-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const file = (name: string) => join(dir, name)
  writeFileSync(file('key'), key)
  const more = extensions.flatMap((extension) => ['-addext', extension])
  const run = (form: string, out: string) =>
    execFileSync(
      'openssl',
      ['req', '-new', '-key', file('key'), '-subj', subject, '-outform', form, '-out', file(out), ...more],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
  run('PEM', 'pem')
  run('DER', 'der')
  return { pem: readFileSync(file('pem')), der: readFileSync(file('der')) }
}

const read = (request: Buffer, key: string) => readOwnRequest({ request, key: Buffer.from(key), paths }, names)

test('PEM or DER, with its text around it or without; names in any order and case', async (t) => {
  const key = await generateKey('ec256')
  const { pem, der } = opensslRequest(t, key, '/CN=A.example', 'subjectAltName=IP:2001:db8:0::1,DNS:A.Example')
  const wordy = Buffer.concat([Buffer.from('Certificate Request:\n    Data:\n'), pem])
  for (const request of [pem, der, wordy]) {
    const found = await read(request, key)
    assert.equal(found.keyPem, key)
  }
  assert.deepEqual((await read(der, key)).csr, der)
  assert.deepEqual((await read(wordy, key)).csr, (await read(pem, key)).csr)
})

for (const [name, made, label] of [
  ['EC', () => generateKey('ec384'), 'EC'],
  ['RSA', () => generateKey('rsa2048'), 'RSA'],
] as const)
  test(`an ${name} key in PKCS#8, with CRLF and words around it, is stored as lego has it`, async (t) => {
    const plain = await made()
    const pkcs8 = createPrivateKey(plain).export({ format: 'pem', type: 'pkcs8' }).toString()
    const { pem } = opensslRequest(t, plain, '/', `subjectAltName=${good}`)
    const { keyPem } = await read(pem, `Bag Attributes\r\n${pkcs8.replaceAll('\n', '\r\n')}`)
    assert.equal(keyPem, plain)
    assert.match(keyPem, new RegExp(`^-----BEGIN ${label} PRIVATE KEY-----\n`))
  })

const differences: readonly [what: string, subject: string, san: string | undefined, words: RegExp][] = [
  ['a name is lacking', '/', 'DNS:a.example', /own.csr' of option 'csr' .*: it lacks '2001:db8::1'$/],
  ['there is one more', '/', `${good},DNS:b.example`, /: it asks for 'b.example', which the config does not$/],
  ['both', '/', 'DNS:a.example,IP:192.0.2.1', /it lacks '2001:db8::1' and it asks for '192.0.2.1'/],
  ['only a common name', '/CN=a.example', undefined, /its common name 'a.example' is not in its subjectAltName$/],
  ['a common name besides', '/CN=b.example', good, /its common name 'b.example' is not in its subjectAltName$/],
  ['an e-mail address', '/', `${good},email:a@b.example`, /holds a name of type 'email'$/],
]

for (const [what, subject, san, words] of differences)
  test(`names that are not those of the config, ${what}: config`, async (t) => {
    const key = await generateKey('ec256')
    const { pem } = opensslRequest(t, key, subject, ...(san === undefined ? [] : [`subjectAltName=${san}`]))
    await assert.rejects(read(pem, key), { kind: 'config', message: words })
  })

test('the key of another request: config, naming both files', async () => {
  const request = await buildCsr(await generateKey('ec256'), names)
  await assert.rejects(read(request, await generateKey('ec256')), {
    kind: 'config',
    message: /'\/etc\/own\.csr' .*: it is for another key than the one in '\/etc\/own\.key'$/,
  })
})

test('a signature that does not hold: config', async () => {
  const key = await generateKey('ec256')
  const request = await buildCsr(key, names)
  // In a name, so that the rest can still be read.
  request[request.indexOf('a.example')] = 0x62
  await assert.rejects(read(request, key), { kind: 'config', message: /its signature does not hold$/ })
})

test('what is no request and no key: config, and nothing of the key in the words', async () => {
  const key = await generateKey('ec256')
  const request = await buildCsr(key, names)
  const locked = createPrivateKey(key)
    .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-128-cbc', passphrase: 'secret' })
    .toString()
  const cases: readonly [Buffer, string, RegExp][] = [
    [Buffer.from(''), key, /holds no certificate request/],
    [Buffer.from(key), key, /holds no certificate request/],
    [request.subarray(0, 40), key, /holds no certificate request/],
    [request, '', /own\.key' of option 'csrKey' .*: it holds no private key as PEM$/],
    [request, key.slice(0, 80), /holds no private key/],
    [request, locked, /its key has a password$/],
  ]
  for (const [file, keyFile, message] of cases)
    await assert.rejects(read(file, keyFile), (e: Error) => {
      assert.match(e.message, message)
      return !e.message.includes('MH') && (e as unknown as { kind: string }).kind === 'config'
    })
})

test('a key of a kind that CAs may not take is left to the CA', async (t) => {
  const pem = generateKeyPairSync('ec', { namedCurve: 'secp521r1' })
    .privateKey.export({ format: 'pem', type: 'sec1' })
    .toString()
  const { der } = opensslRequest(t, pem, '/', `subjectAltName=${good}`)
  assert.equal((await read(der, pem)).keyPem, pem)
})
