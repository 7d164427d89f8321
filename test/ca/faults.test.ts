// Every fault of the test CA does what its name says, as often as it was told to.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { type CertificateFlaw, certificateFlaws } from './authority.ts'
import { type Ca, startCa } from './ca.ts'
import { type FaultAction, faultNames } from './faults.ts'
import { csrFor, pemsOf, problemType, RawClient } from './raw.ts'

let ca: Ca
let client: RawClient

before(async () => {
  ca = await startCa({ validate: 'always' })
})
after(() => ca.close())
beforeEach(async () => {
  ca.reset()
  ca.forget()
  client = new RawClient(ca)
  await client.register()
})

const newOrder = { identifiers: [{ type: 'dns', value: 'example.test' }] }
const order = () => client.post('/new-order', newOrder)
const code = (expected: string) => (e: NodeJS.ErrnoException) => e.code === expected

const cases: Record<FaultAction['do'], () => Promise<void>> = {
  async answer() {
    ca.fault('newOrder', { do: 'answer', status: 503, headers: { 'Retry-After': '7' }, body: 'busy' })
    const { status, headers, body } = await order()
    assert.deepEqual([status, headers['retry-after'], headers['replay-nonce'], body], [503, '7', undefined, 'busy'])
    assert.equal(ca.stats.orders, 0)
    ca.reset()
    ca.fault('newOrder', { do: 'answer', status: 504, when: 'after' })
    assert.deepEqual([(await order()).status, ca.stats.orders], [504, 1])
  },
  async problem() {
    const identifier = { type: 'dns', value: 'example.test' }
    const subproblems = [{ type: 'caa', detail: 'forbidden', identifier }]
    ca.fault('newOrder', { do: 'problem', type: 'rateLimited', status: 429, retryAfter: 60, subproblems })
    const answer = await order()
    assert.equal(problemType(answer), 'rateLimited')
    assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '60'])
    assert.ok(answer.headers['replay-nonce'])
    assert.deepEqual(answer.json['subproblems'], [
      { type: 'urn:ietf:params:acme:error:caa', detail: 'forbidden', identifier },
    ])
  },
  async 'bad-nonce'() {
    ca.fault('newOrder', { do: 'bad-nonce', times: 2 })
    const types = [problemType(await order()), problemType(await order())]
    assert.deepEqual(types, ['badNonce', 'badNonce'])
    assert.equal((await order()).status, 201)
  },
  async drop() {
    ca.fault('newOrder', { do: 'drop', when: 'before', times: 1 })
    ca.fault('newOrder', { do: 'drop', when: 'after', times: 1 })
    await assert.rejects(order(), code('ECONNRESET'))
    assert.equal(ca.stats.orders, 0)
    await assert.rejects(order(), code('ECONNRESET'))
    assert.equal(ca.stats.orders, 1)
    assert.equal(ca.requests.at(-1)?.status, 0)
  },
  async cut() {
    ca.fault('directory', { do: 'cut' })
    await assert.rejects(client.send('GET', '/directory'), code('ECONNRESET'))
  },
  async drip() {
    ca.fault('directory', { do: 'drip' })
    const aborted = AbortSignal.timeout(300)
    const answered = client.send('GET', '/directory', undefined, {}, aborted)
    await assert.rejects(answered, (e: Error) => e.name === 'AbortError')
    assert.equal(ca.requests.at(-1)?.status, 200)
  },
  async mute() {
    ca.fault('directory', { do: 'mute' })
    const aborted = AbortSignal.timeout(300)
    const answered = client.send('GET', '/directory', undefined, {}, aborted)
    await assert.rejects(answered, (e: Error) => e.name === 'AbortError')
    assert.equal(ca.requests.at(-1)?.kind, 'directory')
  },
  async delay() {
    ca.fault('directory', { do: 'delay', ms: 200 })
    const start = performance.now()
    assert.equal((await client.send('GET', '/directory')).status, 200)
    assert.ok(performance.now() - start >= 195)
  },
  async 'half-json'() {
    ca.fault('newOrder', { do: 'half-json' })
    const answer = await order()
    assert.equal(answer.status, 201)
    assert.throws(() => answer.json, SyntaxError)
  },
  async html() {
    ca.fault('newOrder', { do: 'html' })
    const { status, headers, body } = await order()
    assert.equal(status, 200)
    assert.match(headers['content-type'] ?? '', /^text\/html/)
    assert.match(body, /^<!DOCTYPE html>/)
  },
  async 'content-type'() {
    ca.fault('newOrder', { do: 'content-type', value: 'text/plain' })
    const { status, headers } = await order()
    assert.deepEqual([status, headers['content-type']], [201, 'text/plain'])
  },
  async 'without-headers'() {
    ca.fault('newOrder', { do: 'without-headers', names: ['Location', 'Replay-Nonce'] })
    const { status, headers } = await order()
    assert.deepEqual([status, headers.location, headers['replay-nonce']], [201, undefined, undefined])
  },
  async patch() {
    ca.fault('newOrder', { do: 'patch', json: { status: 'strange', finalize: null } })
    const { json } = await order()
    assert.equal(json['status'], 'strange')
    assert.ok(!('finalize' in json) && 'authorizations' in json)
  },
  async token() {
    ca.set({ challengeTypes: ['dns-persist-01', 'http-01'] })
    ca.fault('authz', { do: 'token', token: '../../x' })
    const [authz] = (await order()).json['authorizations'] as string[]
    const { json } = await client.post(new URL(authz ?? '').pathname)
    const tokens = (json['challenges'] as { token?: string }[]).map(({ token }) => token)
    assert.deepEqual(tokens, [undefined, '../../x'])
  },
  async huge() {
    ca.fault('directory', { do: 'huge', bytes: 10_000_000 })
    const { body } = await client.send('GET', '/directory')
    assert.equal(body.length, 10_000_000)
    assert.doesNotThrow(() => JSON.parse(body))
  },
  async 'gzip-bomb'() {
    ca.fault('directory', { do: 'gzip-bomb', bytes: 5_000_000 })
    const { headers } = await client.send('GET', '/directory')
    assert.equal(headers['content-encoding'], 'gzip')
    assert.ok(Number(headers['content-length']) < 10_000)
  },
  async redirect() {
    ca.fault('directory', { do: 'redirect' })
    for (let hop = 0; hop < 3; hop++) {
      const { status, headers } = await client.send('GET', '/directory')
      assert.deepEqual([status, headers.location], [307, ca.directoryUrl])
    }
  },
  async certificate() {
    const path = await issued()
    const end = ca.fault('certificate', { do: 'certificate', flaw: 'empty' })
    assert.equal((await client.post(path)).body, '')
    end()
    assert.equal(pemsOf((await client.post(path)).body).length, 2)
  },
}

