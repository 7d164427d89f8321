// The servers that answer a CA: challenges that are presented, and nothing else.
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import * as http from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import * as tls from 'node:tls'
import { type ChallengeServer, challengeServer, type Find } from '../../src/acme/challenges/servers.ts'
import { sniName, sniOf } from '../../src/acme/challenges/sni.ts'
import { alpnCertificate } from '../../src/certificate/tls-alpn.ts'

const answers = new Map<string, string>()
const find: Find = (name) => answers.get(name)
const path = '/.well-known/acme-challenge/'

async function start(t: TestContext, kind: 'http' | 'tls'): Promise<{ port: number; server: ChallengeServer }> {
  const server = challengeServer(kind, find)
  server.server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  t.after(() => server.close())
  return { port: (server.server.address() as AddressInfo).port, server }
}

interface Reply {
  readonly status: number | undefined
  readonly text: string
  readonly headers: http.IncomingHttpHeaders
}

const ask = (port: number, path: string, options: http.RequestOptions = {}, body?: string): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode, text, headers: response.headers }))
    })
    request.on('error', reject).end(body)
  })

/** Whatever ends it. */
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()))

/** What comes back for these octets until the connection ends. */
async function raw(port: number, octets: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.write(octets)
  await closed(socket)
  return text
}

