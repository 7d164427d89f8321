// Njalla, as https://njal.la/api/ has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { njalla } from '../../src/acme/dns/providers/njalla.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, KeptRecords, relative } from './fake-records.ts'

const hosts = ['njal.la']
const variables = { NJALLA_TOKEN: 'canary-token' }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

const success = (result: object): FakeReply => ({ json: { jsonrpc: '2.0', result } })
const failure = (code: number, message: string): FakeReply => ({ json: { jsonrpc: '2.0', error: { code, message } } })

/** `asNumbers`: identifiers are numbers, and must come back as such. */
function makeFake({ asNumbers = false, zones = ['example.com', 'other.example'] } = {}) {
  const kept = new KeptRecords()
  return {
    kept,
    handle({ method, path, headers, json }: FakeRequest): FakeReply {
      assert.deepEqual([method, path, headers.authorization], ['POST', '/api/1/', 'Njalla canary-token'])
      const { method: called, params } = json()
      if (called === 'list-domains')
        return success({ domains: zones.map((name) => ({ name, status: 'active', expiry: '2030-01-01T00:00:00Z' })) })
      assert.equal(params.domain, 'example.com')
      if (called === 'list-records') {
        const texts = kept.all.map(({ id, name, value, ttl }) => ({
          id: asNumbers ? Number(id) : id,
          name: relative(name),
          type: 'TXT',
          content: value,
          ttl,
        }))
        return success({ records: [{ id: '1', name: '@', type: 'A', content: '192.0.2.1', ttl: 300 }, ...texts] })
      }
      if (called === 'remove-record') {
        assert.equal(typeof params.id, asNumbers ? 'number' : 'string')
        return kept.remove(String(params.id)) ? success({}) : failure(404, 'Record not found.')
      }
      assert.equal(called, 'add-record')
      assert.deepEqual([params.type, typeof params.ttl], ['TXT', 'number'])
      return success({ ...kept.put(absolute(params.name), params.content, params.ttl) })
    },
    values: kept.values,
    add: kept.add,
  }
}

proveConformance({
  definition: njalla,
  hosts,
  variables,
  makeFake: () => makeFake(),
  denied: failure(403, 'Invalid token canary-token.'),
})

test('njalla: identifiers that are numbers go back as numbers', async (t) => {
  const fake = makeFake({ asNumbers: true })
  fake.add(record.name, record.value)
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(njalla, variables).cleanUp(record)
  assert.deepEqual(fake.kept.all, [])
})

test('njalla: no zone is a refusal', async (t) => {
  const api = await startFakeApi(t, hosts, makeFake({ zones: [] }).handle)
  await assert.rejects(api.open(njalla, variables).present(record), { kind: 'refused', message: /no zone/ })
})