for (const [name, works] of Object.entries(cases)) test(`fault ${name}`, works)

test('every fault has its case', () => {
  assert.deepEqual(Object.keys(cases).sort(), [...faultNames].sort())
})

async function issued(): Promise<string> {
  const path = await client.order('example.test')
  const { json } = await client.post(`${path}/finalize`, await csrFor(['example.test']))
  return new URL(String(json['certificate'])).pathname
}

/** Each judged against the right download; `leaf` and `next` are the first two certificates of the flawed one. */
const flaws: Record<CertificateFlaw, (body: string, right: X509Certificate) => void> = {
  'other-key': (body, right) => {
    assert.notDeepEqual(first(body).publicKey.export({ format: 'jwk' }), right.publicKey.export({ format: 'jwk' }))
    assert.equal(first(body).subjectAltName, right.subjectAltName)
    assert.ok(linked(body))
  },
  'other-names': (body) => {
    assert.equal(first(body).subjectAltName, 'DNS:somebody-else.test')
    assert.ok(linked(body))
  },
  expired: (body) => assert.ok(Date.parse(first(body).validTo) < Date.now() && linked(body)),
  'not-yet-valid': (body) => assert.ok(Date.parse(first(body).validFrom) > Date.now() && linked(body)),
  'wrong-intermediate': (body, right) => {
    assert.equal(first(body).raw.toString('hex'), right.raw.toString('hex'))
    assert.equal(pemsOf(body).length, 2)
    assert.ok(!linked(body))
  },
  'leaf-only': (body) => assert.equal(pemsOf(body).length, 1),
  reversed: (body, right) => assert.ok(first(body).ca && pemsOf(body)[1] === right.toString()),
  truncated: (body) => assert.ok(body.startsWith('-----BEGIN') && pemsOf(body).length === 0),
  garbage: (body) => assert.throws(() => first(body)),
  empty: (body) => assert.equal(body, ''),
}

