// Cloudflare, as https://developers.cloudflare.com/api/ has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cloudflare } from '../../src/acme/dns/providers/cloudflare.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { KeptRecords, pageOf, zonesBehind } from './fake-records.ts'

const hosts = ['api.cloudflare.com']
const variables = { CLOUDFLARE_DNS_API_TOKEN: 'canary-token' }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

const failure = (status: number, code: number, message: string): FakeReply => ({
  status,
  json: { success: false, errors: [{ code, message }], messages: [], result: null },
})

interface Options {
  readonly zones?: readonly { readonly name: string; readonly status: string }[]
  readonly check?: (request: FakeRequest) => void
  /** Records on a page, less than are asked for. */
  readonly cap?: number
}

const byToken = ({ headers }: FakeRequest) => assert.equal(headers.authorization, 'Bearer canary-token')

function makeFake({ zones = [{ name: 'example.com', status: 'active' }], check = byToken, cap = 100 }: Options = {}) {
  const kept = new KeptRecords()
  const listed = (all: readonly object[], query: URLSearchParams, most: number) => {
    const asked = Number(query.get('per_page'))
    assert.ok(asked >= 5 && asked <= most, `per_page ${asked}`)
    const page = Number(query.get('page') ?? 1)
    const { items, last } = pageOf(all, page, Math.min(asked, cap))
    const info = { page, per_page: asked, total_pages: last, count: items.length, total_count: all.length }
    return { json: { success: true, errors: [], messages: [], result: items, result_info: info } }
  }
  return {
    kept,
    handle(request: FakeRequest): FakeReply {
      check(request)
      const { method, path, query, json } = request
      if (path === '/client/v4/zones') {
        assert.equal(method, 'GET')
        return listed(
          zones.map((zone, i) => ({ id: `zone${i}`, ...zone })),
          query,
          50,
        )
      }
      const [, zone, id] = /^\/client\/v4\/zones\/zone(\d+)\/dns_records(?:\/(\d+))?$/.exec(path) ?? assert.fail(path)
      assert.deepEqual(zones[Number(zone)], { name: 'example.com', status: 'active' })
      if (method === 'GET') {
        assert.equal(query.get('type'), 'TXT')
        const found = kept.all.filter(({ name }) => name === query.get('name'))
        return listed(
          found.map(({ value, ...rest }) => ({ type: 'TXT', content: `"${value}"`, ...rest })),
          query,
          5_000_000,
        )
      }
      if (method === 'DELETE') {
        if (!kept.remove(id ?? '')) return failure(404, 81044, 'Record does not exist.')
        return { json: { success: true, errors: [], result: { id } } }
      }
      assert.equal(method, 'POST')
      const { type, name, content, ttl } = json()
      assert.equal(type, 'TXT')
      assert.ok(ttl === 1 || ttl >= 60, `ttl ${ttl}`)
      assert.match(content, /^".*"$/)
      if (kept.values(name).includes(content.slice(1, -1)))
        return failure(400, 81058, 'An identical record already exists.')
      return { json: { success: true, errors: [], result: { ...kept.put(name, content.slice(1, -1), ttl), type } } }
    },
    values: kept.values,
    add: kept.add,
  }
}

proveConformance({
  definition: cloudflare,
  hosts,
  variables,
  makeFake,
  denied: failure(403, 9109, 'Invalid access token canary-token'),
})

test('cloudflare: the zone is on the second page of zones, the record on the second page of records', async (t) => {
  const zones = zonesBehind(60).map((name) => ({ name, status: 'active' }))
  const fake = makeFake({ zones, cap: 50 })
  for (let i = 0; i < 60; i++) fake.add(record.name, `other ${i}`)
  fake.add(record.name, record.value)
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(cloudflare, variables)
  await provider.present(record)
  assert.equal(fake.kept.all.length, 61)
  await provider.cleanUp(record)
  assert.equal(fake.kept.all.length, 60)
  assert.equal(api.log.filter((line) => /\/zones\?/.test(line)).length, 2, 'zones are listed once')
})

test('cloudflare: a zone that moved away is passed over; without another, a refusal', async (t) => {
  const moved = { name: 'example.com', status: 'moved' }
  const fake = makeFake({ zones: [moved, { name: 'example.com', status: 'active' }] })
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(cloudflare, variables).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
  const none = await startFakeApi(t, hosts, makeFake({ zones: [moved] }).handle)
  await assert.rejects(none.open(cloudflare, variables).present(record), { kind: 'refused', message: /no zone/ })
})

test('cloudflare: somebody else puts the same record there at the same time', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.method === 'POST') fake.add(record.name, record.value)
    return fake.handle(request)
  })
  await api.open(cloudflare, variables).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('cloudflare: an error with status 200, and another than "exists" with 400, are refusals in its words', async (t) => {
  for (const reply of [failure(200, 1004, 'DNS Validation Error'), failure(400, 1004, 'DNS Validation Error')]) {
    const fake = makeFake()
    const api = await startFakeApi(t, hosts, (request) => (request.method === 'POST' ? reply : fake.handle(request)))
    await assert.rejects(api.open(cloudflare, variables).present(record), {
      kind: 'refused',
      message: /DNS Validation Error \(code 1004\)/,
    })
  }
})

test('cloudflare: address and key, by lego’s older names, go before tokens', async (t) => {
  const check = ({ headers }: FakeRequest) => {
    assert.deepEqual([headers['x-auth-email'], headers['x-auth-key']], ['me@example.com', 'canary-key'])
    assert.equal(headers.authorization, undefined)
  }
  const fake = makeFake({ check })
  const api = await startFakeApi(t, hosts, fake.handle)
  const set = { ...variables, CF_API_EMAIL: 'me@example.com', CF_API_KEY: 'canary-key' }
  await api.open(cloudflare, set).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('cloudflare: zones are found with the token for zones, records changed with the other', async (t) => {
  const check = ({ path, headers }: FakeRequest) =>
    assert.equal(headers.authorization, path.endsWith('/zones') ? 'Bearer canary-zones' : 'Bearer canary-token')
  const fake = makeFake({ check })
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(cloudflare, { ...variables, CF_ZONE_API_TOKEN: 'canary-zones' }).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('cloudflare: what is missing is told by name', async (t) => {
  const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
  for (const [set, name] of [
    [{}, 'CLOUDFLARE_DNS_API_TOKEN'],
    [{ CF_API_EMAIL: 'me@example.com' }, 'CLOUDFLARE_API_KEY'],
    [{ CLOUDFLARE_API_KEY: 'canary' }, 'CLOUDFLARE_EMAIL'],
  ] as const)
    assert.throws(() => api.open(cloudflare, set), { kind: 'config', message: new RegExp(`'${name}'`) })
})
