// Scaleway, as https://www.scaleway.com/en/developers/api/domains-and-dns/ has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scaleway } from '../../src/acme/dns/providers/scaleway.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { assertKeys, labelOf, manyZones, nameOf, Shelf } from './shelf.ts'

const hosts = ['api.scaleway.com']
const variables = { SCW_SECRET_KEY: 'canary-secret', SCW_PROJECT_ID: 'project-1', SCW_ACCESS_KEY: 'SCWCANARY' }
const zones = manyZones(150, 'example.com').map((domain) => ({ domain, subdomain: '', status: 'active' }))

function makeFake(all: readonly object[] = zones, zoneName = 'example.com') {
  const shelf = new Shelf()
  const paged = (key: string, list: readonly object[], query: URLSearchParams): FakeReply => {
    const [page, size] = [Number(query.get('page')), Number(query.get('page_size'))]
    assert.ok(page >= 1 && size >= 1 && size <= 100)
    return { json: { total_count: list.length, [key]: list.slice((page - 1) * size, page * size) } }
  }
  return {
    values: shelf.values,
    add: shelf.add,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      assert.equal(headers['x-auth-token'], 'canary-secret')
      if (path === '/domain/v2beta1/dns-zones') {
        assert.equal(method, 'GET')
        assert.equal(query.get('project_id'), 'project-1')
        return paged('dns_zones', all, query)
      }
      assert.equal(path, `/domain/v2beta1/dns-zones/${zoneName}/records`)
      if (method === 'GET') {
        assert.equal(query.get('type'), 'TXT')
        const label = query.get('name') ?? assert.fail('no name')
        const records = shelf.records
          .filter(({ name }) => labelOf(name, '') === label)
          .map(({ id, value }) => ({ id, name: label, type: 'TXT', data: `"${value}"`, ttl: 60, priority: 0 }))
        // A name of many values: ours are on the second page.
        const filler = Array.from({ length: 100 }, (_, i) => ({
          id: `f${i}`,
          name: label,
          type: 'TXT',
          data: `"f${i}"`,
        }))
        return paged('records', [...filler, ...records], query)
      }
      assert.equal(method, 'PATCH')
      const body = json()
      assertKeys(body, 'changes', 'return_all_records', 'disallow_new_zone_creation')
      assert.equal(body.disallow_new_zone_creation, true)
      for (const change of body.changes) {
        if (change.add)
          for (const record of change.add.records) {
            assertKeys(record, 'name', 'type', 'data', 'ttl', 'priority')
            assert.equal(record.type, 'TXT')
            assert.ok(record.ttl >= 60)
            assert.match(record.data, /^".*"$/)
            shelf.put(nameOf(record.name, ''), record.data.slice(1, -1))
          }
        else if (!shelf.take(change.delete.id))
          return { status: 404, json: { type: 'not_found', resource: 'record', message: 'resource is not found' } }
      }
      return { json: { records: [] } }
    },
  }
}

proveConformance({
  definition: scaleway,
  hosts,
  variables,
  makeFake: () => makeFake(),
  denied: { status: 403, json: { type: 'denied_authentication', method: 'api_key', reason: 'invalid_argument' } },
})

test('scaleway: a part of a domain that is a zone of its own is the one that is written to', async (t) => {
  const fake = makeFake(
    [
      { domain: 'example.com', subdomain: '' },
      { domain: 'example.com', subdomain: 'dev' },
    ],
    'dev.example.com',
  )
  const api = await startFakeApi(t, hosts, fake.handle)
  const old = { SCALEWAY_API_TOKEN: 'canary-secret', SCALEWAY_PROJECT_ID: 'project-1' }
  await api.open(scaleway, old).present({ name: '_acme-challenge.dev.example.com', value: 'v' })
  assert.deepEqual(fake.values('_acme-challenge.example.com'), ['v'], 'the label within the zone')
})
