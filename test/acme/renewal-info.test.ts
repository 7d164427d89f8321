// Asking for renewal information (RFC 9773 §4): what is sent, what counts as an answer, and how many are asked when a CA
// does not answer. Pebble is the judge of what is sent; the CA that is told what to do makes the faults.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { askForAll, type RenewalReply } from '../../src/acme/renewal-info.ts'
import { needs } from '../support/needs.ts'
import { serve, startPebble } from '../support/pebble.ts'
import { at, type Behaviour, type Call, directory, html, problem, startFakeCa } from './fake-ca.ts'
import { bench } from './request.ts'

const id = 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE'
const path = `/renewal/${id}`
const window = { start: '2026-08-20T00:00:00Z', end: '2026-08-21T00:00:00Z' }
const good = { headers: { 'retry-after': '21600' }, body: { suggestedWindow: window } }

const withRenewalInfo = (call: Call) => ({ body: { ...directory(call), renewalInfo: call.url('/renewal') } })

/** A CA with renewal information that otherwise does as it is told. */
const ca = (t: TestContext, behave: Behaviour = () => undefined) =>
  startFakeCa(t, (call) => behave(call) ?? (call.path === '/dir' ? withRenewalInfo(call) : at(path, good)(call)))

async function ask(
  directoryUrl: string,
  certificates: readonly string[] = [id],
  more: { signal?: AbortSignal; lanes?: number; caCertificates?: readonly string[] } = {},
): Promise<Map<string, RenewalReply>> {
  const replies = new Map<string, RenewalReply>()
  await askForAll({
    directoryUrl,
    plainHttp: true,
    caCertificates: [],
    env: {},
    userAgent: 'nixacme/0.0.0',
    now: () => new Date('2026-08-01T00:00:00Z'),
    signal: new AbortController().signal,
    certificates,
    lanes: 4,
    async onReply(certificate, reply) {
      replies.set(certificate, reply)
    },
    ...more,
  })
  return replies
}

async function replyOf(directoryUrl: string): Promise<RenewalReply> {
  return (await ask(directoryUrl)).get(id) ?? assert.fail('no reply')
}

const suggestionOf = (reply: RenewalReply) =>
  reply.kind === 'suggested' ? reply.suggestion : assert.fail(`no suggestion: ${JSON.stringify(reply)}`)

test('§4.1: a GET of the identifier below the URL of the directory, unsigned, and nothing else is asked', async (t) => {
  const { directoryUrl, calls, log } = await ca(t)
  assert.deepEqual(suggestionOf(await replyOf(directoryUrl)), {
    window: { start: new Date(window.start), end: new Date(window.end) },
    explanationUrl: undefined,
    retryAfter: 21_600,
  })
  assert.deepEqual(log(), ['GET /dir', `GET ${path}`])
  assert.deepEqual(
    calls.map(({ header, payload }) => [header, payload]),
    [
      [{}, undefined],
      [{}, undefined],
    ],
  )
  // RFC 8555 §6.1.
  for (const { headers } of calls) assert.match(headers['user-agent'] ?? '', /^nixacme\/0\.0\.0 acme-client\/\d/)
})

test('a URL that ends with a slash does not get a second one', async (t) => {
  const { directoryUrl, log } = await ca(t, (call) =>
    at('/dir', { body: { ...directory(call), renewalInfo: call.url('/renewal/') } })(call),
  )
  suggestionOf(await replyOf(directoryUrl))
  assert.equal(log()[1], `GET ${path}`)
})

test('a CA without renewal information is asked for its directory alone', async (t) => {
  const { directoryUrl, log } = await ca(t, (call) => at('/dir', { body: directory(call) })(call))
  assert.deepEqual(await replyOf(directoryUrl), { kind: 'unsupported' })
  assert.deepEqual(log(), ['GET /dir'])
})

test('§4.2: an end that equals or precedes the start is no answer, and a long-term error', async (t) => {
  for (const end of [window.start, '2026-08-19T23:59:59Z']) {
    const { directoryUrl } = await ca(t, at(path, { body: { suggestedWindow: { ...window, end } } }))
    const reply = await replyOf(directoryUrl)
    assert.ok(reply.kind === 'failed' && !reply.isTemporary && !reply.isOfCa)
    assert.match(reply.error.message, /does not end after its start/)
  }
})

test('§4.2: timestamps are those of RFC 3339, with any offset and fraction, and nothing else', async (t) => {
  const readAs = async (start: unknown) => {
    const { directoryUrl } = await ca(t, at(path, { body: { suggestedWindow: { ...window, start } } }))
    const reply = await replyOf(directoryUrl)
    return reply.kind === 'suggested' ? reply.suggestion.window.start.toISOString() : reply.kind
  }
  assert.equal(await readAs('2026-08-20T02:00:00+02:00'), '2026-08-20T00:00:00.000Z')
  assert.equal(await readAs('2026-08-20t00:00:00.123456789z'), '2026-08-20T00:00:00.123Z')
  for (const wrong of [
    '2026-08-20',
    'Thu, 20 Aug 2026 00:00:00 GMT',
    '1787184000',
    1787184000,
    '2026-13-20T00:00:00Z',
    '',
    null,
  ])
    assert.equal(await readAs(wrong), 'failed', String(wrong))
})

test('§4.2: the explanationURL is taken as it is; one that is no page is passed over, the window is not', async (t) => {
  const urlOf = async (explanationURL: unknown) => {
    const { directoryUrl } = await ca(t, at(path, { body: { suggestedWindow: window, explanationURL } }))
    return suggestionOf(await replyOf(directoryUrl)).explanationUrl
  }
  assert.equal(await urlOf('https://ca.test/incident?id=1'), 'https://ca.test/incident?id=1')
  for (const wrong of [
    7,
    null,
    '',
    'javascript:alert(1)',
    'https://u:p@ca.test/',
    `https://ca.test/${'x'.repeat(500)}`,
  ])
    assert.equal(await urlOf(wrong), undefined, String(wrong))
})

