// Linode, as https://techdocs.akamai.com/linode-api/reference/get-domains has it.
import assert from 'node:assert/strict'
import { linode } from '../../src/acme/dns/providers/linode.ts'
import { proveConformance } from './conformance.ts'
import type { FakeRequest } from './fake-api.ts'
import { assertKeys, labelOf, manyZones, nameOf, Shelf } from './shelf.ts'

/** Domain and filler records fill page one: what is looked for is on the second. */
const zones = manyZones(500, 'example.com').map((domain, i) => ({ id: i + 1, domain, type: 'master' }))
const zoneId = zones.length

function makeFake() {
  const shelf = new Shelf()
  const paged = (all: readonly object[], query: URLSearchParams) => {
    const [page, size] = [Number(query.get('page')), Number(query.get('page_size'))]
    assert.ok(page >= 1 && size >= 25 && size <= 500, `page ${page} of ${size}`)
    const pages = Math.max(1, Math.ceil(all.length / size))
    if (page > pages) return { status: 404, json: { errors: [{ reason: 'Not found' }] } }
    return { json: { data: all.slice((page - 1) * size, page * size), page, pages, results: all.length } }
  }
  const filler = Array.from({ length: 500 }, (_, i) => ({ id: 5000 + i, type: 'TXT', name: `f${i}`, target: 'f' }))
  return {
    values: shelf.values,
    add: shelf.add,
    handle({ method, path, query, headers, json }: FakeRequest) {
      assert.equal(headers.authorization, 'Bearer canary-token')
      const filter = () => JSON.parse(String(headers['x-filter']))
      if (path === '/v4/domains') {
        assert.equal(method, 'GET')
        assert.deepEqual(filter(), { type: 'master' })
        return paged(zones, query)
      }
      const [, id, rest] = /^\/v4\/domains\/(\d+)\/records(?:\/(\d+))?$/.exec(path) ?? []
      assert.equal(Number(id), zoneId, path)
      if (method === 'GET') {
        assert.deepEqual(filter(), { type: 'TXT' })
        const records = shelf.records.map(({ id, name, value }) => {
          return { id: Number(id), type: 'TXT', name: labelOf(name, ''), target: value, ttl_sec: 300 }
        })
        return paged([...filler, ...records], query)
      }
      if (method === 'POST') {
        const record = json()
        assertKeys(record, 'type', 'name', 'target', 'ttl_sec')
        assert.equal(record.type, 'TXT')
        assert.ok(record.ttl_sec >= 300)
        return { json: { ...record, id: Number(shelf.put(nameOf(record.name, ''), record.target)) } }
      }
      assert.equal(method, 'DELETE')
      return shelf.take(rest ?? '') ? { json: {} } : { status: 404, json: { errors: [{ reason: 'Not found' }] } }
    },
  }
}

proveConformance({
  definition: linode,
  hosts: ['api.linode.com'],
  variables: { LINODE_TOKEN: 'canary-token' },
  makeFake,
  denied: { status: 401, json: { errors: [{ reason: 'Invalid Token' }] } },
})
