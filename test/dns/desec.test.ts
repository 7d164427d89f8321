// deSEC, as https://desec.readthedocs.io/en/latest/dns/ has it.
import assert from 'node:assert/strict'
import { desec } from '../../src/acme/dns/providers/desec.ts'
import { proveConformance } from './conformance.ts'
import type { FakeRequest } from './fake-api.ts'

const zones = ['example.com', 'other.example']

function makeFake() {
  const sets = new Map<string, string[]>()
  const subnameOf = (name: string) => (name === 'example.com' ? '' : name.slice(0, -'.example.com'.length))
  return {
    handle({ method, path, query, headers, json }: FakeRequest) {
      assert.equal(headers.authorization, 'Token canary-token')
      if (path === '/api/v1/domains/') {
        assert.equal(method, 'GET')
        const name = query.get('owns_qname') ?? ''
        return { json: zones.filter((zone) => `.${name}`.endsWith(`.${zone}`)).map((zone) => ({ name: zone })) }
      }
      const [, zone = '', rest = ''] = /^\/api\/v1\/domains\/([^/]+)\/rrsets\/(.*)$/.exec(path) ?? []
      assert.equal(zone, 'example.com', path)
      if (method === 'GET') {
        const [, subname = '', type] = /^([^/]+)\/([A-Z]+)\/$/.exec(rest) ?? []
        assert.equal(type, 'TXT')
        const records = sets.get(subname === '@' ? '' : subname)
        return records
          ? { json: { subname, type, records, ttl: 3600 } }
          : { status: 404, json: { detail: 'Not found.' } }
      }
      assert.deepEqual([method, rest], ['PUT', ''])
      for (const { subname, type, ttl, records } of json()) {
        assert.equal(type, 'TXT')
        assert.ok(ttl >= 3600, `ttl ${ttl}`)
        for (const record of records) assert.match(record, /^".*"$/)
        if (records.length === 0) sets.delete(subname)
        else sets.set(subname, records)
      }
      return { json: [] }
    },
    values: (name: string) => (sets.get(subnameOf(name)) ?? []).map((record) => record.slice(1, -1)),
    add(name: string, value: string) {
      sets.set(subnameOf(name), [...(sets.get(subnameOf(name)) ?? []), `"${value}"`])
    },
  }
}

proveConformance({
  definition: desec,
  hosts: ['desec.io'],
  variables: { DESEC_TOKEN: 'canary-token' },
  makeFake,
  denied: { status: 401, json: { detail: 'Invalid token canary-token.' } },
})