for (const [what, reply, isTemporary] of [
  ['503', { status: 503, headers: { 'retry-after': '300' } }, true],
  ['500 with a page', { ...html, status: 500, headers: { ...html.headers, 'retry-after': '300' } }, true],
  ['404', { ...problem('malformed', 'no such certificate'), status: 404 }, false],
  ['404 with a page', { ...html, status: 404 }, false],
  ['a page', html, false],
  ['half a JSON', { body: '{"suggestedWindow": {' }, false],
  ['an empty object', { body: {} }, false],
  ['a redirection', { status: 302, headers: { location: 'https://elsewhere.test/' } }, false],
  ['the right thing under another type', { ...good, headers: { 'content-type': 'text/plain' } }, false],
] as const)
  test(`§4.3.3: ${what} is a ${isTemporary ? 'temporary' : 'long-term'} error`, async (t) => {
    const { directoryUrl } = await ca(t, at(path, reply))
    const got = await replyOf(directoryUrl)
    assert.ok(got.kind === 'failed', got.kind)
    assert.equal(got.isTemporary, isTemporary)
    assert.equal(got.retryAfter, isTemporary ? 300 : undefined)
  })

test('§4.3.3: a refused connection is a long-term error, a connection that is cut a temporary one', async (t) => {
  const refused = await replyOf('http://127.0.0.1:1/dir')
  assert.ok(refused.kind === 'failed' && !refused.isTemporary && refused.isOfCa)
  const { directoryUrl } = await ca(t, at(path, 'reset'))
  const cut = await replyOf(directoryUrl)
  assert.ok(cut.kind === 'failed' && cut.isTemporary)
})

const many = Array.from({ length: 20 }, (_, i) => `a.${i}`)

test('of many certificates the directory is asked for once, and at most so many at a time', async (t) => {
  let now = 0
  let most = 0
  const { directoryUrl, log } = await startFakeCa(t, (call) => {
    if (call.path === '/dir') return withRenewalInfo(call)
    now++
    most = Math.max(most, now)
    return good
  })
  const counting = await ask(directoryUrl, many, { lanes: 4 })
  assert.equal(counting.size, 20)
  assert.equal(log().filter((line) => line === 'GET /dir').length, 1)
  assert.equal(log().length, 21)
  assert.ok([...counting.values()].every(({ kind }) => kind === 'suggested'))
})

test('one certificate that the CA does not know does not keep the others from being asked for', async (t) => {
  const { directoryUrl } = await ca(t, ({ path }) =>
    path === '/dir' ? undefined : path.endsWith('a.3') ? { ...problem('malformed', 'no'), status: 404 } : good,
  )
  const replies = await ask(directoryUrl, many)
  assert.deepEqual(
    [...replies].filter(([, { kind }]) => kind === 'failed').map(([name]) => name),
    ['a.3'],
  )
})

for (const [what, reply] of [
  [
    'rate limits',
    {
      ...problem('rateLimited', 'enough'),
      status: 429,
      headers: { 'content-type': 'application/problem+json', 'retry-after': '7200' },
    },
  ],
  ['has a fault', { status: 500, headers: { 'retry-after': '7200' } }],
] as const)
  test(`a CA that ${what} is left alone: the other certificates share the failure, unasked`, async (t) => {
    const { directoryUrl, log } = await ca(t, ({ path }) => (path === '/dir' ? undefined : reply))
    const replies = await ask(directoryUrl, many, { lanes: 2 })
    assert.equal(replies.size, 20)
    for (const got of replies.values()) assert.ok(got.kind === 'failed' && got.retryAfter === 7200)
    assert.ok(log().length <= 3, log().join(' '))
  })

test('a CA whose directory cannot be had is asked for nothing else, as one that may not be asked', async (t) => {
  const { directoryUrl, log } = await ca(t, at('/dir', html))
  const replies = await ask(directoryUrl, many)
  assert.ok([...replies.values()].every((reply) => reply.kind === 'failed' && reply.isOfCa && !reply.isTemporary))
  assert.deepEqual(log(), ['GET /dir'])
  for (const [url, more] of [
    ['http://ca.test/dir', {}],
    [directoryUrl, { caCertificates: ['/nonexistent.pem'] }],
  ] as const) {
    const refused = (await ask(url, [id], more)).get(id)
    assert.ok(refused?.kind === 'failed' && refused.error.kind === 'config', url)
  }
})

test('a signal ends the work at once', async (t) => {
  const controller = new AbortController()
  const { directoryUrl } = await ca(t, ({ path: asked }) => {
    if (asked === '/dir') return undefined
    controller.abort('SIGTERM')
    return 'hang'
  })
  await assert.rejects(ask(directoryUrl, many, { signal: controller.signal }), (reason) => reason === 'SIGTERM')
})

test('Pebble: a new certificate comes with its window, and Pebble knows it by our identifier', async (t) => {
  if (!needs(t, 'pebble')) return
  const pebble = await startPebble()
  t.after(() => pebble.stop())
  const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot] })
  const web = await serve(b.webroot, pebble.httpPort)
  t.after(() => web.stop())
  const issued = await issue(b.req)
  const { window: suggested, retryAfter } = suggestionOf(issued?.renewal ?? assert.fail('not asked'))
  assert.ok(suggested.start > new Date() && suggested.start < suggested.end)
  assert.ok(retryAfter !== undefined && retryAfter > 0)
})
