// Duck DNS, as https://www.duckdns.org/spec.jsp has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duckdns } from '../../src/acme/dns/providers/duckdns.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'

const hosts = ['www.duckdns.org']
const variables = { DUCKDNS_TOKEN: 'canary-token' }
const record = { name: '_acme-challenge.mine.duckdns.org', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

function makeFake(domain = 'mine') {
  let held: string | undefined
  return {
    handle({ method, path, query }: FakeRequest): FakeReply {
      assert.deepEqual([method, path], ['GET', '/update'])
      const { domains, token, txt, clear, ...more } = Object.fromEntries(query)
      assert.deepEqual(more, {})
      assert.notEqual(txt, undefined, 'without txt the addresses would be changed')
      if (domains !== domain || token !== 'canary-token') return { text: 'KO' }
      held = clear === 'true' ? undefined : txt
      return { text: 'OK' }
    },
    values: () => (held === undefined ? [] : [held]),
    add(_: string, value: string) {
      held = value
    },
  }
}

proveConformance({
  definition: duckdns,
  hosts,
  variables,
  makeFake,
  denied: { text: 'KO' },
  oneValue: true,
  zone: 'mine.duckdns.org',
})

test('duckdns: two values for one domain at once are refused, and the first stays', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(duckdns, variables)
  await provider.present(record)
  const wildcard = { name: '_acme-challenge.www.mine.duckdns.org', value: 'another' }
  await assert.rejects(provider.present(wildcard), { kind: 'refused', message: /one value only fits/ })
  await provider.cleanUp(wildcard)
  assert.deepEqual(fake.values(), [record.value])
  await provider.cleanUp(record)
  await provider.present(wildcard)
  assert.deepEqual(fake.values(), ['another'])
})

test('duckdns: a name elsewhere is refused, and nothing is asked', async (t) => {
  const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
  for (const name of ['_acme-challenge.example.com', 'duckdns.org', '_acme-challenge.notduckdns.org'])
    await assert.rejects(api.open(duckdns, variables).present({ ...record, name }), {
      kind: 'refused',
      message: /no name below 'duckdns.org'/,
    })
})
