// OVHcloud, as https://eu.api.ovh.com/console/ has it; each signature is checked.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ovh } from '../../src/acme/dns/providers/ovh.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, KeptRecords } from './fake-records.ts'

const hosts = ['eu.api.ovh.com', 'ca.api.ovh.com', 'ca.ovh.com']
const keys = {
  OVH_APPLICATION_KEY: 'canary-application',
  OVH_APPLICATION_SECRET: 'canary-secret',
  OVH_CONSUMER_KEY: 'canary-consumer',
}
const variables = { OVH_ENDPOINT: 'ovh-eu', ...keys }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }
/** Seconds that the provider's clock is ahead of ours. */
const ahead = 5000

const failure = (status: number, errorCode: string, message: string): FakeReply => ({
  status,
  json: { class: `Client::${errorCode}`, message, errorCode, httpCode: `${status}` },
})

function checkSignature({ method, host, path, query, headers, text }: FakeRequest) {
  assert.equal(headers['x-ovh-application'], 'canary-application')
  assert.equal(headers['x-ovh-consumer'], 'canary-consumer')
  const time = Number(headers['x-ovh-timestamp'])
  assert.ok(Math.abs(time - (Math.floor(Date.now() / 1000) + ahead)) < 60, `signed at ${time}`)
  const url = `https://${host}${path}${query.size > 0 ? `?${query}` : ''}`
  const signed = ['canary-secret', 'canary-consumer', method, url, text, time].join('+')
  const hash = createHash('sha1').update(signed).digest('hex')
  assert.equal(headers['x-ovh-signature'], `$1$${hash}`)
}

interface Options {
  readonly check?: (request: FakeRequest) => void
  /** The credentials may not look. */
  readonly isBlind?: boolean
}

function makeFake({ check = checkSignature, isBlind = false }: Options = {}) {
  const kept = new KeptRecords()
  /** What the name servers show: what was there when the zone was refreshed. */
  let served: KeptRecords['all'] = []
  return {
    kept,
    handle(request: FakeRequest): FakeReply {
      const { method, path, query, json } = request
      if (path === '/1.0/auth/time') {
        assert.equal(request.headers['x-ovh-signature'], undefined)
        return { json: Math.floor(Date.now() / 1000) + ahead }
      }
      check(request)
      if (path.startsWith('/1.0/domain/zone/elsewhere.test/'))
        return failure(404, 'NOT_FOUND', 'This service does not exist')
      const [, verb, id] =
        /^\/1\.0\/domain\/zone\/example\.com\/(record|refresh)(?:\/(\d+))?$/.exec(path) ?? assert.fail(path)
      if (method === 'GET' && isBlind) return failure(403, 'NOT_GRANTED_CALL', 'This call has not been granted')
      if (verb === 'refresh') {
        assert.equal(method, 'POST')
        served = kept.all
        return {}
      }
      if (method === 'GET' && id === undefined) {
        assert.equal(query.get('fieldType'), 'TXT')
        const name = absolute(query.get('subDomain') ?? assert.fail('no subDomain'), '')
        return { json: kept.all.filter((one) => one.name === name).map((one) => Number(one.id)) }
      }
      if (method === 'GET') {
        const found = kept.all.find((one) => one.id === id)
        if (!found) return failure(404, 'NOT_FOUND', `The requested object (id = ${id}) does not exist`)
        return { json: { id: Number(id), zone: 'example.com', fieldType: 'TXT', target: `"${found.value}"`, ttl: 60 } }
      }
      if (method === 'DELETE')
        return kept.remove(id ?? '') ? { json: null } : failure(404, 'NOT_FOUND', 'does not exist')
      assert.equal(method, 'POST')
      const { fieldType, subDomain, target, ttl } = json()
      assert.equal(fieldType, 'TXT')
      assert.match(target, /^".*"$/)
      return { json: { ...kept.put(absolute(subDomain, ''), target.slice(1, -1), ttl), zone: 'example.com' } }
    },
    values: (name: string) => served.filter((one) => one.name === name).map(({ value }) => value),
    add(name: string, value: string) {
      kept.put(name, value)
      served = kept.all
    },
  }
}

proveConformance({
  definition: ovh,
  hosts,
  variables,
  makeFake,
  denied: ({ path }) =>
    path === '/1.0/auth/time'
      ? { json: Math.floor(Date.now() / 1000) }
      : failure(403, 'INVALID_CREDENTIAL', 'This credential canary-consumer is not valid'),
})

test('ovh: a service account; its token is asked for once, and told nowhere', async (t) => {
  let asked = 0
  const fake = makeFake({ check: ({ headers }) => assert.equal(headers.authorization, 'Bearer canary-lent') })
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.host !== 'ca.ovh.com') return fake.handle(request)
    asked++
    assert.deepEqual([request.method, request.path], ['POST', '/auth/oauth2/token'])
    assert.deepEqual(Object.fromEntries(request.form()), {
      grant_type: 'client_credentials',
      client_id: 'canary-id',
      client_secret: 'canary-client',
      scope: 'all',
    })
    return { json: { access_token: 'canary-lent', token_type: 'Bearer', expires_in: 3599, scope: 'all' } }
  })
  const account = { OVH_ENDPOINT: 'ovh-ca', OVH_CLIENT_ID: 'canary-id', OVH_CLIENT_SECRET: 'canary-client' }
  const provider = api.open(ovh, account)
  await provider.present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
  await provider.cleanUp(record)
  assert.deepEqual([fake.values(record.name), asked], [[], 1])
})

test('ovh: a token that is there', async (t) => {
  const fake = makeFake({ check: ({ headers }) => assert.equal(headers.authorization, 'Bearer canary-token') })
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(ovh, { OVH_ACCESS_TOKEN: 'canary-token' }).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('ovh: with rights as lego asks for them one run adds and removes; another cannot find the record', async (t) => {
  const fake = makeFake({ isBlind: true })
  fake.add(record.name, 'another')
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(ovh, variables)
  await provider.present(record)
  assert.deepEqual(fake.values(record.name), ['another', record.value])
  await provider.cleanUp(record)
  assert.deepEqual(fake.values(record.name), ['another'])
  await assert.rejects(api.open(ovh, variables).cleanUp(record), { kind: 'refused', message: /not been granted/ })
})

test('ovh: a record that was never served, since its run was killed, is served by the next', async (t) => {
  const fake = makeFake()
  fake.kept.put(record.name, record.value)
  assert.deepEqual(fake.values(record.name), [])
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(ovh, variables).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('ovh: ways that are mixed, half of one, none, and an unknown endpoint are told', async (t) => {
  const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
  const { OVH_CONSUMER_KEY: _, ...half } = keys
  for (const [set, message] of [
    [{ ...keys, OVH_CLIENT_ID: 'x' }, /'OVH_APPLICATION_KEY' and 'OVH_CLIENT_ID' cannot be used together/],
    [half, /'OVH_CONSUMER_KEY' is not set/],
    [{}, /'OVH_APPLICATION_KEY' or 'OVH_CLIENT_ID' or 'OVH_ACCESS_TOKEN' is not set/],
    [{ ...keys, OVH_ENDPOINT: 'ovh-mars' }, /names no endpoint: 'ovh-mars'/],
    [{ OVH_CLIENT_ID: 'x', OVH_CLIENT_SECRET: 'y', OVH_ENDPOINT: 'kimsufi-eu' }, /no OAuth2/],
  ] as const)
    assert.throws(() => api.open(ovh, set), { kind: 'config', message })
})
