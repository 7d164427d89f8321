// Roots that cannot be read, proxies that refuse or never answer.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AcmeClient } from '../../src/acme/client.ts'
import { issue } from '../../src/acme/issue.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { freePort } from '../support/pebble.ts'
import { bench, failureOf, folder } from './request.ts'

const directoryUrl = 'https://ca.example/dir'

async function listening(t: TestContext, server: Server | http.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

for (const [name, content] of [
  ['a root file that is missing', undefined],
  ['a root file without a certificate', 'nothing\n'],
] as const)
  test(`${name}: config, named with its source`, async (t) => {
    const path = join(folder(t), 'root.pem')
    if (content !== undefined) writeFileSync(path, content)
    for (const [changes, source] of [
      [{ caCertificates: [path] }, /'caCertificates'/],
      [{ env: { LEGO_CA_CERTIFICATES: path } }, /'LEGO_CA_CERTIFICATES'/],
    ] as const) {
      const e = await failureOf(issue(bench(t, directoryUrl, changes).req))
      assert.equal(e.exitStatus, 78)
      assert.ok(e.message.includes(path))
      assert.match(e.message, source)
    }
  })

for (const [status, hint] of [
  [403, /HTTPS_PROXY; make exceptions with NO_PROXY/],
  [407, /wants a user name and a password: put them into HTTPS_PROXY/],
  [502, /HTTPS_PROXY; make exceptions with NO_PROXY/],
] as const)
  test(`a proxy that refuses with ${status}: unavailable, the proxy is named without its password`, async (t) => {
    const asked: (string | undefined)[] = []
    const proxy = http.createServer().on('connect', (request: http.IncomingMessage, socket) => {
      asked.push(request.url, request.headers['proxy-authorization'])
      // What a proxy says to people must not be taken for the CA's words.
      const body = '{"type":"urn:ietf:params:acme:error:unauthorized","detail":"no"}'
      socket.end(
        `HTTP/1.1 ${status} No\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )
    })
    const port = await listening(t, proxy)
    const env = { HTTPS_PROXY: `http://user:secret@127.0.0.1:${port}` }
    const e = await failureOf(issue(bench(t, directoryUrl, { env }).req))
    assert.equal(e.exitStatus, 69)
    assert.equal(
      e.message,
      `cannot reach the CA at 'ca.example' through proxy '127.0.0.1:${port}': the proxy answered with status ${status}`,
    )
    assert.match(e.hints.join('\n'), hint)
    assert.ok(!`${e.message}${e.hints}${e.cause}`.includes('secret'))
    assert.deepEqual(asked, ['ca.example:443', `Basic ${Buffer.from('user:secret').toString('base64')}`])
  })

for (const [what, answer] of [
  ['speaks no HTTP', (socket: Socket) => socket.end('220 mail.example ESMTP\r\n')],
  ['hangs up', (socket: Socket) => socket.destroy()],
  ['never comes to the end of its head', (socket: Socket) => socket.write('HTTP/1.1 200 Connection estab')],
  ['makes a tunnel in which nobody speaks', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')],
] as const)
  test(`a proxy that ${what}: unavailable within the time of a request, and the proxy is named`, async (t) => {
    const port = await listening(
      t,
      createServer((socket) => socket.on('error', () => undefined).once('data', () => answer(socket))),
    )
    const transport = openTransport({ caCertificates: [], env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } })
    t.after(() => transport.close())
    const { signal } = new AbortController()
    const now = () => new Date()
    const userAgent = 'nixacme/0.0.0'
    const client = AcmeClient.open({
      directoryUrl,
      plainHttp: false,
      transport,
      userAgent,
      now,
      signal,
      requestSeconds: 0.5,
    })
    const e = await failureOf(client.directory())
    assert.equal(e.exitStatus, 69)
    assert.ok(
      e.message.startsWith(`cannot reach the CA at 'ca.example' through proxy '127.0.0.1:${port}': `),
      e.message,
    )
  })

test('a proxy that is away: unavailable, the proxy is named', async (t) => {
  const port = await freePort()
  const e = await failureOf(issue(bench(t, directoryUrl, { env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } }).req))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /through proxy '127\.0\.0\.1:\d+': connection refused$/)
})

test('a proxy that never answers: a signal ends it, and the connection is gone', async (t) => {
  const stop = new AbortController()
  const closed = new Promise<void>((resolve) => {
    const proxy = createServer((socket) => {
      socket.on('data', () => stop.abort('SIGTERM'))
      socket.on('close', () => resolve())
      socket.on('error', () => undefined)
    })
    listening(t, proxy).then((port) => {
      const env = { HTTPS_PROXY: `http://127.0.0.1:${port}` }
      run = failureOf(issue(bench(t, directoryUrl, { env, signal: stop.signal }).req))
    })
  })
  let run: ReturnType<typeof failureOf> | undefined
  await closed
  assert.equal((await run)?.exitStatus, 75)
})
