// Questions that leave nothing in resolvers: who is asked in their place, what counts as an answer, and when there is none.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { firstHand } from '../../src/acme/dns/first-hand.ts'
import type { ServerAddress } from '../../src/acme/dns/server-address.ts'
import { NixacmeError } from '../../src/errors.ts'
import { type FakeAnswer, type FakeQuestion, fromRows, startFakeDns } from './fake-dns.ts'

const name = '_acme-challenge.www.example.com'
const nobody: ServerAddress = { address: '127.0.53.9', port: 53 }

interface Scene {
  /** The servers of zones, by zone. */
  readonly servers: Readonly<Record<string, readonly ServerAddress[]>>
  readonly zone?: string | undefined
  readonly signal?: AbortSignal
}

function make({ servers, zone = 'example.com', signal = new AbortController().signal }: Scene) {
  const looked: string[] = []
  const zones = {
    inTurn: <T>(work: () => Promise<T>) => work(),
    zoneAbove: async () => (zone === '' ? undefined : zone),
    async serversOf(wanted: string) {
      looked.push(wanted)
      const addresses = servers[wanted]
      if (!addresses) throw new NixacmeError('unavailable', 'no name server is found')
      return [{ name: 'ns.example.com', addresses }]
    },
  }
  return { looked, themselves: firstHand(zones, signal) }
}

const server = (t: TestContext, answer: (question: FakeQuestion) => FakeAnswer | undefined) => startFakeDns(t, answer)

test('a server of the zone says what is there, and that nothing is; whoever is silent is not waited for', async (t) => {
  const one = await server(t, fromRows([[name, 'CNAME', 'elsewhere.example']]))
  const silent = await server(t, () => undefined)
  const { themselves } = make({ servers: { 'example.com': [silent, nobody, one] } })
  assert.deepEqual(
    (await themselves.ask(name, 'CNAME'))?.answers.map(({ data }) => data),
    ['elsewhere.example'],
  )
  assert.deepEqual((await themselves.ask(name, 'SOA'))?.answers, [])
  assert.deepEqual(one.log, [`udp CNAME ${name}`, `udp SOA ${name}`])
})

test('a server that gives no answer once is asked again, and one that gives none twice not a third time', async (t) => {
  let left = 1
  // A connection that is cut is no answer, as a lost datagram is none, and nobody has to wait for it.
  const one = await server(t, (question) =>
    question.over === 'udp' ? { truncated: true } : left-- > 0 ? undefined : fromRows([[name, 'SOA', name]])(question),
  )
  const { themselves } = make({ servers: { 'example.com': [one] } })
  assert.equal((await themselves.ask(name, 'SOA'))?.answers.length, 1)
  const [udp, tcp] = [`udp SOA ${name}`, `tcp SOA ${name}`]
  assert.deepEqual(one.log, [udp, tcp, udp, tcp])
  left = 2
  for (const again of [1, 2]) assert.equal(await themselves.ask(name, 'SOA'), undefined, String(again))
  assert.deepEqual(one.log.length, 8)
})

test('a name that does not exist is an answer', async (t) => {
  const one = await server(t, () => ({ rcode: 3 }))
  const { themselves } = make({ servers: { 'example.com': [one] } })
  assert.equal((await themselves.ask(name, 'CNAME'))?.rcode, 'NXDOMAIN')
})

test('a zone that begins at the very name is asked at its own servers', async (t) => {
  const parent = await server(t, () => ({ authoritative: false, authorities: [[name, 'NS', 'ns.challenges.example']] }))
  const child = await server(t, fromRows([[name, 'SOA', 'ns.challenges.example']]))
  const { themselves, looked } = make({ servers: { 'example.com': [parent], [name]: [child] } })
  assert.equal((await themselves.ask(name, 'SOA'))?.answers[0]?.name, name)
  assert.deepEqual(looked, ['example.com', name])
})

for (const [what, answer] of [
  ['refuses', { rcode: 5, authoritative: false }],
  ['fails', { rcode: 2 }],
  ['is none of the zone', { authoritative: false }],
  ['is none of the zone, and sends on', { authoritative: false, authorities: [['com', 'NS', 'ns.com']] }],
] as const)
  test(`a server that ${what}: a resolver has to be asked, and from then on it alone`, async (t) => {
    const one = await server(t, () => answer)
    const { themselves } = make({ servers: { 'example.com': [one, nobody] } })
    assert.equal(await themselves.ask(name, 'CNAME'), undefined)
    assert.equal(await themselves.ask(`other.${name}`, 'CNAME'), undefined)
    assert.equal(one.log.length, 1)
  })

test('no zone, or no server of it: a resolver has to be asked', async () => {
  for (const zone of ['', 'lan']) assert.equal(await make({ servers: {}, zone }).themselves.ask(name, 'SOA'), undefined)
})

test('a signal ends the wait at once', async (t) => {
  const controller = new AbortController()
  const silent = await server(t, () => undefined)
  const { themselves } = make({ servers: { 'example.com': [silent] }, signal: controller.signal })
  const reason = new NixacmeError('later', 'stopped by SIGTERM')
  setTimeout(() => controller.abort(reason), 20)
  await assert.rejects(themselves.ask(name, 'SOA'), (e) => e === reason)
})
