// What is asked of resolvers: over UDP and TCP, from several, against forged and broken answers; zones and CNAMEs.
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { Silence } from '../../src/acme/dns/exchange.ts'
import { query } from '../../src/acme/dns/query.ts'
import { openResolver } from '../../src/acme/dns/resolver.ts'
import { parseServer } from '../../src/acme/dns/server-address.ts'
import { NixacmeError } from '../../src/errors.ts'
import { cannotRun } from '../support/needs.ts'
import { type FakeAnswer, type FakeQuestion, fromRows, type Row, startFakeDns } from './fake-dns.ts'

const never = new AbortController().signal

const unavailable = (pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError && e.kind === 'unavailable', String(e))
  assert.match(e.message, pattern)
  return true
}

async function resolverOf(t: TestContext, answer: (question: FakeQuestion) => FakeAnswer | undefined) {
  const server = await startFakeDns(t, answer)
  return { server, resolver: await openResolver({ dnsResolver: server.text, signal: never }) }
}

for (const [text, host, port] of [
  ['192.0.2.1', '192.0.2.1', 53],
  ['192.0.2.1:5353', '192.0.2.1', 5353],
  ['ns.example.com', 'ns.example.com', 53],
  ['ns.example.com:54', 'ns.example.com', 54],
  ['2001:db8::1', '2001:db8::1', 53],
  ['[2001:db8::1]', '2001:db8::1', 53],
  ['[2001:db8::1]:5353', '2001:db8::1', 5353],
  ['fe80::1%eth0', 'fe80::1%eth0', 53],
] as const)
  test(`'${text}' is a name server`, () => assert.deepEqual(parseServer(text), { host, port }))

for (const text of ['', ':53', 'a:b', 'ns:0', 'ns:65536', '[ns]:53', '[::1', 'two words', 'ns:53:54', '::1]:53'])
  test(`'${text}' is no name server: config`, async () => {
    assert.equal(parseServer(text), undefined)
    await assert.rejects(openResolver({ dnsResolver: text, signal: never }), (e) => {
      assert.ok(e instanceof NixacmeError && e.kind === 'config')
      assert.match(e.message, /^'dnsResolver': /)
      return true
    })
  })

const zones: readonly Row[] = [
  ['example.com', 'SOA', 'ns1.example.com'],
  ['example.com', 'NS', 'ns1.example.com'],
  ['example.com', 'NS', 'ns2.example.com'],
  // Where nobody listens.
  ['ns1.example.com', 'A', '127.0.53.9'],
  ['ns1.example.com', 'AAAA', '::1'],
  ['child.example.com', 'SOA', 'ns1.example.com'],
  ['lan', 'SOA', 'ns.lan'],
  ['_acme-challenge.a.example.com', 'CNAME', 'B.elsewhere.example'],
  ['b.elsewhere.example', 'CNAME', 'c.example.com'],
]

test('the zone is the longest name with an SOA record; a look-up is made once', async (t) => {
  const { server, resolver } = await resolverOf(t, fromRows(zones))
  assert.equal(await resolver.zoneOf('_acme-challenge.www.example.com'), 'example.com')
  const servers = [
    'udp NS example.com',
    'udp A ns1.example.com',
    'udp AAAA ns1.example.com',
    'udp A ns2.example.com',
    'udp AAAA ns2.example.com',
  ]
  assert.deepEqual(
    server.log.filter((line) => !servers.includes(line)),
    ['udp SOA www.example.com', 'udp SOA example.com', 'udp SOA _acme-challenge.www.example.com'],
    'the name itself last, as no server of the zone can be asked',
  )
  assert.equal(server.log.length, 3 + servers.length)
  server.log.length = 0
  assert.equal(await resolver.zoneOf('_acme-challenge.www.example.com'), 'example.com')
  assert.equal(await resolver.zoneOf('mail.example.com'), 'example.com')
  assert.deepEqual(server.log, ['udp SOA mail.example.com'], 'what is known is not asked for again')
  assert.equal(await resolver.zoneOf('_ACME-challenge.child.example.com.'), 'child.example.com')
  assert.equal(await resolver.zoneOf('_acme-challenge.nas.lan'), 'lan')
  await assert.rejects(resolver.zoneOf('x.nowhere.test'), unavailable(/no zone is found for 'x\.nowhere\.test'/))
})

