// Gandi LiveDNS, as https://api.gandi.net/docs/livedns/ has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gandiv5 } from '../../src/acme/dns/providers/gandiv5.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, pageOf, zonesBehind } from './fake-records.ts'

const hosts = ['api.gandi.net']
const variables = { GANDIV5_PERSONAL_ACCESS_TOKEN: 'canary-token' }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

const notFound = (object: string): FakeReply => ({
  status: 404,
  json: { object, cause: 'Not Found', code: 404, message: `Can't find the ${object}` },
})

interface Options {
  readonly zones?: readonly string[]
  readonly authorization?: string
}

function makeFake({ zones = ['example.com'], authorization = 'Bearer canary-token' }: Options = {}) {
  const sets = new Map<string, { ttl: number; values: string[] }>()
  return {
    sets,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      assert.equal(headers.authorization, authorization)
      if (path === '/v5/livedns/domains') {
        assert.equal(method, 'GET')
        const { items } = pageOf(zones, Number(query.get('page')), Number(query.get('per_page')))
        return {
          json: items.map((fqdn) => ({ fqdn, domain_href: `https://api.gandi.net/v5/livedns/domains/${fqdn}` })),
        }
      }
      const [, zone, name = ''] =
        /^\/v5\/livedns\/domains\/([^/]+)\/records\/([^/]+)\/TXT$/.exec(path) ?? assert.fail(path)
      if (zone !== 'example.com') return notFound('dns-zone')
      const key = absolute(name)
      const set = sets.get(key)
      if (method === 'GET')
        return set
          ? { json: { rrset_name: name, rrset_type: 'TXT', rrset_ttl: set.ttl, rrset_values: set.values } }
          : notFound('dns-record')
      if (method === 'DELETE') {
        sets.delete(key)
        return { status: 204 }
      }
      assert.equal(method, 'PUT')
      const { rrset_ttl: ttl, rrset_values: values } = json()
      assert.ok(ttl >= 300, `ttl ${ttl}`)
      assert.ok(values.length > 0)
      for (const value of values) assert.match(value, /^".*"$/)
      sets.set(key, { ttl, values })
      return { status: 201, json: { message: 'DNS Record Created' } }
    },
    values: (name: string) => (sets.get(name)?.values ?? []).map((value) => value.slice(1, -1)),
    add(name: string, value: string) {
      sets.set(name, { ttl: 1800, values: [...(sets.get(name)?.values ?? []), `"${value}"`] })
    },
  }
}

proveConformance({
  definition: gandiv5,
  hosts,
  variables,
  makeFake,
  denied: {
    status: 403,
    json: { object: 'HTTPForbidden', cause: 'Forbidden', code: 403, message: 'The token canary-token was denied' },
  },
})

test('gandiv5: the zone is on the second page; an older key; another’s TTL stays', async (t) => {
  const fake = makeFake({ zones: zonesBehind(150), authorization: 'Apikey canary-key' })
  fake.add(record.name, 'another')
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(gandiv5, { GANDIV5_API_KEY: 'canary-key' }).present(record)
  assert.deepEqual(fake.sets.get(record.name), { ttl: 1800, values: ['"another"', `"${record.value}"`] })
})

test('gandiv5: no zone, and no credentials', async (t) => {
  const api = await startFakeApi(t, hosts, makeFake({ zones: [] }).handle)
  await assert.rejects(api.open(gandiv5, variables).present(record), { kind: 'refused', message: /no zone/ })
  assert.throws(() => api.open(gandiv5, {}), { kind: 'config', message: /'GANDIV5_PERSONAL_ACCESS_TOKEN'/ })
})
