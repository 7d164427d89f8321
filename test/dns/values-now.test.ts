// One look at what stands in the DNS: who counts, who is passed over, and who decides where no server of the zone answers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Dns } from '../../src/acme/challenges/dns-work.ts'
import type { SolversRequest } from '../../src/acme/challenges/open.ts'
import { verifyStanding } from '../../src/acme/challenges/persist.ts'
import type { Resolver } from '../../src/acme/dns/resolver.ts'
import type { ServerAddress } from '../../src/acme/dns/server-address.ts'
import { valuesNow } from '../../src/acme/dns/values-now.ts'
import { NixacmeError } from '../../src/errors.ts'
import { type FakeAnswer, type FakeQuestion, fromRows, startFakeDns } from './fake-dns.ts'

const name = '_validation-persist.example.com'
const target = 'standing.example.net'
const { signal } = new AbortController()
/** An address that no machine has a route to: a link without its name. */
const noRoute: ServerAddress = { address: 'fe80::1', port: 53 }

const resolverFor = (addresses: readonly ServerAddress[], chosen: readonly ServerAddress[] = []): Resolver => ({
  chosen,
  zoneOf: async (one) => one.split('.').slice(-2).join('.'),
  effectiveName: async (one) => (one === name ? target : one),
  serversOf: async () => [{ name: 'ns1.example.net', addresses }],
})

const rows = fromRows([[target, 'TXT', 'x']])
/** A resolver that has it from others. */
const fromOthers = (question: FakeQuestion): FakeAnswer => ({ ...rows(question), authoritative: false })

test('each server of the zone that the CNAME leads to; one without a route or of another zone is passed over', async (t) => {
  const [one, other, lame] = [
    await startFakeDns(t, rows),
    await startFakeDns(t, fromRows([[target, 'TXT', 'y']])),
    await startFakeDns(t, fromOthers),
  ]
  const shown = await valuesNow(name, resolverFor([one, noRoute, other, lame]), signal)
  assert.deepEqual(
    shown.map(({ values }) => values),
    [['x'], ['y']],
  )
  assert.match(shown[0]?.label ?? '', /^'ns1\.example\.net' \(127\.0\.0\.1\)$/)
  assert.deepEqual(one.log, [`udp TXT ${target}`])
})

test('a resolver decides alone where no server of the zone can be asked, and nobody else is asked then', async (t) => {
  const chosen = await startFakeDns(t, fromOthers)
  const [shown, more] = await valuesNow(name, resolverFor([noRoute], [chosen]), signal)
  assert.deepEqual([shown?.values, more], [['x'], undefined])
  const zone = await startFakeDns(t, fromRows([]))
  assert.deepEqual(
    (await valuesNow(name, resolverFor([zone], [chosen]), signal)).map(({ values }) => values),
    [[]],
  )
})

test('nobody answers: told, with what may help', async () => {
  await assert.rejects(valuesNow(name, resolverFor([noRoute]), signal), (e) => {
    assert.ok(e instanceof NixacmeError && e.kind === 'unavailable', String(e))
    assert.match(
      e.message,
      /^no name server of 'example\.net' answers what stands at '_validation-persist\.example\.com'$/,
    )
    return true
  })
})

test('a record that one server lacks, and names without one: all lines are told, nothing of those that hold', async (t) => {
  const accountUrl = 'https://ca.example/acct/1'
  const value = `ca.example; accounturi=${accountUrl}`
  const full = await startFakeDns(
    t,
    fromRows([target, '_validation-persist.c.example'].map((at) => [at, 'TXT', value])),
  )
  const late = await startFakeDns(t, fromRows([['_validation-persist.c.example', 'TXT', value]]))
  const names = ['example.com', '*.b.example', 'c.example']
  const challenge = { kind: 'dns-persist', issuer: 'ca.example', resolver: null, propagationCheck: true } as const
  const options = { accountUrl, now: () => new Date(), signal }
  await assert.rejects(verifyStanding(challenge, names, { ...options, resolver: resolverFor([full, late]) }), (e) => {
    assert.ok(e instanceof NixacmeError && e.kind === 'config', String(e))
    assert.match(
      e.message,
      /^the record '_validation-persist\.example\.com' does not prove 'example\.com': at .* missing; /,
    )
    assert.deepEqual(e.hints.slice(1), [
      `_validation-persist.example.com. IN TXT "${value}"`,
      `_validation-persist.b.example. IN TXT "${value}; policy=wildcard"`,
    ])
    return true
  })
  await verifyStanding(challenge, ['c.example'], { ...options, resolver: resolverFor([full, late]) })
  await verifyStanding(challenge, ['example.com'], { ...options, resolver: resolverFor([full]) })
})

test('where records are not to be looked for, nobody is asked; where they are, the resolver that is named', async (t) => {
  const empty = await startFakeDns(t, fromRows([['example.com', 'SOA', '']]))
  const challenge = {
    kind: 'dns-persist',
    issuer: 'ca.example',
    resolver: empty.text,
    propagationCheck: false,
  } as const
  const challenges = [{ challenge, names: ['example.com'] }]
  const log = { progress: () => undefined }
  const dns = new Dns({ challenges, signal, log, now: () => new Date() } as unknown as SolversRequest)
  await dns.verify(challenge, ['example.com'], 'https://ca.example/acct/1')
  assert.deepEqual(empty.log, [])
  await assert.rejects(
    dns.verify({ ...challenge, propagationCheck: true }, ['example.com'], 'https://ca.example/acct/1'),
  )
  assert.notDeepEqual(empty.log, [])
})
