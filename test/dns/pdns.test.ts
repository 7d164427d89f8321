// PowerDNS: the real one, and as https://doc.powerdns.com/authoritative/http-api/zone.html has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pdns } from '../../src/acme/dns/providers/pdns.ts'
import { NixacmeError } from '../../src/errors.ts'
import { needs } from '../support/needs.ts'
import { proveConformance } from './conformance.ts'
import type { FakeRequest } from './fake-api.ts'
import { makeHookWorld } from './hook-world.ts'
import { startPowerDns } from './powerdns.ts'

const [value, second] = ['LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo', 'gfj9Xq-Rg85nM_0123456789abcdefABCDEF0123456']

test('pdns: a real server tells what was put there, beside what others have, and again what they have', async (t) => {
  if (!needs(t, 'pdns', 'sqlite3')) return
  const server = await startPowerDns(t, 'canary-key')
  const apex = '_acme-challenge.example.com'
  await server.addZone('example.com', 'Native', { [apex]: ['v=spf1 -all', 'two \\"words\\"'] })
  await server.addZone('sub.example.com', 'Master')
  const world = makeHookWorld(t)
  const variables = { PDNS_API_URL: `${server.url}/`, PDNS_API_KEY: 'canary-key' }
  const before = await server.zone('example.com')
  const foreign = await server.txt(apex)
  assert.deepEqual(foreign, ['two "words"', 'v=spf1 -all'])

  const provider = world.open(pdns, variables)
  for (const one of [value, second, value]) await provider.present({ name: apex, value: one })
  assert.deepEqual(await server.txt(apex), [...foreign, value, second].sort())
  await world.open(pdns, variables).cleanUp({ name: apex, value })
  assert.deepEqual(await server.txt(apex), [...foreign, second].sort())
  for (const one of [second, second]) await provider.cleanUp({ name: apex, value: one })
  const setsOf = ({ rrsets }: typeof before) => rrsets.filter(({ type }) => type === 'TXT')
  assert.deepEqual(setsOf(await server.zone('example.com')), setsOf(before))

  const inChild = { name: '_acme-challenge.www.sub.example.com', value }
  await provider.present(inChild)
  assert.deepEqual(await server.txt(inChild.name), [value])
  const [set] = setsOf(await server.zone('sub.example.com'))
  assert.deepEqual([set?.name, set?.ttl], [`${inChild.name}.`, 120], 'in the zone nearest to it')
  await provider.cleanUp(inChild)
  assert.deepEqual(await server.txt(inChild.name), [])
  assert.deepEqual(setsOf(await server.zone('sub.example.com')), [])

  const isRefused = (pattern: RegExp) => (e: unknown) => {
    assert.ok(e instanceof NixacmeError && e.kind === 'refused', String(e))
    assert.match(e.message, pattern)
    assert.doesNotMatch(`${e.message} ${e.hints} ${e.stack}`, /canary/)
    return true
  }
  const elsewhere = { name: '_acme-challenge.example.org', value }
  await assert.rejects(provider.present(elsewhere), isRefused(/example\.org': this server holds no zone/))
  const wrong = world.open(pdns, { ...variables, PDNS_API_KEY: 'canary-wrong' })
  await assert.rejects(wrong.present(inChild), isRefused(/PowerDNS.*status 401/))
  const other = world.open(pdns, { ...variables, PDNS_SERVER_NAME: 'other' })
  await assert.rejects(other.present(inChild), isRefused(/PowerDNS.*servers\/other.*status 404/))
  assert.deepEqual(world.told, [])
})

test('pdns: a version that is none', (t) => {
  const variables = { PDNS_API_URL: 'https://dns.example.net', PDNS_API_KEY: 'canary', PDNS_API_VERSION: 'one' }
  assert.throws(() => makeHookWorld(t).open(pdns, variables), /'PDNS_API_VERSION' is 'one': expected a number/)
})

/** As 4.0 has it: parameters that came later are not looked at, the answer holds all. */
function makeFake() {
  const sets = new Map<string, string[]>()
  const zones = ['example.com.', 'other.example.'].map((name) => ({ id: name, name, kind: 'Master' }))
  return {
    handle({ method, path, headers, json }: FakeRequest) {
      assert.equal(headers['x-api-key'], 'canary-key')
      if (path === '/api/v1/servers/localhost/zones' && method === 'GET') return { json: zones }
      if (path === '/api/v1/servers/localhost/zones/example.com./notify') {
        assert.equal(method, 'PUT')
        return { status: 422, json: { error: "Domain 'example.com.' is not a master" } }
      }
      assert.equal(path, '/api/v1/servers/localhost/zones/example.com.')
      if (method === 'GET') {
        const all = [...sets].map(([name, records]) => ({
          name,
          type: 'TXT',
          ttl: 60,
          comments: [],
          records: records.map((content) => ({ content, disabled: false })),
        }))
        return { json: { ...zones[0], rrsets: [{ name: 'example.com.', type: 'SOA', ttl: 1, records: [] }, ...all] } }
      }
      assert.equal(method, 'PATCH')
      for (const { name, type, changetype, ttl, records } of json().rrsets) {
        assert.equal(type, 'TXT')
        assert.match(name, /\.example\.com\.$/)
        if (changetype === 'DELETE') sets.delete(name)
        else {
          assert.deepEqual([changetype, typeof ttl], ['REPLACE', 'number'])
          assert.ok(records.length > 0)
          for (const { content } of records) assert.match(content, /^".*"$/)
          sets.set(
            name,
            records.map(({ content }: { content: string }) => content),
          )
        }
      }
      return { status: 204 }
    },
    values: (name: string) => (sets.get(`${name}.`) ?? []).map((content) => content.slice(1, -1)),
    add(name: string, value: string) {
      sets.set(`${name}.`, [...(sets.get(`${name}.`) ?? []), `"${value}"`])
    },
  }
}

proveConformance({
  definition: pdns,
  hosts: ['dns.example.net'],
  variables: { PDNS_API_URL: 'https://dns.example.net', PDNS_API_KEY: 'canary-key' },
  makeFake,
  denied: { status: 401, text: 'Unauthorized' },
})