const first = (body: string) => new X509Certificate(pemsOf(body)[0] ?? '')
const linked = (body: string) => first(body).verify(new X509Certificate(pemsOf(body)[1] ?? '').publicKey)

for (const flaw of certificateFlaws) {
  test(`certificate ${flaw}`, async () => {
    const path = await issued()
    const right = (await client.post(path)).body
    assert.ok(linked(right))
    ca.fault('certificate', { do: 'certificate', flaw })
    flaws[flaw]((await client.post(path)).body, first(right))
  })
}

test('a fault happens after skip, times often, at its ratio, for its kind alone', async () => {
  const statuses = async (n: number) => {
    const seen: number[] = []
    for (let i = 0; i < n; i++) seen.push((await client.send('GET', '/directory')).status)
    return seen
  }
  ca.fault('directory', { do: 'answer', status: 500, skip: 1, times: 2 })
  assert.deepEqual(await statuses(4), [200, 500, 500, 200])
  ca.reset()
  ca.fault('directory', { do: 'answer', status: 500, ratio: 0.5 })
  assert.deepEqual(await statuses(4), [200, 500, 200, 500])
  assert.equal((await client.send('HEAD', '/new-nonce')).status, 200)
  ca.reset()
  ca.fault('*', { do: 'answer', status: 500 })
  assert.equal((await client.send('HEAD', '/new-nonce')).status, 500)
  ca.reset()
  assert.deepEqual(await statuses(1), [200])
})

test('a fault for what has a member concerns nothing else', async () => {
  ca.fault('newOrder', { do: 'answer', status: 500, having: 'replaces', times: 1 })
  assert.equal((await order()).status, 201)
  const replacing = { ...newOrder, replaces: 'a.b' }
  assert.equal((await client.post('/new-order', replacing)).status, 500)
  assert.equal((await client.post('/new-order', replacing)).status, 201)
})

test('a hook sees the request and may answer itself or let the CA answer', async () => {
  const seen: unknown[] = []
  ca.fault('newOrder', async ({ kind, payload, next }) => {
    seen.push(kind, payload)
    const answer = await next()
    return { ...answer, status: answer.status + 1 }
  })
  assert.equal((await order()).status, 202)
  assert.deepEqual(seen, ['newOrder', newOrder])
})

test('a name that is no fault is an error at once', () => {
  assert.throws(() => ca.fault('newOrder', JSON.parse('{"do": "explode"}')), /no fault 'explode'/)
})

test('a CA that is closed with a mute connection ends it', async () => {
  const other = await startCa()
  other.fault('directory', { do: 'mute' })
  const arrived = new Promise<void>((resolve) => {
    other.fault('newNonce', (exchange) => {
      resolve()
      return exchange.next()
    })
  })
  const waiting = new RawClient(other)
  const answered = assert.rejects(waiting.send('GET', '/directory'), code('ECONNRESET'))
  await waiting.nonce()
  await arrived
  await other.close()
  await answered
})
