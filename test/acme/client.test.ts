// What a request costs and how long it may take.
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { AcmeClient } from '../../src/acme/client.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { readOrder } from '../../src/acme/types.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { type Behaviour, order, problem, startFakeCa } from './fake-ca.ts'
import { failureOf } from './request.ts'

async function opened(t: TestContext, behave?: Behaviour, requestSeconds = 30) {
  const ca = await startFakeCa(t, behave)
  const transport = openTransport({ caCertificates: [], env: {} })
  t.after(() => transport.close())
  const client = AcmeClient.open({
    directoryUrl: ca.directoryUrl,
    plainHttp: true,
    transport,
    userAgent: 'nixacme/0.0.0',
    now: () => new Date(),
    signal: new AbortController().signal,
    requestSeconds,
  })
  client.useAccount(await generateKey('ec256'), 'https://ca.example/account/1')
  const get = async (path: string) => {
    const url = new URL(path, ca.directoryUrl).href
    return client.post(url, { refused: 'the order', read: readOrder })
  }
  return { ca, client, get }
}

test('acme-client is the version whose members client.ts relies on', () => {
  const manifest = new URL('../../node_modules/acme-client/package.json', import.meta.url)
  assert.equal(JSON.parse(readFileSync(manifest, 'utf8')).version, '5.4.0')
})

test('the counter counts all that is sent, directory and nonce are fetched once', async (t) => {
  const { ca, client, get } = await opened(t)
  assert.equal(client.requests, 0)
  for (let i = 0; i < 3; i++) await get('/order/1')
  assert.deepEqual(ca.log(), ['GET /dir', 'HEAD /nonce', ...Array(3).fill('POST /order/1')])
  assert.equal(client.requests, ca.calls.length)
})

test('a request that is repeated carries a fresh nonce, that of the answer before', async (t) => {
  const { ca, get } = await opened(t, ({ path, count }) =>
    path === '/order/1' && count < 4 ? { ...problem('badNonce', 'again'), status: 400 } : undefined,
  )
  await get('/order/1')
  const nonces = ca.calls.filter(({ path }) => path === '/order/1').map(({ header }) => header['nonce'])
  assert.deepEqual(nonces, ['n1', 'n2', 'n3', 'n4'])
  assert.equal(ca.log().filter((line) => line.startsWith('HEAD')).length, 1)
})

test('a fault that stays is told after a few repetitions, with the words of the CA', async (t) => {
  const busy = { ...problem('serverInternal', 'the database is away'), status: 500 }
  const { ca, get } = await opened(t, ({ path }) => (path === '/order/1' ? busy : undefined))
  const e = await failureOf(get('/order/1'))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /serverInternal: the database is away/)
  assert.equal(ca.log().filter((line) => line === 'POST /order/1').length, 4)
})

test('a request without an answer ends after its time: unavailable, not repeated', async (t) => {
  const { ca, get } = await opened(t, ({ path }) => (path === '/order/1' ? 'hang' : undefined), 0.2)
  const e = await failureOf(get('/order/1'))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /no answer within 0.2 s$/)
  assert.equal(ca.log().filter((line) => line === 'POST /order/1').length, 1)
})

test('a Location that may not be asked is nonsense, a relative one is resolved', async (t) => {
  const { ca, get } = await opened(t, (call) =>
    call.path.startsWith('/order/')
      ? {
          headers: { location: call.path === '/order/1' ? '/order/2' : 'http://ca.example/' },
          body: order(call, 'valid'),
        }
      : undefined,
  )
  assert.equal((await get('/order/1')).location, new URL('/order/2', ca.directoryUrl).href)
  assert.equal((await failureOf(get('/order/2'))).exitStatus, 69)
})

test("a request signed with another key carries that key, and the next one is the account's again", async (t) => {
  const { ca, client, get } = await opened(t, ({ path }) => (path === '/revoke' ? { headers: {} } : undefined))
  const url = new URL('/revoke', ca.directoryUrl).href
  const keyPem = await generateKey('ec384')
  await client.tell(url, { payload: { a: 1 }, refused: 'it', keyPem })
  await client.tell(url, { payload: { a: 2 }, refused: 'it' })
  await get('/order/1')
  const [byKey, byAccount, order] = ca.calls.filter(({ method }) => method === 'POST')
  const { x, y, crv, kty } = createPublicKey(keyPem).export({ format: 'jwk' })
  assert.deepEqual(
    [byKey?.payload, byKey?.header['jwk'], byKey?.header['alg']],
    [{ a: 1 }, { crv, kty, x, y }, 'ES384'],
  )
  assert.ok(!('kid' in (byKey?.header ?? {})))
  for (const call of [byAccount, order]) {
    assert.equal(call?.header['kid'], 'https://ca.example/account/1')
    assert.ok(!('jwk' in (call?.header ?? {})))
  }
})
