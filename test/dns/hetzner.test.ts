// Hetzner: the Cloud, as https://docs.hetzner.cloud/reference/cloud#dns has it, and the DNS Console, as
// https://dns.hetzner.com/api-docs has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hetzner } from '../../src/acme/dns/providers/hetzner.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, KeptRecords, pageOf, relative, zonesBehind } from './fake-records.ts'

const cloud = { hosts: ['api.hetzner.cloud'], variables: { HETZNER_API_TOKEN: 'canary-token' } }
const old = { hosts: ['dns.hetzner.com'], variables: { HETZNER_API_KEY: 'canary-key' } }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

function listed(key: string, all: readonly object[], query: URLSearchParams, most: number): FakeReply {
  const [page, perPage] = [Number(query.get('page')), Number(query.get('per_page'))]
  assert.ok(perPage <= most, `per_page ${perPage}`)
  const { items, last } = pageOf(all, page, perPage)
  const pagination = { page, per_page: perPage, last_page: last, total_entries: all.length }
  return { json: { [key]: items, meta: { pagination } } }
}

const failure = (status: number, code: string, message: string): FakeReply => ({
  status,
  json: { error: { code, message, details: null } },
})

interface CloudOptions {
  readonly zones?: readonly string[]
  /** What an action comes to, by the looks at it. */
  readonly ends?: readonly string[]
}

function makeCloud({ zones = ['example.com'], ends = ['success'] }: CloudOptions = {}) {
  const sets = new Map<string, { ttl: number; values: string[] }>()
  let looks = 0
  const action = () => {
    const status = ends[Math.min(looks++, ends.length - 1)]
    const error = status === 'error' ? { code: 'action_failed', message: 'Action failed' } : null
    return { json: { action: { id: 7, command: 'add_records', status, progress: 0, error } } }
  }
  const change = (name: string, verb: string, { records, ttl }: { records: { value: string }[]; ttl?: number }) => {
    looks = 0
    if (ends.includes('error')) return { status: 201, ...action() }
    const set = sets.get(name)
    const values = records.map(({ value }) => value)
    for (const value of values) assert.match(value, /^".*"$/)
    if (verb === 'add_records') {
      if (set && ttl !== undefined && ttl !== set.ttl) return failure(422, 'invalid_input', 'has differing record TTLs')
      const twice = values.find((value) => set?.values.includes(value))
      if (twice !== undefined) return failure(422, 'invalid_input', `duplicate value '${twice}'`)
      sets.set(name, { ttl: set?.ttl ?? ttl ?? 3600, values: [...(set?.values ?? []), ...values] })
    } else {
      if (!set || !values.every((value) => set.values.includes(value))) return failure(404, 'not_found', 'not found')
      set.values = set.values.filter((value) => !values.includes(value))
      if (set.values.length === 0) sets.delete(name)
    }
    return { status: 201, ...action() }
  }
  return {
    sets,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      assert.equal(headers.authorization, 'Bearer canary-token')
      if (path === '/v1/zones')
        return listed(
          'zones',
          zones.map((name, i) => ({ id: i, name, ttl: 3600, mode: 'primary' })),
          query,
          50,
        )
      if (path === '/v1/actions/7') return action()
      const [, zone, name = '', verb] =
        /^\/v1\/zones\/(\d+)\/rrsets\/([^/]+)\/TXT(?:\/actions\/(add_records|remove_records))?$/.exec(path) ??
        assert.fail(path)
      assert.equal(zones[Number(zone)], 'example.com')
      if (verb !== undefined) {
        assert.equal(method, 'POST')
        return change(absolute(name), verb, json())
      }
      assert.equal(method, 'GET')
      const set = sets.get(absolute(name))
      if (!set) return failure(404, 'not_found', 'rrset not found')
      const records = set.values.map((value) => ({ value, comment: '' }))
      return { json: { rrset: { id: `${name}/TXT`, name, type: 'TXT', ttl: set.ttl, records, zone: Number(zone) } } }
    },
    values: (name: string) => (sets.get(name)?.values ?? []).map((value) => value.slice(1, -1)),
    add(name: string, value: string) {
      sets.set(name, { ttl: 300, values: [...(sets.get(name)?.values ?? []), `"${value}"`] })
    },
  }
}

