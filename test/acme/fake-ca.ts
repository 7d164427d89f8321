// A CA that does what a test tells it: plain http on 127.0.0.1, no signature is checked. Without being told it goes along
// with everything up to the certificate.
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A string goes as it is, anything else as JSON. */
  readonly body?: unknown
}

export interface Call {
  readonly method: string
  readonly path: string
  /** Of the JWS, where there was one. */
  readonly payload: unknown
  /** Of HTTP. */
  readonly headers: http.IncomingHttpHeaders
  /** The protected header of the JWS. */
  readonly header: Readonly<Record<string, unknown>>
  /** How often this path has been asked for, this time included. */
  readonly count: number
  /** The URL of a path here. */
  readonly url: (path: string) => string
}

/** `hang` never answers, `reset` cuts the connection; undefined leaves it to what the CA does by itself. */
export type Behaviour = (call: Call) => Reply | 'hang' | 'reset' | undefined

export interface FakeCa {
  readonly directoryUrl: string
  readonly calls: readonly Call[]
  /** `POST /order`, in order. */
  readonly log: () => string[]
}

export const problem = (short: string, detail: string, more: object = {}): Reply => ({
  status: 403,
  headers: { 'content-type': 'application/problem+json' },
  body: { type: `urn:ietf:params:acme:error:${short}`, detail, ...more },
})

const names = ['a.example', 'b.example']

/** What an authorization looks like here: `/authz/0` is that of a.example. */
export const authorization = (call: Call, status: string, challenge: object = {}): object => {
  const i = Number(call.path.split('/').pop())
  const http01 = { type: 'http-01', url: call.url(`/challenge/${i}`), token: `token-${i}`, status, ...challenge }
  // A type without a token (dns-persist-01 has none) must be passed over.
  const challenges = [{ type: 'dns-persist-01', url: call.url(`/persist/${i}`), status }, http01]
  return { status, identifier: { type: 'dns', value: names[i] }, challenges }
}

export const order = (call: Call, status: string, more: object = {}): object => ({
  status,
  identifiers: names.map((value) => ({ type: 'dns', value })),
  authorizations: names.map((_, i) => call.url(`/authz/${i}`)),
  finalize: call.url('/finalize'),
  ...more,
})

export const directory = ({ url }: Call): object => ({
  newNonce: url('/nonce'),
  newAccount: url('/account'),
  newOrder: url('/order'),
  meta: { termsOfService: 'https://ca.example/terms' },
})

function byItself(call: Call): Reply {
  const created = (path: string, body: object): Reply => ({ status: 201, headers: { location: call.url(path) }, body })
  if (call.path === '/dir') return { body: directory(call) }
  if (call.path === '/nonce') return {}
  if (call.path === '/account') return created('/account/1', { status: 'valid', contact: ['mailto:a@example.com'] })
  if (call.path === '/order') return created('/order/1', order(call, 'pending'))
  if (call.path === '/order/1') return { body: order(call, 'ready') }
  if (call.path.startsWith('/authz/')) {
    const payload = call.payload as { status?: string } | undefined
    return { body: authorization(call, payload?.status ?? 'pending') }
  }
  if (call.path.startsWith('/challenge/')) {
    return { body: { type: 'http-01', url: call.url(call.path), token: 't', status: 'processing' } }
  }
  if (call.path === '/finalize') return { body: order(call, 'valid', { certificate: call.url('/certificate') }) }
  return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'nothing here' }
}

const decode = (part: unknown): unknown => {
  const text = Buffer.from(String(part ?? ''), 'base64url').toString()
  return text === '' ? undefined : JSON.parse(text)
}

export async function startFakeCa(t: TestContext, behave: Behaviour = () => undefined): Promise<FakeCa> {
  const calls: Call[] = []
  let base = ''
  let nonces = 0
  const answer = (request: http.IncomingMessage, response: http.ServerResponse, text: string) => {
    const path = request.url ?? ''
    const jws = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
    const call: Call = {
      method: request.method ?? '',
      path,
      headers: request.headers,
      payload: decode(jws['payload']),
      header: (decode(jws['protected']) ?? {}) as Record<string, unknown>,
      count: calls.filter((c) => c.path === path).length + 1,
      url: (to) => base + to,
    }
    calls.push(call)
    const reply = behave(call) ?? byItself(call)
    if (reply === 'hang') return
    if (reply === 'reset') return void request.socket.destroy()
    const body = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {})
    // As CAs do, none with the directory.
    const nonce = path === '/dir' ? {} : { 'replay-nonce': `n${++nonces}` }
    const headers = { 'content-type': 'application/json', ...nonce, ...reply.headers }
    response.writeHead(reply.status ?? 200, headers).end(body)
  }
  const server = http.createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => answer(request, response, text))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { directoryUrl: `${base}/dir`, calls, log: () => calls.map(({ method, path }) => `${method} ${path}`) }
}

/** A reply for one path. */
export const at =
  (path: string, reply: ReturnType<Behaviour> | ((call: Call) => ReturnType<Behaviour>)): Behaviour =>
  (call) =>
    call.path === path ? (typeof reply === 'function' ? reply(call) : reply) : undefined

/** What a captive portal says. */
export const html = { headers: { 'content-type': 'text/html' }, body: '<html>log in to the hotel</html>' }
