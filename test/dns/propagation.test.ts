// The wait for name servers to show the records: who is asked, who is waited for, who is done without, and what is said.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SeenRecord, waitUntilVisible } from '../../src/acme/dns/propagation.ts'
import type { Resolver } from '../../src/acme/dns/resolver.ts'
import type { ServerAddress } from '../../src/acme/dns/server-address.ts'
import { flagBits } from '../../src/acme/dns/wire.ts'
import { NixacmeError } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import { type FakeAnswer, type FakeQuestion, fromRows, type Row, startFakeDns } from './fake-dns.ts'

const apex = '_acme-challenge.example.com'
const www = '_acme-challenge.www.example.com'
const records: readonly SeenRecord[] = [
  { name: apex, value: 'one' },
  { name: apex, value: 'two' },
  { name: www, value: 'three' },
]
const all: readonly Row[] = [
  [apex, 'TXT', 'of somebody else'],
  [apex, 'TXT', 'two'],
  [apex, 'TXT', 'one'],
  [www, 'TXT', 'three'],
]

/** An address that no machine has a route to: a link without its name. */
const noRoute: ServerAddress = { address: 'fe80::1', port: 53 }

interface Case {
  readonly servers: Readonly<Record<string, readonly ServerAddress[]>>
  readonly chosen?: readonly ServerAddress[]
  readonly propagationTimeout?: number
  readonly signal?: AbortSignal
}

/** Waits; gives what was said. */
async function wait({ servers, chosen = [], propagationTimeout = 30, signal = new AbortController().signal }: Case) {
  const said: string[] = []
  const unwanted = () => assert.fail('not said here')
  const log: Log = {
    error: unwanted,
    warning: (message) => said.push(`warning: ${message}`),
    notice: unwanted,
    info: unwanted,
    about: () => log,
    waiting: (message) => said.push(message),
    progress: unwanted,
  }
  const resolver: Resolver = {
    chosen,
    zoneOf: async () => 'example.com',
    effectiveName: unwanted,
    serversOf: async () => Object.entries(servers).map(([name, addresses]) => ({ name, addresses })),
  }
  await waitUntilVisible(records, { resolver, times: { propagationTimeout, pollingInterval: 0.01 }, signal, log })
  return said
}

type Handler = (question: FakeQuestion) => FakeAnswer | undefined

/** Shows all when it has been asked about a name more than so often; `before` until then. */
function late(looks: number, before: Handler = fromRows([])): Handler {
  const asked = new Map<string, number>()
  return (question) => {
    const times = (asked.get(question.name) ?? 0) + 1
    asked.set(question.name, times)
    return times > looks ? fromRows(all)(question) : before(question)
  }
}

const tooLate = (pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError && e.kind === 'unavailable', String(e))
  assert.match(e.message, pattern)
  return true
}

test('every server must show all values; who does not yet is named once', async (t) => {
  const fast = await startFakeDns(t, fromRows(all))
  const slow = await startFakeDns(t, late(3))
  const said = await wait({ servers: { 'ns1.example.com': [fast], 'ns2.example.com': [slow] } })
  assert.deepEqual(said, ["waiting for 'ns2.example.com' (127.0.0.1) to show the record"])
  assert.deepEqual(fast.log.sort(), [`udp TXT ${apex}`, `udp TXT ${www}`], 'what was shown is not asked for again')
  assert.equal(slow.log.length, 8)
})

test('each address of a server is asked', async (t) => {
  const [one, two] = [await startFakeDns(t, fromRows(all)), await startFakeDns(t, late(1))]
  await wait({ servers: { 'ns1.example.com': [one, two] } })
  assert.equal(two.log.length, 4)
})

for (const [what, rows, words] of [
  ['nothing', [], 'no such record'],
  ['one of two values', [[apex, 'TXT', 'one'], all[3]], 'not all values yet'],
  ['a value of another run', [...all.slice(0, 3), [www, 'TXT', 'old']], 'other values only'],
] as const)
  test(`a server that shows ${what} to the end: told with its name`, async (t) => {
    const good = await startFakeDns(t, fromRows(all))
    const server = await startFakeDns(t, fromRows(rows as readonly Row[]))
    const servers = { 'ns1.example.com': [good], 'ns2.example.com': [server] }
    await assert.rejects(wait({ servers, propagationTimeout: 0.1 }), (e) => {
      assert.ok(e instanceof NixacmeError && e.kind === 'unavailable')
      assert.match(e.message, /^'_acme-challenge\.\S*example\.com' is not to be seen after 0\.1 s: /)
      assert.ok(e.message.endsWith(`: 'ns2.example.com' (127.0.0.1): ${words}`), e.message)
      assert.match(e.hints.join(), /_PROPAGATION_TIMEOUT/)
      return true
    })
  })

