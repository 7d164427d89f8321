// A server that speaks what https://go-acme.github.io/lego/dns/httpreq/ tells.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpreq } from '../../src/acme/dns/providers/httpreq.ts'
import { proveConformance } from './conformance.ts'
import { type FakeRequest, startFakeApi } from './fake-api.ts'
import { makeHookWorld, record } from './hook-world.ts'

function makeFake() {
  const all = new Map<string, string[]>()
  const at = (name: string) => all.get(name) ?? []
  return {
    handle({ method, path, headers, json }: FakeRequest) {
      assert.equal(headers.authorization, `Basic ${Buffer.from('me:canary-password').toString('base64')}`)
      assert.equal(method, 'POST')
      const { fqdn, value, ...more } = json()
      assert.deepEqual(more, {})
      assert.match(fqdn, /^[^.].*[^.]\.$/)
      const name = fqdn.slice(0, -1)
      const rest = at(name).filter((one) => one !== value)
      if (path === '/hook/present') all.set(name, [...rest, value])
      else if (path === '/hook/cleanup') all.set(name, rest)
      else assert.fail(path)
      return { text: 'fine' }
    },
    values: (name: string) => at(name),
    add: (name: string, value: string) => void all.set(name, [...at(name), value]),
  }
}

const variables = {
  HTTPREQ_ENDPOINT: 'https://dns.example.net/hook/',
  HTTPREQ_USERNAME: 'me',
  HTTPREQ_PASSWORD: 'canary-password',
}

proveConformance({
  definition: httpreq,
  hosts: ['dns.example.net'],
  variables,
  makeFake,
  denied: { status: 401, text: 'not canary-password' },
  // Any answer of status 200 is a good one.
  answersAnything: true,
  knowsNoZones: true,
})

test('httpreq: mode RAW, and credentials in the URL', async (t) => {
  const bodies: unknown[] = []
  const api = await startFakeApi(t, ['dns.example.net'], ({ path, headers, json }) => {
    bodies.push([path, headers.authorization, json()])
    return { status: 204 }
  })
  const url = 'https://you:canary%20word@dns.example.net'
  const provider = api.open(httpreq, { HTTPREQ_ENDPOINT: url, HTTPREQ_MODE: 'RAW' })
  await provider.present(record)
  await provider.cleanUp(record)
  const { domain, token, keyAuthorization: keyAuth } = record.challenge
  const basic = `Basic ${Buffer.from('you:canary word').toString('base64')}`
  assert.deepEqual(bodies, [
    ['/present', basic, { domain, token, keyAuth }],
    ['/cleanup', basic, { domain, token, keyAuth }],
  ])
})

test('httpreq: plain http is for servers of the operator, with a warning; other schemes are for none', (t) => {
  const world = makeHookWorld(t)
  world.open(httpreq, { HTTPREQ_ENDPOINT: 'http://dns.internal:9090' })
  assert.match(
    world.told.join('\n'),
    /^'HTTPREQ_ENDPOINT' is plain http: .*'dns.internal:9090', going on all the same$/,
  )
  world.told.length = 0
  world.open(httpreq, { HTTPREQ_ENDPOINT: 'http://127.0.0.1:9090' })
  assert.deepEqual(world.told, [])
  for (const url of ['ftp://dns.internal', 'dns.internal'])
    assert.throws(() => world.open(httpreq, { HTTPREQ_ENDPOINT: url }), /'HTTPREQ_ENDPOINT' is no URL/)
})
