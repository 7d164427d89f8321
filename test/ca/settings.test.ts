// The dials of the test CA: waiting, Retry-After, challenges offered, re-use, journal and reset.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type Ca, startCa } from './ca.ts'
import { csrFor, RawClient } from './raw.ts'

let ca: Ca
let client: RawClient

before(async () => {
  ca = await startCa({ validate: 'always' })
})
after(() => ca.close())
beforeEach(async () => {
  ca.reset()
  client = new RawClient(ca)
  await client.register()
})

const newOrder = (value: string) => client.post('/new-order', { identifiers: [{ type: 'dns', value }] })
const pathOf = (url: unknown) => new URL(String(url)).pathname
const statusOf = async (path: string) => (await client.post(path)).json['status']

test('by default everything is done at the first look', async () => {
  const order = await newOrder('a.test')
  const authz = pathOf((order.json['authorizations'] as string[])[0])
  const { json } = await client.post(authz)
  assert.equal(json['status'], 'pending')
  const challenge = (json['challenges'] as { url: string }[])[0]
  assert.equal((await client.post(pathOf(challenge?.url), {})).json['status'], 'processing')
  assert.equal(await statusOf(authz), 'valid')
  assert.equal(await statusOf(pathOf(order.headers.location)), 'ready')
  const done = await client.post(`${pathOf(order.headers.location)}/finalize`, await csrFor(['a.test']))
  assert.equal(done.json['status'], 'valid')
  assert.equal(done.headers['retry-after'], undefined)
})

test('polls make authorizations and orders wait for that many looks', async () => {
  ca.set({ polls: { authz: 2, ready: 1, certificate: 2 } })
  const order = await newOrder('a.test')
  const path = pathOf(order.headers.location)
  const authz = pathOf((order.json['authorizations'] as string[])[0])
  const challenge = ((await client.post(authz)).json['challenges'] as { url: string }[])[0]
  await client.post(pathOf(challenge?.url), {})
  assert.deepEqual(
    [await statusOf(authz), await statusOf(authz), await statusOf(authz)],
    ['pending', 'pending', 'valid'],
  )
  assert.deepEqual([await statusOf(path), await statusOf(path)], ['pending', 'ready'])
  const finalized = await client.post(`${path}/finalize`, await csrFor(['a.test']))
  assert.equal(finalized.json['status'], 'processing')
  assert.deepEqual(
    [await statusOf(path), await statusOf(path), await statusOf(path)],
    ['processing', 'processing', 'valid'],
  )
})

test('Retry-After stands on what is not done, as seconds or as a date', async () => {
  ca.set({ retryAfter: { seconds: 3, as: 'seconds' } })
  assert.equal((await newOrder('a.test')).headers['retry-after'], '3')
  ca.set({ retryAfter: { seconds: 100, as: 'date' } })
  const order = await newOrder('b.test')
  const ms = Date.parse(order.headers['retry-after'] ?? '') - Date.now()
  assert.ok(ms > 60_000 && ms <= 100_000, `${ms}`)
  const authz = await client.post(pathOf((order.json['authorizations'] as string[])[0]))
  assert.ok(authz.headers['retry-after'])
})

test('unknown challenge types are offered without a token, wildcards get dns-01 alone', async () => {
  ca.set({ challengeTypes: ['dns-persist-01', 'http-01', 'dns-01'] })
  const challengesOf = async (name: string) => {
    const order = await newOrder(name)
    const { json } = await client.post(pathOf((order.json['authorizations'] as string[])[0]))
    return { wildcard: json['wildcard'], challenges: json['challenges'] as { type: string; token?: string }[] }
  }
  const plain = await challengesOf('a.test')
  assert.deepEqual(
    plain.challenges.map(({ type, token }) => [type, token !== undefined]),
    [
      ['dns-persist-01', false],
      ['http-01', true],
      ['dns-01', true],
    ],
  )
  const star = await challengesOf('*.a.test')
  assert.equal(star.wildcard, true)
  assert.deepEqual(
    star.challenges.map(({ type }) => type),
    ['dns-01'],
  )
})

test('valid authorizations are used again only when asked for, and never after deactivation', async () => {
  await client.order('a.test')
  assert.equal((await newOrder('a.test')).json['status'], 'pending')
  ca.set({ reuseAuthorizations: true })
  const reused = await newOrder('a.test')
  assert.equal(reused.json['status'], 'ready')
  const authz = pathOf((reused.json['authorizations'] as string[])[0])
  assert.equal((await client.post(authz, { status: 'deactivated' })).json['status'], 'deactivated')
  assert.equal(await statusOf(pathOf(reused.headers.location)), 'invalid')
  assert.equal((await newOrder('a.test')).json['status'], 'pending')
})

test('validate never refuses what is in place', async () => {
  ca.set({ validate: 'never' })
  assert.match((await client.post(await client.order('a.test'))).body, /incorrectResponse/)
})

test('the journal tells kinds, accounts, payloads and statuses, and reset empties it', async () => {
  ca.reset()
  await newOrder('a.test')
  assert.deepEqual(
    ca.requests.map(({ method, kind, status }) => [method, kind, status]),
    [
      ['HEAD', 'newNonce', 200],
      ['POST', 'newOrder', 201],
    ],
  )
  const [, entry] = ca.requests
  assert.equal(entry?.kid, client.account)
  assert.deepEqual(entry?.payload, { identifiers: [{ type: 'dns', value: 'a.test' }] })
  const { accounts } = ca.stats
  ca.reset()
  assert.equal(ca.count(), 0)
  assert.equal(ca.stats.accounts, accounts)
  ca.forget()
  assert.equal(ca.stats.accounts, 0)
})

test('reset brings the first settings back, an unknown setting is an error', () => {
  ca.set({ blocked: ['a.test'], validate: 'never' })
  ca.reset()
  assert.deepEqual(ca.settings.blocked, [])
  assert.equal(ca.settings.validate, 'always')
  assert.throws(() => ca.set(JSON.parse('{"liftime": {}}')), /unknown setting 'liftime'/)
})