test('servers that refuse, or do not serve the zone, are waited for, too', async (t) => {
  const refusing = await startFakeDns(t, () => ({ rcode: 5 }))
  const lame = await startFakeDns(t, () => ({ authoritative: false }))
  const servers = { 'ns1.example.com': [refusing], 'ns2.example.com': [lame] }
  const words = /'ns1\S+ \(127\.0\.0\.1\): it answers REFUSED, 'ns2\S+ \(127\.0\.0\.1\): it does not serve the zone$/
  await assert.rejects(wait({ servers, propagationTimeout: 0.1 }), tooLate(words))
})

test('a server that never answers is warned about and done without, after three looks', async (t) => {
  const good = await startFakeDns(t, fromRows(all))
  const gone = { address: '127.0.0.1', port: 1 }
  const said = await wait({ servers: { 'ns1.example.com': [good], 'ns2.example.com': [gone] } })
  assert.deepEqual(said, [
    "waiting for 'ns2.example.com' (127.0.0.1) to show the record",
    "warning: the name server 'ns2.example.com' (127.0.0.1) does not answer, ignoring",
  ])
})

test('silence of all is no success', async () => {
  const gone = { address: '127.0.0.1', port: 1 }
  const servers = { 'ns1.example.com': [gone], 'ns2.example.com': [] }
  await assert.rejects(
    wait({ servers, propagationTimeout: 0.2 }),
    tooLate(/'ns1\S+ \(127\.0\.0\.1\): connection refused$/),
  )
  await assert.rejects(
    wait({ servers: {}, propagationTimeout: 0.1 }),
    tooLate(/a name server of its zone: none has an address$/),
  )
})

test('an address without a route does not count', async (t) => {
  const good = await startFakeDns(t, fromRows(all))
  assert.deepEqual(await wait({ servers: { 'ns1.example.com': [good, noRoute] } }), [])
  const servers = { 'ns1.example.com': [noRoute] }
  await assert.rejects(
    wait({ servers, propagationTimeout: 0.1 }),
    tooLate(/\(fe80::1\): this machine has no route there$/),
  )
})

test("a 'dnsResolver' that serves the zone itself must show it, too; one that does not is not even asked further", async (t) => {
  const good = await startFakeDns(t, fromRows(all))
  const own = await startFakeDns(t, late(2))
  const said = await wait({ servers: { 'ns1.example.com': [good] }, chosen: [own] })
  assert.deepEqual(said, [`waiting for '${own.text}' to show the record`])
  const caching = await startFakeDns(t, ({ message }) => {
    assert.equal(message.flags & flagBits.recursive, 0, 'recursion would make it keep that nothing is there')
    return { authoritative: false, rcode: 3 }
  })
  assert.deepEqual(await wait({ servers: { 'ns1.example.com': [good] }, chosen: [caching] }), [])
  assert.equal(caching.log.length, 2)
})

test("where no server of the zone can be reached, 'dnsResolver' decides", async (t) => {
  const known = late(4, () => ({ authoritative: false, rcode: 3 }))
  const resolver = await startFakeDns(t, (question) => ({ ...known(question), authoritative: false }))
  await wait({ servers: { 'ns1.example.com': [noRoute] }, chosen: [resolver] })
  assert.ok(resolver.log.length > 8)
  await wait({ servers: { 'ns1.example.com': [{ address: '127.0.0.1', port: 1 }] }, chosen: [resolver] })
})

test('a signal ends the wait at once', async (t) => {
  const server = await startFakeDns(t, fromRows([]))
  const controller = new AbortController()
  const reason = new NixacmeError('later', 'stopped by SIGTERM')
  setTimeout(() => controller.abort(reason), 50)
  const waiting = wait({ servers: { 'ns1.example.com': [server] }, signal: controller.signal })
  await assert.rejects(waiting, (e) => e === reason)
})
