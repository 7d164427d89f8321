// What goes over the wire and what may come back: headers, time and size of one answer, connections.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { AcmeClient } from '../../src/acme/client.ts'
import { issue } from '../../src/acme/issue.ts'
import { acceptLanguage } from '../../src/acme/language.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { startCa } from '../ca/ca.ts'
import { at, directory, startFakeCa } from './fake-ca.ts'
import { bench, failureOf } from './request.ts'

function open(t: TestContext, directoryUrl: string, requestSeconds: number, env: Record<string, string> = {}) {
  const transport = openTransport({ caCertificates: [], env })
  t.after(() => transport.close())
  const now = () => new Date()
  const { signal } = new AbortController()
  return AcmeClient.open({
    directoryUrl,
    plainHttp: true,
    transport,
    userAgent: 'nixacme/1.2.3',
    now,
    signal,
    requestSeconds,
  })
}

async function listening(t: TestContext, server: Server | http.Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

test('every request says who asks and in which language (RFC 8555 §6.1), and wants nothing compressed', async (t) => {
  const ca = await startFakeCa(t)
  const { req } = bench(t, ca.directoryUrl, { env: { LANG: 'de_DE.UTF-8' }, userAgent: 'nixacme/1.2.3' })
  await failureOf(issue(req))
  assert.ok(ca.calls.length > 8)
  for (const { method, headers } of ca.calls) {
    // RFC 9110 §10.1.5: the client first, then the library, each `name/version`.
    assert.match(headers['user-agent'] ?? '', /^nixacme\/\d+\.\d+\.\d+ acme-client\/\d+\.\d+\.\d+$/)
    assert.equal(headers['accept-language'], 'de-DE, de;q=0.9, en;q=0.5')
    assert.equal(headers['accept-encoding'], 'identity')
    if (method === 'POST') assert.equal(headers['content-type'], 'application/jose+json')
  }
})

for (const [env, language] of [
  [{}, 'en'],
  [{ LANG: 'C.UTF-8' }, 'en'],
  [{ LANG: 'POSIX' }, 'en'],
  [{ LANG: 'en_GB.UTF-8' }, 'en'],
  [{ LANG: 'fr' }, 'fr, en;q=0.5'],
  [{ LANG: 'de_AT@euro' }, 'de-AT, de;q=0.9, en;q=0.5'],
  [{ LANG: 'de_DE', LC_MESSAGES: 'C' }, 'en'],
  [{ LANG: 'C', LC_MESSAGES: 'nl_NL', LC_ALL: '' }, 'nl-NL, nl;q=0.9, en;q=0.5'],
  [{ LC_ALL: 'x\r\nCookie: y' }, 'en'],
] as const)
  test(`the language of ${JSON.stringify(env)}: ${language}`, () => assert.equal(acceptLanguage(env), language))

/** Servers that never come to the end of an answer. */
const slow: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => undefined,
  'ends in the middle of the head': (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-'),
  'sends the head byte by byte': (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx-head: '),
  'sends the body byte by byte': (socket) =>
    drip(socket, '{ "', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n'),
  'sends chunk after chunk': (socket) =>
    drip(
      socket,
      '1\r\n \r\n',
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    ),
  'sends one provisional answer after the other': (socket) => drip(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
}

function drip(socket: Socket, text: string, first = ''): void {
  socket.write(first)
  const timer = setInterval(() => socket.write(text), 20)
  socket.on('close', () => clearInterval(timer))
}

for (const scheme of ['http', 'https'])
  for (const [what, behave] of Object.entries(slow)) {
    // Before TLS is set up nothing but silence or nonsense can come.
    if (scheme === 'https' && what !== 'says nothing') continue
    test(`a CA that ${what} (${scheme}): ended by our own limit, and the connection is gone`, async (t) => {
      let connections = 0
      const closed = new Promise<void>((resolve) => {
        const server = createServer((socket) => {
          connections++
          socket.once('data', () => behave(socket)).on('close', () => resolve())
        })
        void listening(t, server).then((port) => {
          asked = failureOf(open(t, `${scheme}://127.0.0.1:${port}/dir`, 0.3).directory())
        })
      })
      let asked: ReturnType<typeof failureOf> | undefined
      await closed
      const e = await asked
      assert.equal(e?.exitStatus, 69)
      assert.match(e?.message ?? '', /^cannot reach the CA at '127\.0\.0\.1:\d+': no answer within 0\.3 s$/)
      assert.equal(connections, 1)
    })
  }

test('a body without end: not read further than the limit and what was under way', async (t) => {
  let offered = 0
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const megabyte = Buffer.alloc(1024 * 1024, ' ')
    const more = () => {
      while (!response.destroyed && offered < 1000) {
        offered++
        if (!response.write(megabyte)) return
      }
    }
    response.on('drain', more)
    more()
  })
  const port = await listening(t, server)
  const e = await failureOf(open(t, `http://127.0.0.1:${port}/dir`, 30).directory())
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /\/dir' makes no sense: more than 1 MB$/)
  // The kernel's buffers of both ends hold a few megabytes.
  assert.ok(offered < 50, `${offered} MB`)
})

for (const [encoding, name, words] of [
  ['gzip', '50 MB of blanks in 50 kB', /\/dir' makes no sense: more than 1 MB$/],
  ['gzip, gzip', 'compressed twice', /\/dir' makes no sense: JSON that cannot be read/],
] as const)
  test(`a compressed body that nobody asked for, ${name}: nonsense`, async (t) => {
    const once = gzipSync(Buffer.alloc(50_000_000, ' '))
    const body = encoding === 'gzip' ? once : gzipSync(once)
    const server = http.createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding }).end(body)
    })
    const port = await listening(t, server)
    const e = await failureOf(open(t, `http://127.0.0.1:${port}/dir`, 30).directory())
    assert.equal(e.exitStatus, 69)
    assert.match(e.message, words)
  })

test('a head without end: unavailable', async (t) => {
  const ca = await startFakeCa(
    t,
    at('/dir', (c) => ({ headers: { 'x-long': 'x'.repeat(100_000) }, body: directory(c) })),
  )
  const e = await failureOf(open(t, ca.directoryUrl, 30).directory())
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /the head of its answer is too large/)
})

test('a redirection to itself is not followed, whatever is asked for', async (t) => {
  const location = (path: string, status: number) =>
    at(path, (c) => ({ status, headers: { location: c.url(path) }, body: '' }))
  for (const [path, status] of [
    ['/dir', 307],
    ['/nonce', 308],
    ['/account', 301],
    ['/order/1', 302],
    ['/finalize', 303],
    ['/certificate', 307],
  ] as const) {
    const ca = await startFakeCa(t, location(path, status))
    const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
    assert.equal(e.exitStatus, 69)
    assert.match(e.message, new RegExp(`${path}' makes no sense: status ${status}, a redirection, is not followed$`))
    assert.equal(ca.calls.filter((call) => call.path === path).length, 1)
  }
})

test('a whole issuance takes one connection when the CA keeps it', async (t) => {
  const ca = await startCa({ validate: 'always' })
  t.after(() => ca.close())
  const { req, dir } = bench(t, ca.directoryUrl)
  const path = `${dir}/root.pem`
  writeFileSync(path, ca.rootPem)
  assert.ok(await issue({ ...req, caCertificates: [path] }))
  assert.ok(ca.count() >= 9)
  assert.equal(ca.connections, 1)
})
