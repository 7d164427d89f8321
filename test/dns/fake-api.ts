// A DNS provider's HTTP interface, played strictly: what its documentation does not have is a fault of the test. Providers
// speak to it as they would to the real one: by its own host name, through a proxy that leads here, with TLS.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { candidateZones, type ProviderDefinition } from '../../src/acme/dns/provider.ts'
import { openProvider } from '../../src/acme/dns/providers.ts'
import { openTransport } from '../../src/acme/transport.ts'
import type { Log } from '../../src/log.ts'
import { makeSet, rootPem } from '../support/certificates.ts'
import { temporaryDir } from '../support/process.ts'
import { onTrial, type TrialProvider } from './trial.ts'

export interface FakeRequest {
  readonly method: string
  readonly host: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; a request without one is a fault. */
  // biome-ignore lint/suspicious/noExplicitAny: what a fake takes apart is judged by its asserts.
  json(): any
  /** The body as a form. */
  form(): URLSearchParams
}

export interface FakeReply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
}

/** Throw (assert) for whatever the documentation does not have. */
export type Handler = (request: FakeRequest) => FakeReply

export interface FakeApi {
  /** Opens the provider as nixacme does; `zones` is what the DNS would tell. */
  open(
    definition: ProviderDefinition,
    variables: Readonly<Record<string, string>>,
    zones?: readonly string[],
    now?: () => Date,
  ): TrialProvider
  /** The way here for other programs: variables that curl knows. */
  readonly forCurl: { readonly HTTPS_PROXY: string; readonly CURL_CA_BUNDLE: string }
  /** What was asked, `GET /path?query`, in order. */
  readonly log: string[]
  /** What was wrong with requests; checked at the end of the test, too. */
  readonly faults: string[]
}

interface Ending {
  after(action: () => void | Promise<void>): void
}

const silent: Log = {
  error() {},
  warning() {},
  notice() {},
  info() {},
  about: () => silent,
  waiting() {},
  progress() {},
}

/** Starts it for these host names (`*.example.com` too), until the test ends. */
export async function startFakeApi(t: Ending, hosts: readonly string[], handle: Handler): Promise<FakeApi> {
  const log: string[] = []
  const faults: string[] = []
  const day = 86_400_000
  const set = await makeSet({
    names: [...hosts],
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
  })
  const server = https.createServer({ key: set.key, cert: set.chain.join('') }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', headers, url = '' } = request
      const host = headers.host ?? ''
      const { pathname, searchParams } = new URL(url, `https://${host}`)
      const text = Buffer.concat(chunks).toString()
      log.push(`${method} ${url}`)
      const asked: FakeRequest = {
        method,
        host,
        path: pathname,
        query: searchParams,
        headers,
        text,
        json() {
          assert.match(headers['content-type'] ?? '', /^application\/json/)
          return JSON.parse(text)
        },
        form() {
          assert.match(headers['content-type'] ?? '', /^application\/x-www-form-urlencoded/)
          return new URLSearchParams(text)
        },
      }
      let reply: FakeReply
      try {
        assert.match(headers['user-agent'] ?? '', /^nixacme\//)
        reply = handle(asked)
      } catch (e) {
        faults.push(`${method} ${host}${url}: ${e instanceof Error ? e.message : String(e)}`)
        reply = { status: 400, text: 'a fault' }
      }
      const {
        status = 200,
        json,
        headers: more = {},
        text: body = json === undefined ? '' : JSON.stringify(json),
      } = reply
      response.writeHead(status, { 'content-type': json === undefined ? 'text/plain' : 'application/json', ...more })
      response.end(body)
    })
  })
  const proxy = http.createServer()
  proxy.on('connect', (_, socket, head) => {
    const through = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      through.write(head)
      through.pipe(socket).pipe(through)
    })
    through.on('error', () => socket.destroy())
    socket.on('error', () => through.destroy())
  })
  for (const one of [server, proxy]) await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
  const root = join(temporaryDir(t), 'root.pem')
  writeFileSync(root, await rootPem())
  const env = { HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
  const transport = openTransport({ caCertificates: [root], env })
  t.after(() => {
    transport.close()
    server.close()
    proxy.close()
    server.closeAllConnections()
    assert.deepEqual(faults, [])
  })
  return {
    log,
    faults,
    forCurl: { ...env, CURL_CA_BUNDLE: root },
    open(definition, variables, zones = ['example.com'], now = () => new Date()) {
      const { provider } = openProvider(definition, {
        variable: (name) => variables[name],
        async zoneOf(name) {
          const zone = candidateZones(name).find((candidate) => zones.includes(candidate))
          return zone ?? assert.fail(`no zone for '${name}'`)
        },
        transport,
        userAgent: 'nixacme/0.0.0',
        now,
        log: silent,
        signal: AbortSignal.timeout(60_000),
      })
      return onTrial(provider)
    },
  }
}
