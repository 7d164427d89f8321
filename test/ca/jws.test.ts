// The test CA refuses what a public CA refuses: envelopes, nonces, accounts, orders and CSRs that are not right.
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { type Ca, startCa } from './ca.ts'
import { csrFor, problemType, RawClient, type Wrong } from './raw.ts'

let ca: Ca

before(async () => {
  ca = await startCa({ validate: 'always' })
})
after(() => ca.close())
beforeEach(() => {
  ca.reset()
  ca.forget()
})

const newOrder = { identifiers: [{ type: 'dns', value: 'example.test' }] }

for (const alg of ['ES256', 'ES384', 'RS256'] as const) {
  test(`${alg} is accepted`, async () => {
    const client = new RawClient(ca, alg)
    assert.equal((await client.register()).status, 201)
    assert.equal((await client.post('/new-order', newOrder)).status, 201)
  })
}

const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const hmac = createHmac('sha256', 'x').update('x').digest('base64url')

const wrongs: readonly (readonly [string, Wrong, number, string])[] = [
  ['another Content-Type', { contentType: 'application/json' }, 415, 'malformed'],
  ['a Content-Type with a parameter', { contentType: 'application/jose+json; charset=utf-8' }, 415, 'malformed'],
  ['a nonce that was never given out', { header: { nonce: 'AAAA' } }, 400, 'badNonce'],
  ['no nonce', { header: { nonce: undefined } }, 400, 'malformed'],
  ['the URL of another resource', { header: { url: 'https://127.0.0.1/new-order' } }, 401, 'unauthorized'],
  ['no URL', { header: { url: undefined } }, 401, 'unauthorized'],
  ['a signature by another key', { key: otherKey }, 400, 'malformed'],
  ['a MAC for a signature', { header: { alg: 'HS256' }, envelope: { signature: hmac } }, 400, 'badSignatureAlgorithm'],
  ['no algorithm', { header: { alg: 'none' } }, 400, 'badSignatureAlgorithm'],
  ['an algorithm of another key', { header: { alg: 'RS256' } }, 400, 'badSignatureAlgorithm'],
  ['an unknown account', { header: { kid: 'https://127.0.0.1/account/999' } }, 400, 'accountDoesNotExist'],
  ['neither kid nor jwk', { header: { kid: undefined } }, 400, 'malformed'],
  ['kid and jwk', { header: { jwk: {} } }, 400, 'malformed'],
  ['an unprotected header', { envelope: { header: {} } }, 400, 'malformed'],
  ['padded base64url', { envelope: { payload: 'e30=' } }, 400, 'malformed'],
  ['a payload that is no JSON', { payload: '{' }, 400, 'malformed'],
  ['a payload that is no object', { payload: '[]' }, 400, 'malformed'],
]
for (const [what, wrong, status, type] of wrongs) {
  test(`refused with ${type}: ${what}`, async () => {
    const client = new RawClient(ca)
    await client.register()
    const answer = await client.post('/new-order', newOrder, wrong)
    assert.equal(problemType(answer), type)
    assert.equal(answer.status, status)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.ok(answer.headers['replay-nonce'])
    assert.equal(ca.stats.orders, 0)
  })
}

test('a nonce is good once, also when the request was refused', async () => {
  const client = new RawClient(ca)
  await client.register()
  const nonce = await client.nonce()
  await client.post('/new-order', {}, { header: { nonce } })
  assert.equal(problemType(await client.post('/new-order', newOrder, { header: { nonce } })), 'badNonce')
})

test('bodies that are no JWS, wrong methods and a missing User-Agent are refused', async () => {
  const client = new RawClient(ca)
  const headers = { 'Content-Type': 'application/jose+json' }
  for (const body of ['', 'nonsense', '[]', '{}', '{"protected":1,"payload":"","signature":""}']) {
    assert.equal(problemType(await client.send('POST', '/new-order', body, headers)), 'malformed')
  }
  assert.equal((await client.send('GET', '/new-order')).status, 405)
  assert.equal((await client.send('POST', '/directory')).status, 405)
  assert.equal((await client.send('GET', '/nowhere')).status, 404)
  assert.equal((await client.send('GET', '/directory', undefined, { 'User-Agent': '' })).status, 400)
})

test('account keys that are private, weak or not canonical are refused', async () => {
  const client = new RawClient(ca)
  const { x } = client.jwk
  const padded = Buffer.concat([Buffer.alloc(1), Buffer.from(String(x), 'base64url')]).toString('base64url')
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const cases = [
    [{ ...client.jwk, d: 'AA' }, 'malformed'],
    [{ ...client.jwk, x: padded }, 'badPublicKey'],
    [{ ...client.jwk, crv: 'secp256k1' }, 'badPublicKey'],
    [weak, 'badPublicKey'],
  ] as const
  for (const [jwk, type] of cases) {
    assert.equal(problemType(await client.post('/new-account', {}, { header: { jwk } })), type)
  }
  assert.equal(ca.stats.accounts, 0)
})