test('what is looked up for many names at once goes out a few at a time, each name once', async (t) => {
  const stop = new AbortController()
  const server = await startFakeDns(t, () => undefined)
  const resolver = await openResolver({ dnsResolver: server.text, signal: stop.signal })
  const names = Array.from({ length: 100 }, (_, i) => `_acme-challenge.n${i % 50}.example.com`)
  const all = Promise.allSettled(names.map((name) => resolver.effectiveName(name)))
  const end = AbortSignal.timeout(10_000)
  while (server.log.length < 16) {
    assert.ok(!end.aborted, `only ${server.log.length} questions came`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  // The others would be here by now.
  await new Promise((resolve) => setTimeout(resolve, 50))
  stop.abort(new Error('enough'))
  assert.ok((await all).every(({ status }) => status === 'rejected'))
  assert.equal(server.log.length, 16)
  assert.equal(new Set(server.log).size, 16)
})

test('CNAMEs are followed to their end', async (t) => {
  const { resolver } = await resolverOf(t, fromRows(zones))
  assert.equal(await resolver.effectiveName('_acme-challenge.a.example.com'), 'c.example.com')
  assert.equal(await resolver.effectiveName('_acme-challenge.example.com'), '_acme-challenge.example.com')
})

test('CNAMEs in a circle, or without end, are told', async (t) => {
  const { resolver } = await resolverOf(t, ({ name, type }) => {
    const step = /^(\d+)\.endless\.test$/.exec(name)?.[1]
    const data = step === undefined ? (name === 'a.test' ? 'b.test' : 'a.test') : `${Number(step) + 1}.endless.test`
    return type === 'CNAME' ? { answers: [[name, type, data]] } : {}
  })
  await assert.rejects(
    resolver.effectiveName('a.test'),
    unavailable(/'a\.test' lead in a circle: a\.test, b\.test, a\.test$/),
  )
  await assert.rejects(resolver.effectiveName('1.endless.test'), unavailable(/more than 16 steps/))
})

test('name servers come with the addresses of both families; one without an address stays', async (t) => {
  const { resolver } = await resolverOf(t, fromRows(zones))
  assert.deepEqual(await resolver.serversOf('example.com'), [
    {
      name: 'ns1.example.com',
      addresses: [
        { address: '127.0.53.9', port: 53 },
        { address: '::1', port: 53 },
      ],
    },
    { name: 'ns2.example.com', addresses: [] },
  ])
  await assert.rejects(resolver.serversOf('lan'), unavailable(/no name server is found for the zone 'lan'/))
})

const soa = { name: 'example.com', type: 'SOA', recursive: true } as const

test('what does not fit is asked for by TCP', async (t) => {
  const text = 'x'.repeat(200)
  const server = await startFakeDns(t, ({ name, over }) =>
    over === 'udp' ? { truncated: true } : { answers: Array(9).fill([name, 'TXT', text]) },
  )
  const { answers } = await query(server, { name: 'example.com', type: 'TXT', recursive: false }, never)
  assert.deepEqual(
    answers.map(({ data }) => data),
    Array(9).fill(text),
  )
  assert.deepEqual(server.log, ['udp TXT example.com', 'tcp TXT example.com'])
})

test('a server from before EDNS is asked without', async (t) => {
  const server = await startFakeDns(t, (question) =>
    question.message.additionals.length > 0 ? { rcode: 1 } : fromRows(zones)(question),
  )
  assert.equal((await query(server, soa, never)).answers.length, 1)
})

test('answers with another id, to another question, or broken are not taken', async (t) => {
  const forged: ((answer: Buffer) => Buffer)[] = [
    (answer) => Buffer.concat([Buffer.from([(answer[0] ?? 0) ^ 1]), answer.subarray(1)]),
    (answer) => Buffer.from(answer.toString('latin1').replace('example', 'exbmple'), 'latin1'),
    (answer) => answer.subarray(0, -5),
    (answer) => answer.subarray(0, 7),
    // A question is no answer: without QR.
    (answer) => Buffer.from(answer).fill((answer[2] ?? 0) & 0x7f, 2, 3),
  ]
  for (const [i, forge] of forged.entries()) {
    const alone = await startFakeDns(t, (question) => ({
      ...fromRows(zones)(question),
      bytes: (answer) => [forge(answer)],
    }))
    await assert.rejects(query(alone, soa, never, 0.05), Silence, `forgery ${i}`)
  }
  const before = await startFakeDns(t, (question) => ({
    ...fromRows(zones)(question),
    bytes: (answer) => [...forged.map((forge) => forge(answer)), answer],
  }))
  assert.equal((await query(before, soa, never)).answers[0]?.type, 'SOA')
})

test('ids and ports are not to be guessed', async (t) => {
  const ids = new Set<number>()
  const server = await startFakeDns(t, (question) => {
    ids.add(question.message.id)
    return fromRows(zones)(question)
  })
  for (let i = 0; i < 20; i++) await query(server, soa, never)
  assert.ok(ids.size > 15, String(ids.size))
})

test('what all resolvers say is told when none is of help', async (t) => {
  const { server, resolver } = await resolverOf(t, () => ({ rcode: 2 }))
  await assert.rejects(
    resolver.zoneOf('_acme-challenge.example.com'),
    unavailable(new RegExp(`^cannot look up SOA of 'example\\.com': '127\\.0\\.0\\.1:${server.port}': SERVFAIL$`)),
  )
  assert.equal(server.log.length, 2, 'asked twice')
})

test('a failure is not kept', async (t) => {
  let isWell = false
  const { resolver } = await resolverOf(t, (question) => (isWell ? fromRows(zones)(question) : { rcode: 2 }))
  await assert.rejects(resolver.zoneOf('example.com'))
  isWell = true
  assert.equal(await resolver.zoneOf('example.com'), 'example.com')
})

test('a signal ends the wait for a silent server at once', async (t) => {
  const controller = new AbortController()
  const server = await startFakeDns(t, () => undefined)
  const resolver = await openResolver({ dnsResolver: server.text, signal: controller.signal })
  const reason = new NixacmeError('later', 'stopped by SIGTERM')
  setTimeout(() => controller.abort(reason), 20)
  await assert.rejects(resolver.zoneOf('example.com'), (e) => e === reason)
})

test('names that fit into no message are told, not sent', async (t) => {
  const { server, resolver } = await resolverOf(t, fromRows(zones))
  for (const name of [`${'x'.repeat(64)}.example.com`, `_acme-challenge.${'y.'.repeat(125)}com`, 'a..example.com'])
    await assert.rejects(resolver.effectiveName(name), (e) => e instanceof NixacmeError && e.kind === 'config')
  assert.deepEqual(server.log, [])
})

test('over IPv6, too, by UDP and TCP', async (t) => {
  const isThere = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
  if (!isThere) return void cannotRun(t, 'needs IPv6 on the loopback interface')
  const answer = fromRows(zones)
  const server = await startFakeDns(t, (asked) => (asked.over === 'udp' ? { truncated: true } : answer(asked)), '::1')
  const resolver = await openResolver({ dnsResolver: server.text, signal: never })
  assert.match(server.text, /^\[::1\]:\d+$/)
  assert.equal(await resolver.zoneOf('example.com'), 'example.com')
  assert.deepEqual(server.log.slice(-2), ['udp SOA example.com', 'tcp SOA example.com'])
})
