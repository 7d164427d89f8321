// GoDaddy, as https://developer.godaddy.com/doc/endpoint/domains has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { godaddy } from '../../src/acme/dns/providers/godaddy.ts'
import { NixacmeError } from '../../src/errors.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { labelOf, manyZones, nameOf } from './shelf.ts'

interface Entry {
  readonly data: string
  readonly name: string
  readonly type: string
  readonly ttl: number
}

const hosts = ['api.godaddy.com']
const variables = { GODADDY_API_KEY: 'canary-key', GODADDY_API_SECRET: 'canary-secret' }
const zones = manyZones(1000, 'example.com').map((domain) => ({ domain, status: 'ACTIVE' }))
const value = 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo'

function makeFake() {
  let entries: Entry[] = []
  const ofName = (label: string) => entries.filter((entry) => entry.name === label)
  return {
    values: (name: string) => ofName(labelOf(name, '@')).map(({ data }) => data),
    add(name: string, data: string) {
      entries.push({ data, name: labelOf(name, '@'), type: 'TXT', ttl: 3600 })
    },
    entries: () => entries,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      assert.equal(headers.authorization, 'sso-key canary-key:canary-secret')
      if (path === '/v1/domains') {
        assert.equal(method, 'GET')
        const limit = Number(query.get('limit'))
        assert.ok(limit >= 1 && limit <= 1000)
        const after = zones.findIndex(({ domain }) => domain === query.get('marker')) + 1
        return { json: zones.slice(after, after + limit) }
      }
      if (path === '/v1/domains/example.com/records') {
        assert.equal(method, 'PATCH')
        for (const entry of json()) {
          assert.equal(entry.type, 'TXT')
          assert.ok(entry.ttl >= 600)
          if (ofName(entry.name).some(({ data }) => data === entry.data))
            return {
              status: 422,
              json: { code: 'DUPLICATE_RECORD', message: 'Another record with the same attributes already exists' },
            }
          entries.push(entry)
        }
        return {}
      }
      const [, label = assert.fail(path)] = /^\/v1\/domains\/example\.com\/records\/TXT\/([^/]+)$/.exec(path) ?? []
      if (method === 'GET') return { json: ofName(label) }
      if (method === 'DELETE') {
        if (ofName(label).length === 0) return { status: 404, json: { code: 'NOT_FOUND', message: 'no record' } }
        entries = entries.filter((entry) => entry.name !== label)
        return { status: 204 }
      }
      assert.equal(method, 'PUT')
      const set: Entry[] = json()
      assert.notEqual(set.length, 0, 'GoDaddy takes no empty set')
      entries = [...entries.filter((entry) => entry.name !== label), ...set]
      return {}
    },
  }
}

proveConformance({
  definition: godaddy,
  hosts,
  variables,
  makeFake,
  denied: { status: 401, json: { code: 'UNABLE_TO_AUTHENTICATE', message: 'canary-key is not known' } },
  limited: {
    status: 429,
    json: { code: 'TOO_MANY_REQUESTS', message: 'Too many requests received within interval', retryAfterSec: 1 },
  },
})

test('godaddy: a longer wait than nixacme has is told at once', async (t) => {
  const api = await startFakeApi(t, hosts, () => ({
    status: 429,
    json: { code: 'TOO_MANY_REQUESTS', message: 'Too many requests received within interval', retryAfterSec: 3600 },
  }))
  await assert.rejects(
    api.open(godaddy, variables).present({ name: nameOf('_acme-challenge', '@'), value }),
    (e) => e instanceof NixacmeError && e.kind === 'unavailable' && /TOO_MANY_REQUESTS/.test(e.message),
  )
  assert.equal(api.log.length, 1)
})

test('godaddy: what others have at the name goes back as it came; the value that came meanwhile is no fault', async (t) => {
  const fake = makeFake()
  const name = '_acme-challenge.example.com'
  fake.add(name, 'of another')
  const api = await startFakeApi(t, hosts, (request) => {
    const reply = fake.handle(request)
    // Somebody else puts the same value there between look and write.
    if (request.method === 'GET' && request.path.endsWith('/_acme-challenge') && fake.values(name).length === 1)
      fake.add(name, value)
    return reply
  })
  const provider = api.open(godaddy, variables)
  await provider.present({ name, value })
  assert.deepEqual(fake.values(name), ['of another', value])
  await provider.cleanUp({ name, value })
  assert.deepEqual(fake.entries(), [{ data: 'of another', name: '_acme-challenge', type: 'TXT', ttl: 3600 }])
})

test('godaddy: an account that may not use the interface is told with what GoDaddy says', async (t) => {
  const api = await startFakeApi(t, hosts, () => ({
    status: 403,
    json: { code: 'ACCESS_DENIED', message: 'Authenticated user is not allowed access' },
  }))
  await assert.rejects(
    api.open(godaddy, variables).present({ name: 'www.example.com', value }),
    (e) => e instanceof NixacmeError && e.kind === 'refused' && /ACCESS_DENIED.*not allowed access/.test(e.message),
  )
})
