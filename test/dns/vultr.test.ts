// Vultr, as https://www.vultr.com/api/#tag/dns has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { vultr } from '../../src/acme/dns/providers/vultr.ts'
import { NixacmeError } from '../../src/errors.ts'
import { proveConformance } from './conformance.ts'
import { type FakeRequest, startFakeApi } from './fake-api.ts'
import { assertKeys, labelOf, manyZones, nameOf, Shelf } from './shelf.ts'

const zones = manyZones(600, 'example.com').map((domain) => ({ domain, date_created: '2020-10-10T01:56:20+00:00' }))
const hosts = ['api.vultr.com']
const variables = { VULTR_API_KEY: 'canary-key' }

function makeFake() {
  const shelf = new Shelf()
  const paged = (key: string, all: readonly object[], query: URLSearchParams) => {
    const [size, cursor] = [Number(query.get('per_page')), query.get('cursor')]
    assert.ok(size >= 1 && size <= 500)
    const start = cursor === null ? 0 : Number(Buffer.from(cursor, 'base64').toString())
    const end = start + size
    const next = end < all.length ? Buffer.from(String(end)).toString('base64') : ''
    return { json: { [key]: all.slice(start, end), meta: { total: all.length, links: { next, prev: '' } } } }
  }
  const filler = Array.from({ length: 500 }, (_, i) => ({ id: `f-${i}`, type: 'A', name: `f${i}`, data: '192.0.2.1' }))
  return {
    values: shelf.values,
    add: shelf.add,
    handle({ method, path, query, headers, json }: FakeRequest) {
      assert.equal(headers.authorization, 'Bearer canary-key')
      if (path === '/v2/domains') {
        assert.equal(method, 'GET')
        return paged('domains', zones, query)
      }
      const [, domain, rest] = /^\/v2\/domains\/([^/]+)\/records(?:\/([^/]+))?$/.exec(path) ?? []
      assert.equal(domain, 'example.com', path)
      if (method === 'GET') {
        const records = shelf.records.map(({ id, name, value }) => {
          return { id, type: 'TXT', name: labelOf(name, ''), data: `"${value}"`, priority: 0, ttl: 120 }
        })
        return paged('records', [...filler, ...records], query)
      }
      if (method === 'POST') {
        const record = json()
        assertKeys(record, 'name', 'type', 'data', 'ttl', 'priority')
        assert.equal(record.type, 'TXT')
        assert.match(record.data, /^".*"$/)
        return {
          status: 201,
          json: { record: { ...record, id: shelf.put(nameOf(record.name, ''), record.data.slice(1, -1)) } },
        }
      }
      assert.equal(method, 'DELETE')
      return shelf.take(rest ?? '') ? { status: 204 } : { status: 404, json: { error: 'Invalid record', status: 404 } }
    },
  }
}

proveConformance({
  definition: vultr,
  hosts,
  variables,
  makeFake,
  denied: { status: 401, json: { error: 'Invalid API token canary-key.', status: 401 } },
})

test('vultr: a list that never ends is told, not followed', async (t) => {
  const api = await startFakeApi(t, hosts, () => ({ json: { domains: [], meta: { links: { next: 'again' } } } }))
  await assert.rejects(
    api.open(vultr, variables).present({ name: 'www.example.com', value: 'v' }),
    (e) => e instanceof NixacmeError && e.kind === 'unavailable' && /more than 1000 pages/.test(e.message),
  )
  assert.equal(api.log.length, 1000)
})
