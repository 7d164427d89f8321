// Porkbun, as https://porkbun.com/api/json/v3/documentation has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { porkbun } from '../../src/acme/dns/providers/porkbun.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, KeptRecords, zonesBehind } from './fake-records.ts'

const hosts = ['api.porkbun.com']
const variables = { PORKBUN_API_KEY: 'canary-pk1', PORKBUN_SECRET_API_KEY: 'canary-sk1' }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

const failure = (message: string, status = 400): FakeReply => ({ status, json: { status: 'ERROR', message } })
const success = (fields: object): FakeReply => ({ json: { status: 'SUCCESS', ...fields } })

function makeFake(zones: readonly string[] = ['example.com']) {
  const kept = new KeptRecords()
  return {
    kept,
    handle({ method, path, json }: FakeRequest): FakeReply {
      assert.equal(method, 'POST')
      const { apikey, secretapikey, ...body } = json()
      assert.deepEqual([apikey, secretapikey], ['canary-pk1', 'canary-sk1'])
      const [, command, zone, rest = ''] =
        /^\/api\/json\/v3\/(domain\/listAll|dns\/\w+)(?:\/([^/]+))?(?:\/(.*))?$/.exec(path) ?? assert.fail(path)
      if (command === 'domain/listAll') {
        const start = Number(body.start)
        const domains = zones.slice(start, start + 1000).map((domain) => ({ domain, status: 'ACTIVE', tld: 'com' }))
        return success({ domains })
      }
      if (zone !== 'example.com') return failure('Invalid domain.')
      if (command === 'dns/retrieveByNameType') {
        const [, type, name = ''] = /^([A-Z]+)(?:\/(.*))?$/.exec(rest) ?? []
        assert.equal(type, 'TXT')
        const found = kept.all.filter((one) => one.name === absolute(name, ''))
        const records = found.map(({ value, ttl, ...one }) => ({
          ...one,
          type,
          content: value,
          ttl: `${ttl}`,
          prio: '0',
        }))
        return success({ cloudflare: 'enabled', records })
      }
      if (command === 'dns/delete') return kept.remove(rest) ? success({}) : failure('Invalid record ID.')
      assert.deepEqual([command, rest], ['dns/create', ''])
      assert.equal(body.type, 'TXT')
      assert.ok(Number(body.ttl) >= 600, `ttl ${body.ttl}`)
      const name = absolute(body.name, '')
      if (kept.values(name).includes(body.content)) return failure('We were unable to create the DNS record.')
      return success({ id: Number(kept.put(name, body.content).id) })
    },
    values: kept.values,
    add: kept.add,
  }
}

proveConformance({
  definition: porkbun,
  hosts,
  variables,
  makeFake,
  denied: failure('Invalid API key canary-pk1. (002)'),
  limited: failure('Too many requests', 503),
})

test('porkbun: the zone is in the second chunk of domains', async (t) => {
  const fake = makeFake(zonesBehind(1200))
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(porkbun, variables)
  await provider.present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
  await provider.present({ ...record, name: '_acme-challenge.example.com' })
  assert.equal(api.log.filter((line) => line.includes('listAll')).length, 2, 'domains are listed once')
})

test('porkbun: somebody else adds or removes the same at the same time: done, not refused', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.path.includes('/create/')) fake.add(record.name, record.value)
    if (request.path.includes('/delete/')) fake.kept.all = []
    return fake.handle(request)
  })
  const provider = api.open(porkbun, variables)
  await provider.present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
  await provider.cleanUp(record)
  assert.deepEqual(fake.values(record.name), [])
})

test('porkbun: no zone, and a record that is not taken, are refusals; an error may have status 200', async (t) => {
  const none = await startFakeApi(t, hosts, makeFake([]).handle)
  await assert.rejects(none.open(porkbun, variables).present(record), { kind: 'refused', message: /no zone/ })
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) =>
    request.path.includes('/create/') ? failure('Domain is not opted in to API access.', 200) : fake.handle(request),
  )
  await assert.rejects(api.open(porkbun, variables).present(record), { kind: 'refused', message: /not opted in/ })
})
