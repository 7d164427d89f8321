// What a CA can do wrong, one case a line: the status, the sentence, and that nothing stays behind.
import assert from 'node:assert/strict'
import test from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { AcmeProblem } from '../../src/acme/problem.ts'
import { freePort } from '../support/pebble.ts'
import { at, type Behaviour, directory, html, order, problem, startFakeCa } from './fake-ca.ts'
import { bench, failureOf } from './request.ts'

const nonsense: readonly [string, Behaviour, RegExp][] = [
  ['HTML as directory', at('/dir', html), /\/dir' makes no sense: expected JSON, found 'text\/html'/],
  ['half a JSON', at('/dir', { body: '{"newNonce": "htt' }), /\/dir' makes no sense: JSON that cannot be read/],
  ['no content type', at('/dir', { headers: { 'content-type': '' } }), /found a body without a type/],
  ['a list as directory', at('/dir', { body: [] }), /the directory is no JSON object/],
  ['no newOrder', at('/dir', (c) => ({ body: { ...directory(c), newOrder: undefined } })), /'newOrder' is missing/],
  [
    'plain http for newOrder',
    at('/dir', (c) => ({ body: { ...directory(c), newOrder: 'http://ca.example/order' } })),
    /'newOrder' is no https URL/,
  ],
  ['2 MB', at('/dir', { body: ' '.repeat(2 * 1024 * 1024) }), /more than 1 MB/],
  [
    'a redirection',
    at('/dir', { status: 302, headers: { location: 'https://ca.example/' } }),
    /302, a redirection, is not/,
  ],
  ['404 in HTML', at('/dir', { ...html, status: 404 }), /status 404 with 'text\/html' instead of a problem document/],
  [
    'no nonce',
    at('/nonce', { headers: { 'replay-nonce': 'not base64url!' } }),
    /\/nonce' makes no sense: an answer without/,
  ],
  ['an account without URL', at('/account', { body: { status: 'valid' } }), /an account without a Location/],
  ['an order without URL', at('/order', (c) => ({ body: order(c, 'pending') })), /an order without a Location/],
  [
    'an order without authorizations',
    at('/order', (c) => ({
      headers: { location: c.url('/order/1') },
      body: order(c, 'pending', { authorizations: [] }),
    })),
    /'authorizations' is empty/,
  ],
  ['an unknown status', at('/order/1', (c) => ({ body: order(c, 'perhaps') })), /'status' is 'perhaps'/],
  ['HTML in mid-order', at('/order/1', html), /\/order\/1' makes no sense/],
  ['a chain in JSON', at('/certificate', { body: {} }), /expected a PEM certificate chain, found 'application\/json'/],
  [
    'a chain with other text',
    at('/certificate', { headers: { 'content-type': 'application/pem-certificate-chain' }, body: 'subject: me\n' }),
    /nothing but PEM certificates/,
  ],
]

for (const [name, behave, words] of nonsense)
  test(`${name}: unavailable, naming the URL`, async (t) => {
    const ca = await startFakeCa(t, behave)
    const { req, challengeFiles } = bench(t, ca.directoryUrl)
    const e = await failureOf(issue(req))
    assert.equal(e.exitStatus, 69, e.message)
    assert.match(e.message, words)
    assert.deepEqual(challengeFiles(), [])
  })

test('nobody listens: unavailable, with the reason and a hint', async (t) => {
  const { req } = bench(t, `https://localhost:${await freePort()}/dir`)
  const e = await failureOf(issue(req))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /^cannot reach the CA at 'localhost:\d+': connection refused$/)
  assert.match(e.hints.join('\n'), /'server'/)
})

test('a host that does not exist: unavailable', async (t) => {
  const { req } = bench(t, 'https://ca.invalid/dir')
  const e = await failureOf(issue(req))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /'ca.invalid': (host name not found|the name server does not answer)/)
})

test('no TLS where https is expected: unavailable', async (t) => {
  const ca = await startFakeCa(t)
  const { req } = bench(t, ca.directoryUrl.replace('http:', 'https:').replace('127.0.0.1', 'localhost'))
  assert.equal((await failureOf(issue(req))).exitStatus, 69)
  assert.deepEqual(ca.calls, [])
})

test('plain http to another machine: config, nothing is sent', async (t) => {
  const { req } = bench(t, 'http://ca.example/dir')
  assert.equal((await failureOf(issue(req))).exitStatus, 78)
})

test('a rate limit: later, never repeated, with the words and the Retry-After of the CA', async (t) => {
  const limit = { ...problem('rateLimited', 'too many orders.'), status: 429 }
  const ca = await startFakeCa(t, at('/order', { ...limit, headers: { ...limit.headers, 'retry-after': '3600' } }))
  const { req } = bench(t, ca.directoryUrl)
  const e = await failureOf(issue(req))
  assert.ok(e instanceof AcmeProblem)
  assert.equal(e.exitStatus, 75)
  assert.equal(e.retryAfter, 3600)
  assert.match(e.message, /rateLimited: too many orders$/)
  assert.match(e.hints.join('\n'), /3600 s/)
  assert.equal(ca.log().filter((line) => line === 'POST /order').length, 1)
})

const hours34 = 34 * 3600

for (const [as, retryAfter] of [
  ['in seconds', () => String(hours34)],
  ['as a date', () => new Date(Date.now() + hours34 * 1000).toUTCString()],
] as const)
  test(`a rate limit of 34 hours, ${as}: told in hours, not waited for, never repeated`, async (t) => {
    const limit = { ...problem('rateLimited', 'too many certificates'), status: 429 }
    const ca = await startFakeCa(
      t,
      at('/order', () => ({ ...limit, headers: { ...limit.headers, 'retry-after': retryAfter() } })),
    )
    const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
    assert.ok(e instanceof AcmeProblem)
    assert.equal(e.exitStatus, 75)
    assert.ok(e.retryAfter !== undefined && Math.abs(e.retryAfter - hours34) < 60, String(e.retryAfter))
    assert.match(e.hints.join('\n'), /the CA asks to wait 122\d{3} s \(34 h\)/)
    assert.equal(ca.log().filter((line) => line === 'POST /order').length, 1)
  })

for (const [status, headers] of [
  [500, {}],
  [503, {}],
  [503, { 'retry-after': '1' }],
] as const)
  test(`a ${status} ${JSON.stringify(headers)} that stays: three repetitions, then told with its status`, async (t) => {
    const answer = { status, headers: { 'content-type': 'text/html', ...headers }, body: '<h1>Sorry</h1>' }
    const ca = await startFakeCa(t, at('/account', answer))
    const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
    assert.ok(e instanceof AcmeProblem)
    assert.deepEqual([e.exitStatus, e.status, e.retryAfter], [69, status, 'retry-after' in headers ? 1 : undefined])
    assert.match(e.message, /^the CA failed at the registration of an account: status 50\d$/)
    assert.equal(ca.log().filter((line) => line === 'POST /account').length, 4)
  })

test('a rate limit without a problem document: later all the same', async (t) => {
  const until = new Date(Date.now() + 60_000).toUTCString()
  const ca = await startFakeCa(
    t,
    at('/dir', { ...html, status: 429, headers: { ...html.headers, 'retry-after': until } }),
  )
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.ok(e instanceof AcmeProblem)
  assert.equal(e.exitStatus, 75)
  assert.ok(e.retryAfter !== undefined && e.retryAfter > 50 && e.retryAfter <= 60, String(e.retryAfter))
})

test('a 503 and a cut connection pass: they are repeated', async (t) => {
  const ca = await startFakeCa(t, ({ path, count }) => {
    if (path === '/order' && count === 1)
      return { status: 503, body: 'busy', headers: { 'content-type': 'text/plain' } }
    if (path === '/order' && count === 2) return problem('rejectedIdentifier', 'no')
    return path === '/account' && count === 1 ? 'reset' : undefined
  })
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.equal(e.exitStatus, 76)
  assert.equal(ca.log().filter((line) => line === 'POST /order').length, 2)
  assert.equal(ca.log().filter((line) => line === 'POST /account').length, 2)
})

test('a 503 that asks for a long wait is not sat out: unavailable', async (t) => {
  const ca = await startFakeCa(
    t,
    at('/order', { status: 503, headers: { 'retry-after': '600', 'content-type': 'text/plain' } }),
  )
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.equal(e.exitStatus, 69)
  assert.ok(e instanceof AcmeProblem && e.retryAfter === 600)
})