function makeConsole(zones: readonly string[] = ['example.com']) {
  const kept = new KeptRecords()
  return {
    kept,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      assert.equal(headers['auth-api-token'], 'canary-key')
      if (path === '/api/v1/zones' && method === 'GET')
        return listed(
          'zones',
          zones.map((name, i) => ({ id: `zone${i}`, name })),
          query,
          100,
        )
      const id = `zone${zones.indexOf('example.com')}`
      if (path === '/api/v1/records' && method === 'GET') {
        assert.equal(query.get('zone_id'), id)
        const others = [{ id: '1', type: 'A', name: '@', value: '192.0.2.1', zone_id: id }]
        const texts = kept.all.map((one) => ({ ...one, name: relative(one.name), type: 'TXT', zone_id: id }))
        return listed('records', [...others, ...texts], query, 100)
      }
      if (path === '/api/v1/records') {
        assert.equal(method, 'POST')
        const { zone_id: zone, type, name, value, ttl } = json()
        assert.deepEqual([zone, type], [id, 'TXT'])
        return { json: { record: kept.put(absolute(name), value, ttl) } }
      }
      const [, one = ''] = /^\/api\/v1\/records\/(\d+)$/.exec(path) ?? assert.fail(path)
      assert.equal(method, 'DELETE')
      return kept.remove(one) ? {} : { status: 404, json: { error: { message: 'record not found', code: 404 } } }
    },
    values: kept.values,
    add: kept.add,
  }
}

proveConformance({
  definition: hetzner,
  ...cloud,
  makeFake: makeCloud,
  denied: failure(401, 'unauthorized', 'unable to authenticate canary-token'),
  limited: failure(423, 'locked', 'zone is locked'),
})

proveConformance({
  definition: { ...hetzner, name: 'hetzner (DNS Console)' },
  ...old,
  makeFake: makeConsole,
  denied: { status: 401, json: { message: 'Invalid authentication credentials canary-key' } },
})

test('hetzner: the zone is on the second page; an action is waited for; another’s TTL stays', async (t) => {
  const fake = makeCloud({ zones: zonesBehind(70), ends: ['running', 'success'] })
  fake.add(record.name, 'another')
  const api = await startFakeApi(t, cloud.hosts, fake.handle)
  await api.open(hetzner, { ...cloud.variables, ...old.variables }).present(record)
  assert.deepEqual(fake.sets.get(record.name), { ttl: 300, values: ['"another"', `"${record.value}"`] })
  assert.equal(api.log.at(-1), 'GET /v1/actions/7')
})

test('hetzner: an action that fails is a refusal in its words; without a zone nothing is done', async (t) => {
  const failing = await startFakeApi(t, cloud.hosts, makeCloud({ ends: ['error'] }).handle)
  await assert.rejects(failing.open(hetzner, cloud.variables).present(record), {
    kind: 'refused',
    message: /Action failed/,
  })
  const api = await startFakeApi(t, cloud.hosts, makeCloud({ zones: ['example.net'] }).handle)
  await assert.rejects(api.open(hetzner, cloud.variables).present(record), { kind: 'refused', message: /no zone/ })
  assert.throws(() => api.open(hetzner, {}), { kind: 'config', message: /'HETZNER_API_TOKEN' or 'HETZNER_API_KEY'/ })
})

test('hetzner: somebody else adds or removes the same at the same time: done, not refused', async (t) => {
  const fake = makeCloud()
  const api = await startFakeApi(t, cloud.hosts, (request) => {
    if (request.path.endsWith('/add_records')) fake.add(record.name, record.value)
    if (request.path.endsWith('/remove_records')) fake.sets.clear()
    return fake.handle(request)
  })
  const provider = api.open(hetzner, cloud.variables)
  await provider.present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
  await provider.cleanUp(record)
  assert.deepEqual(fake.values(record.name), [])
})

test('hetzner (DNS Console): zone and record on second pages', async (t) => {
  const fake = makeConsole(zonesBehind(120))
  for (let i = 0; i < 100; i++) fake.add(`n${i}.example.com`, 'other')
  fake.add(record.name, record.value)
  const api = await startFakeApi(t, old.hosts, fake.handle)
  await api.open(hetzner, old.variables).cleanUp(record)
  assert.deepEqual([fake.values(record.name), fake.kept.all.length], [[], 100])
})