test('http-01', async (t) => {
  answers.set('token-1_A', 'token-1_A.thumbprint')
  const { port, server } = await start(t, 'http')

  await t.test('GET and HEAD of a token', async () => {
    const got = await ask(port, `${path}token-1_A`)
    assert.equal(got.status, 200)
    assert.equal(got.text, 'token-1_A.thumbprint')
    assert.equal(got.headers['content-type'], 'application/octet-stream')
    assert.equal(got.headers.connection, 'close')
    const head = await ask(port, `${path}token-1_A`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '20'])
  })

  await t.test('the name in the request plays no part', async () => {
    for (const host of ['other.example', '', 'a b', '../x'])
      assert.equal((await ask(port, `${path}token-1_A`, { headers: { host } })).status, 200, host)
  })

  const nothing = [
    '/',
    path,
    `${path}token-2`,
    `${path}token-1_A/`,
    `${path}token-1_A?x=1`,
    `${path}%74oken-1_A`,
    `${path}../acme-challenge/token-1_A`,
    `/x${path}token-1_A`,
    `/${path}token-1_A`,
    '*',
    `http://example.com${path}token-1_A`,
    '/.well-known/security.txt',
  ]
  for (const other of nothing)
    await t.test(`404 for ${other}`, async () => {
      const got = await ask(port, other)
      assert.deepEqual([got.status, got.text], [404, ''])
      assert.ok(!JSON.stringify(got.headers).includes('token'))
    })

  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
    await t.test(`404 for ${method}, its body unread`, async () =>
      assert.equal((await ask(port, `${path}token-1_A`, { method }, 'x'.repeat(1000))).status, 404),
    )

  await t.test('what is no HTTP, and headers without end, get no answer', async () => {
    assert.equal(await raw(port, '\x16\x03\x01\x02\x00'), '')
    assert.equal(await raw(port, `GET ${path}token-1_A HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), '')
  })

  await t.test('close ends connections that wait', async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    const ended = closed(socket)
    socket.write('GET / HTTP/1.1\r\n')
    while (server.connections() === 0) await new Promise(setImmediate)
    await server.close()
    await ended
    await assert.rejects(ask(port, '/'), { code: 'ECONNREFUSED' })
  })
})

interface Handshake {
  readonly certificate: X509Certificate | undefined
  readonly protocol: string | false | null
  readonly error: string | undefined
}

/** A handshake as a CA makes it, and what it shows. */
async function shake(port: number, options: tls.ConnectionOptions): Promise<Handshake> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
  let error: string | undefined
  let certificate: X509Certificate | undefined
  let protocol: string | false | null = null
  socket.on('error', (e: NodeJS.ErrnoException) => {
    error = e.code ?? e.message
  })
  socket.on('secureConnect', () => {
    certificate = socket.getPeerX509Certificate()
    protocol = socket.alpnProtocol
    socket.write('GET / HTTP/1.1\r\n\r\n')
  })
  socket.on('data', (chunk) => assert.fail(`the server says '${chunk}'`))
  await closed(socket)
  return { certificate, protocol, error }
}

const acme = { ALPNProtocols: ['acme-tls/1'] }

test('tls-alpn-01', async (t) => {
  const now = new Date()
  answers.set('example.com', await alpnCertificate('example.com', 'token.thumb', now))
  answers.set(sniOf('192.0.2.1'), await alpnCertificate('192.0.2.1', 'token.thumb', now))
  answers.set('broken.example', 'no PEM')
  const { port, server } = await start(t, 'tls')

  await t.test('the certificate of a name, and the protocol', async () => {
    const { certificate, protocol } = await shake(port, { ...acme, servername: 'example.com' })
    assert.equal(certificate?.subjectAltName, 'DNS:example.com')
    assert.equal(protocol, 'acme-tls/1')
  })

  await t.test('names are the same in whatever case', async () => {
    const { certificate } = await shake(port, { ...acme, servername: 'EXAMPLE.com' })
    assert.equal(certificate?.subjectAltName, 'DNS:example.com')
  })

  await t.test('that of an address, by the name of its reverse mapping', async () => {
    const { certificate } = await shake(port, { ...acme, servername: '1.2.0.192.in-addr.arpa' })
    assert.equal(certificate?.subjectAltName, 'IP Address:192.0.2.1')
  })

  for (const servername of ['other.example', 'broken.example', '..', '../example.com'])
    await t.test(`no handshake for ${servername}`, async () => {
      const { certificate, error } = await shake(port, { ...acme, servername })
      assert.deepEqual([certificate, error !== undefined], [undefined, true])
    })

  await t.test('no handshake without a name, or for another protocol', async () => {
    assert.ok((await shake(port, acme)).error)
    const { certificate, error } = await shake(port, { ALPNProtocols: ['h2', 'http/1.1'], servername: 'example.com' })
    assert.deepEqual([certificate, error], [undefined, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'])
  })

  await t.test('TLS 1.1 is refused', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    assert.ok((await shake(port, { ...acme, ...old, servername: 'example.com' })).error)
  })

  await t.test('who asks for no protocol is shown out', async () => {
    const { protocol } = await shake(port, { servername: 'example.com' })
    assert.notEqual(protocol, 'acme-tls/1')
  })

  await t.test('close ends a handshake that waits', async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    const ended = closed(socket)
    while (server.connections() === 0) await new Promise(setImmediate)
    await server.close()
    await ended
  })
})

test('SNI names of identifiers (RFC 8738 §6)', () => {
  const zeros = (n: number) => '0.'.repeat(n)
  const table = [
    ['www.Example.com', 'www.example.com'],
    ['192.0.2.10', '10.2.0.192.in-addr.arpa'],
    ['2001:db8::1', `1.${zeros(23)}8.b.d.0.1.0.0.2.ip6.arpa`],
    ['::1', `1.${zeros(31)}ip6.arpa`],
    ['::', `${zeros(32)}ip6.arpa`],
    ['1:2:3:4:5:6:7:8', '8.0.0.0.7.0.0.0.6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.ip6.arpa'],
  ] as const
  for (const [identifier, sni] of table) {
    assert.equal(sniOf(identifier), sni)
    assert.equal(sniName(sni), sni)
  }
})

test('an SNI name that is no name is no file either', () => {
  for (const odd of [
    '',
    '.',
    '..',
    'a/b',
    '../a',
    '.hidden',
    'a..b',
    'a.',
    'a\0',
    `${'a.'.repeat(127)}aa`,
    'ü.example',
  ])
    assert.equal(sniName(odd), undefined, odd)
})
