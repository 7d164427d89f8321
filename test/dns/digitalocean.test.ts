// DigitalOcean, as https://docs.digitalocean.com/reference/api/digitalocean/ has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digitalocean } from '../../src/acme/dns/providers/digitalocean.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, KeptRecords, pageOf, relative, zonesBehind } from './fake-records.ts'

const hosts = ['api.digitalocean.com']
const variables = { DO_AUTH_TOKEN: 'canary-token' }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

function makeFake(zones: readonly string[] = ['example.com']) {
  const kept = new KeptRecords()
  const listed = (key: string, all: readonly object[], query: URLSearchParams) => {
    const perPage = Number(query.get('per_page') ?? 20)
    assert.ok(perPage <= 200)
    const page = Number(query.get('page') ?? 1)
    const { items, more } = pageOf(all, page, perPage)
    const links = more ? { pages: { next: `https://api.digitalocean.com/?page=${page + 1}` } } : {}
    return { json: { [key]: items, links, meta: { total: all.length } } }
  }
  return {
    kept,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      assert.equal(headers.authorization, 'Bearer canary-token')
      if (path === '/v2/domains' && method === 'GET')
        return listed(
          'domains',
          zones.map((name) => ({ name, ttl: 1800, zone_file: '' })),
          query,
        )
      const [, id] = /^\/v2\/domains\/example\.com\/records(?:\/(\d+))?$/.exec(path) ?? assert.fail(path)
      if (method === 'GET') {
        assert.equal(query.get('type'), 'TXT')
        const found = kept.all.filter(({ name }) => name === query.get('name'))
        return listed(
          'domain_records',
          found.map((one) => ({
            id: Number(one.id),
            type: 'TXT',
            name: relative(one.name),
            data: one.value,
            ttl: one.ttl,
          })),
          query,
        )
      }
      if (method === 'DELETE')
        return kept.remove(id ?? '')
          ? { status: 204 }
          : { status: 404, json: { id: 'not_found', message: 'The resource you requested could not be found.' } }
      assert.equal(method, 'POST')
      const { type, name, data, ttl } = json()
      assert.equal(type, 'TXT')
      assert.ok(ttl >= 30, `ttl ${ttl}`)
      return { status: 201, json: { domain_record: { ...kept.put(absolute(name), data, ttl), type } } }
    },
    values: kept.values,
    add: kept.add,
  }
}

proveConformance({
  definition: digitalocean,
  hosts,
  variables,
  makeFake,
  denied: { status: 401, json: { id: 'unauthorized', message: 'Unable to authenticate you with canary-token' } },
  limited: { status: 429, json: { id: 'too_many_requests', message: 'API rate limit exceeded.' } },
})

test('digitalocean: the zone is on the second page of domains, the record on the second page of records', async (t) => {
  const fake = makeFake(zonesBehind(220))
  for (let i = 0; i < 200; i++) fake.add(record.name, `other ${i}`)
  fake.add(record.name, record.value)
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(digitalocean, variables)
  await provider.present(record)
  assert.equal(fake.kept.all.length, 201)
  await provider.cleanUp(record)
  assert.equal(fake.kept.all.length, 200)
})

test('digitalocean: no zone is a refusal', async (t) => {
  const api = await startFakeApi(t, hosts, makeFake(['example.net', 'com']).handle)
  await assert.rejects(api.open(digitalocean, variables).present(record), { kind: 'refused', message: /no zone/ })
})
