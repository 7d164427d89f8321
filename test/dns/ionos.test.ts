// IONOS, as https://developer.hosting.ionos.com/docs/dns has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ionos } from '../../src/acme/dns/providers/ionos.ts'
import { NixacmeError } from '../../src/errors.ts'
import { proveConformance } from './conformance.ts'
import { type FakeRequest, startFakeApi } from './fake-api.ts'
import { assertKeys, Shelf } from './shelf.ts'

const zone = { id: '11af3414-ebba-11e9-8df5-66fbe8a334b4', name: 'example.com', type: 'NATIVE' }
const hosts = ['api.hosting.ionos.com']
const variables = { IONOS_API_KEY: 'canaryprefix.canarysecret' }

function makeFake() {
  const shelf = new Shelf()
  return {
    values: shelf.values,
    add: shelf.add,
    handle({ method, path, query, headers, json }: FakeRequest) {
      assert.equal(headers['x-api-key'], 'canaryprefix.canarysecret')
      if (path === '/dns/v1/zones') {
        assert.equal(method, 'GET')
        return { json: [{ ...zone, id: 'other', name: 'com' }, { ...zone, id: 'longer', name: 'ample.com' }, zone] }
      }
      const [, id, rest = ''] = /^\/dns\/v1\/zones\/([^/]+)(\/.*)?$/.exec(path) ?? []
      assert.equal(id, zone.id, path)
      if (method === 'GET') {
        assert.equal(rest, '')
        assert.equal(query.get('recordType'), 'TXT')
        const name = query.get('recordName') ?? ''
        const records = shelf.at(name).map(({ id, value }) => {
          return { id, name, rootName: zone.name, type: 'TXT', content: `"${value}"`, ttl: 300, disabled: false }
        })
        return { json: { ...zone, records } }
      }
      if (method === 'POST') {
        assert.equal(rest, '/records')
        for (const record of json()) {
          assertKeys(record, 'name', 'type', 'content', 'ttl', 'prio', 'disabled')
          assert.deepEqual([record.type, record.disabled], ['TXT', false])
          assert.ok(record.ttl >= 300)
          shelf.put(record.name, record.content)
        }
        return { status: 201, json: [] }
      }
      assert.equal(method, 'DELETE')
      const [, record = ''] = /^\/records\/([^/]+)$/.exec(rest) ?? []
      return shelf.take(record)
        ? { status: 200 }
        : { status: 404, json: [{ code: 'RECORD_NOT_FOUND', message: 'Record does not exist.' }] }
    },
  }
}

proveConformance({
  definition: ionos,
  hosts,
  variables,
  makeFake,
  denied: {
    status: 401,
    json: [{ code: 'UNAUTHORIZED', message: 'The customer is not authorized to do this operation.' }],
  },
})

test('ionos: a name that no zone holds is refused before anything is written', async (t) => {
  const api = await startFakeApi(t, hosts, makeFake().handle)
  const provider = api.open(ionos, variables)
  await assert.rejects(provider.present({ name: '_acme-challenge.example.org', value: 'v' }), (e) => {
    assert.ok(e instanceof NixacmeError && e.kind === 'refused', String(e))
    assert.match(e.message, /'_acme-challenge\.example\.org': the account holds no zone/)
    return true
  })
  assert.deepEqual(api.log, ['GET /dns/v1/zones'])
})

test('ionos: a record without an identifier is nonsense, and nothing is deleted', async (t) => {
  const api = await startFakeApi(t, hosts, ({ method, path }) => {
    assert.equal(method, 'GET')
    if (path === '/dns/v1/zones') return { json: [zone] }
    return { json: { ...zone, records: [{ name: 'www.example.com', type: 'TXT', content: '"v"' }] } }
  })
  await assert.rejects(
    api.open(ionos, variables).cleanUp({ name: 'www.example.com', value: 'v' }),
    (e) => e instanceof NixacmeError && e.kind === 'unavailable' && /expected a field 'id'/.test(e.message),
  )
})
