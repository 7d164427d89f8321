// Roots that cannot be read, proxies that refuse or never answer.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
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

test('a proxy that refuses: unavailable, the proxy is named without its password', async (t) => {
  const proxy = http.createServer().on('connect', (_request, socket) => {
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n')
  })
  const port = await listening(t, proxy)
  const env = { HTTPS_PROXY: `http://user:secret@127.0.0.1:${port}` }
  const e = await failureOf(issue(bench(t, directoryUrl, { env }).req))
  assert.equal(e.exitStatus, 69)
  assert.match(
    e.message,
    new RegExp(`'ca.example' through proxy '127.0.0.1:${port}': the proxy answered with status 407`),
  )
  assert.ok(!`${e.message}${e.hints}${e.cause}`.includes('secret'))
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