test('newAccount makes one account for a key and wants the terms agreed to', async () => {
  const client = new RawClient(ca)
  assert.equal(problemType(await client.register({ onlyReturnExisting: true })), 'accountDoesNotExist')
  assert.equal(problemType(await client.register({ termsOfServiceAgreed: false })), 'userActionRequired')
  assert.equal(problemType(await client.register({ contact: ['tel:1'] })), 'unsupportedContact')
  assert.equal(problemType(await client.register({ contact: ['mailto:a@b.test,c@d.test'] })), 'invalidContact')
  assert.equal(ca.stats.accounts, 0)
  const first = await client.register({ contact: ['mailto:a@b.test'] })
  const again = await client.register({ onlyReturnExisting: true })
  assert.deepEqual([first.status, again.status], [201, 200])
  assert.equal(first.headers.location, again.headers.location)
  assert.deepEqual(again.json['contact'], ['mailto:a@b.test'])
  assert.equal(ca.stats.accounts, 1)
  const path = new URL(client.account).pathname
  assert.equal((await client.post(path)).json['status'], 'valid')
  assert.equal((await client.post(path, { status: 'deactivated' })).json['status'], 'deactivated')
  assert.equal(problemType(await client.post('/new-order', newOrder)), 'unauthorized')
})

test('things of another account are refused', async () => {
  const [owner, other] = [new RawClient(ca), new RawClient(ca)]
  await owner.register()
  await other.register()
  const order = await owner.order('example.test')
  for (const path of [order, `${order}/finalize`, '/authz/1', '/challenge/1', new URL(owner.account).pathname]) {
    // Numbers go on after forget(), so 1 may be gone: both refusals are right, an answer is not.
    assert.ok([403, 404].includes((await other.post(path)).status), path)
  }
  const list = await owner.post(`${new URL(owner.account).pathname}/orders`)
  assert.deepEqual(list.json['orders'], [owner.url(order)])
})

test('orders are refused for what is no DNS name, stands twice or is blocked', async () => {
  const client = new RawClient(ca)
  await client.register()
  const dns = (...values: string[]) => ({ identifiers: values.map((value) => ({ type: 'dns', value })) })
  const cases = [
    [{}, 'malformed'],
    [{ identifiers: [] }, 'malformed'],
    [{ identifiers: [{ type: 'ip', value: '127.0.0.1' }] }, 'unsupportedIdentifier'],
    [dns('a.test', 'a.test'), 'malformed'],
    [dns('UPPER.test'), 'rejectedIdentifier'],
    [dns('bücher.test'), 'rejectedIdentifier'],
    [dns('single'), 'rejectedIdentifier'],
    [{ ...dns('a.test'), notAfter: '2030-01-01T00:00:00Z' }, 'malformed'],
  ] as const
  for (const [payload, type] of cases) assert.equal(problemType(await client.post('/new-order', payload)), type)
  ca.set({ blocked: ['bad.test', 'worse.test'] })
  const { json } = await client.post('/new-order', dns('good.test', 'bad.test', '*.worse.test'))
  const subproblems = json['subproblems'] as { identifier: { value: string } }[]
  assert.deepEqual(
    subproblems.map(({ identifier }) => identifier.value),
    ['bad.test', '*.worse.test'],
  )
  assert.equal(ca.stats.orders, 0)
})

test('CSRs are refused for other names, another signature, a weak or the account key', async () => {
  const client = new RawClient(ca)
  await client.register()
  const order = await client.order('example.test')
  const csr = async (names: string[], key?: string) => Buffer.from((await csrFor(names, key)).csr, 'base64url')
  const good = await csr(['example.test'])
  const torn = Buffer.from(good)
  torn.writeUInt8(torn.readUInt8(torn.length - 1) ^ 1, torn.length - 1)
  const weak = generateKeyPairSync('rsa', {
    modulusLength: 1024,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey
  const own = client.key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const wrong = [
    Buffer.from('nonsense'),
    torn,
    await csr(['example.test', 'more.test']),
    await csr(['other.test']),
    await csr(['example.test'], own),
    await csr(['example.test'], weak),
  ]
  for (const der of wrong) {
    const answer = await client.post(`${order}/finalize`, { csr: der.toString('base64url') })
    assert.equal(problemType(answer), 'badCSR', answer.body)
  }
  assert.equal(problemType(await client.post(`${order}/finalize`, { csr: good.toString('base64') })), 'malformed')
  assert.equal(ca.stats.certificates, 0)
  const done = await client.post(`${order}/finalize`, { csr: good.toString('base64url') })
  assert.equal(done.json['status'], 'valid')
})
