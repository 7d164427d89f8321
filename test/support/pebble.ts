// Pebble, the ACME test CA of Let's Encrypt, with its DNS server, on free ports; and a web server for a webroot.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that Debian's package is unpacked in. */
export const pebbleDir =
  process.env['NIXACME_PEBBLE_DIR'] ?? fileURLToPath(new URL('../../.parts/pebble', import.meta.url))

const binary = (name: string): string => join(pebbleDir, 'usr', 'bin', name)

/** Why Pebble cannot be used, as the reason of a skip; undefined when it is there. */
export const pebbleMissing: string | undefined = existsSync(binary('pebble'))
  ? undefined
  : `pebble is not in '${pebbleDir}': run test/parts/fetch-pebble.sh`

/** So that nothing outlives a test that was killed; setpriv(1) is part of util-linux. */
const setpriv = '/usr/bin/setpriv'
const dyingWithParent = ['--pdeathsig', 'KILL', '--']

export interface PebbleOptions {
  /** Percent of good nonces that are refused, 0 unless told. */
  readonly nonceReject?: number
  /** Pebble's `-strict`: breaking changes to come are made already. */
  readonly strict?: boolean
  /** Percent of authorizations that are used again, 0 unless told. */
  readonly authzReuse?: number
  readonly domainBlocklist?: readonly string[]
  /** Seconds, 1 and 1 unless told. */
  readonly retryAfter?: { readonly authz: number; readonly order: number }
  /** HMAC keys (base64url) by key id, of which each new account must be bound to one; undefined: none is wanted. */
  readonly externalAccounts?: Readonly<Record<string, string>>
  /** Lifetime in seconds by name; one named default, of 90 days, unless told. */
  readonly profiles?: Readonly<Record<string, number>>
  /** `host:port` of the DNS server that it asks, in place of its own. */
  readonly dnsServer?: string
  /** Named in certificates; none unless told. */
  readonly ocspResponderUrl?: string
  /** Further environment, e.g. PEBBLE_VA_ALWAYS_VALID. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Pebble {
  readonly directoryUrl: string
  readonly port: number
  /** The certificate of Pebble's own HTTPS, for localhost, 127.0.0.1 and pebble.test: its own root. A PEM file. */
  readonly tlsRoot: string
  /** Where Pebble looks for http-01 answers, whatever the name: serve the webroot here. */
  readonly httpPort: number
  /** The same for tls-alpn-01. */
  readonly tlsPort: number
  /** The root that issued certificates lead to, as PEM; further ones where PEBBLE_ALTERNATE_ROOTS asks for them. */
  issuerRoot(alternate?: number): Promise<string>
  /** What Pebble knows of a certificate, by its serial number in hex: `Valid` or `Revoked`, and the reason's code. */
  statusOf(serial: string): Promise<{ readonly Status: string; readonly Reason?: number }>
  /** Changes what the DNS server beside it tells, by a command of challtestsrv's management interface. */
  tell(command: 'add-a' | 'set-default-ipv4' | 'set-default-ipv6', body: object): Promise<void>
  /** All that Pebble has written. */
  log(): string
  /** How many requests Pebble has logged that begin so, e.g. `POST /sign-me-up`. Its log comes a little later than its answers. */
  count(request: string): number
  /** Resolves when a request has been logged so often; rejects after 10 s. */
  logged(request: string, times: number): Promise<void>
  stop(): Promise<void>
}

/** A port of 127.0.0.1 that is free for TCP and UDP. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const socket = createSocket('udp4')
  const free = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind(port, '127.0.0.1', () => resolve(true))
  })
  if (free) socket.close()
  await new Promise((resolve) => server.close(resolve))
  return free ? port : freePort()
}

/** Starts Pebble and challtestsrv, which tells that every name is at 127.0.0.1. Rejects when they are not up in 20 s. */
export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-pebble-'))
  const [port, management, httpPort, tlsPort, dns, dnsManagement] = await Promise.all(
    Array.from({ length: 6 }, freePort),
  )
  const tlsRoot = join(dir, 'cert.pem')
  makeTlsCertificate(tlsRoot, join(dir, 'key.pem'))
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: tlsRoot,
    privateKey: join(dir, 'key.pem'),
    httpPort,
    tlsPort,
    ocspResponderURL: options.ocspResponderUrl ?? '',
    externalAccountBindingRequired: options.externalAccounts !== undefined,
    externalAccountMACKeys: options.externalAccounts ?? {},
    domainBlocklist: options.domainBlocklist ?? ['blocked-domain.example'],
    retryAfter: options.retryAfter ?? { authz: 1, order: 1 },
    keyAlgorithm: 'ecdsa',
    profiles: Object.fromEntries(
      Object.entries(options.profiles ?? { default: 7776000 }).map(([name, validityPeriod]) => [
        name,
        { description: `the profile ${name}`, validityPeriod },
      ]),
    ),
  }
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ pebble: config }))
  const env = {
    PEBBLE_VA_NOSLEEP: '1',
    PEBBLE_WFE_NONCEREJECT: String(options.nonceReject ?? 0),
    PEBBLE_AUTHZREUSE: String(options.authzReuse ?? 0),
    ...options.env,
  }
  let written = ''
  const run = (name: string, args: readonly string[]): ChildProcess => {
    const options = { env, stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] }
    const child = existsSync(setpriv)
      ? spawn(setpriv, [...dyingWithParent, binary(name), ...args], options)
      : spawn(binary(name), args, options)
    const keep = (chunk: Buffer) => {
      written += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    return child
  }
  const off = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', '']
  const dnsAddress = `127.0.0.1:${dns}`
  const names = run('pebble-challtestsrv', [
    ...off,
    ...['-defaultIPv6', '', '-dnsserver', dnsAddress, '-management', `127.0.0.1:${dnsManagement}`],
  ])
  const pebble = run('pebble', [
    ...(options.strict ? ['-strict'] : []),
    ...['-config', join(dir, 'config.json'), '-dnsserver', options.dnsServer ?? dnsAddress],
  ])
  const stop = async () => {
    await Promise.all([names, pebble].map(ended))
    rmSync(dir, { recursive: true, force: true })
  }
  const count = (request: string) => written.split(request).length - 1
  const directoryUrl = `https://localhost:${port}/dir`
  try {
    await Promise.all([
      answering(() => get(directoryUrl, tlsRoot)),
      answering(() => get(`http://127.0.0.1:${dnsManagement}/`, tlsRoot)),
    ])
  } catch (e) {
    await stop()
    throw new Error(`pebble does not start: ${written}`, { cause: e })
  }
  return {
    directoryUrl,
    port: Number(port),
    tlsRoot,
    httpPort: Number(httpPort),
    tlsPort: Number(tlsPort),
    issuerRoot: (alternate = 0) => get(`https://localhost:${management}/roots/${alternate}`, tlsRoot),
    statusOf: async (serial) =>
      JSON.parse(await get(`https://localhost:${management}/cert-status-by-serial/${serial}`, tlsRoot)),
    tell: async (command, body) =>
      void (await get(`http://127.0.0.1:${dnsManagement}/${command}`, tlsRoot, JSON.stringify(body))),
    log: () => written,
    count,
    async logged(request, times) {
      const end = AbortSignal.timeout(10_000)
      while (count(request) < times) {
        if (end.aborted) throw new Error(`pebble has handled '${request}' ${count(request)} times, not ${times}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    stop,
  }
}

function makeTlsCertificate(certificate: string, key: string): void {
  const names = 'subjectAltName=DNS:localhost,DNS:pebble.test,IP:127.0.0.1'
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const args = [
    'req',
    '-x509',
    ...ec,
    '-keyout',
    key,
    '-out',
    certificate,
    '-days',
    '30',
    '-subj',
    '/CN=pebble test root',
  ]
  execFileSync('openssl', [...args, '-addext', names], { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Tries until an answer comes, whatever it is (Pebble's is 400, and not in its log, without a User-Agent): 20 s at most. */
async function answering(ask: () => Promise<string>): Promise<void> {
  const end = AbortSignal.timeout(20_000)
  for (;;) {
    try {
      await ask()
      return
    } catch (e) {
      if (end.aborted) throw e
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** The body of an answer; with one to send, by POST. */
function get(url: string, ca: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent: false as const, timeout: 5000, method: body === undefined ? 'GET' : 'POST' }
    const read = (response: http.IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    }
    const request = url.startsWith('https:')
      ? https.request(url, { ...options, ca: readFileSync(ca) }, read)
      : http.request(url, options, read)
    request.end(body)
    request.on('error', reject)
    request.on('timeout', () => request.destroy(new Error(`no answer from ${url}`)))
  })
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

export interface WebServer {
  /** Paths asked for, in order. */
  readonly requests: readonly string[]
  stop(): Promise<void>
}

/** A web server for the files below `root` on a port of 127.0.0.1; `onRequest` sees each path before it is answered. */
export async function serve(
  root: string,
  port: number,
  onRequest?: (path: string) => void,
  address = '127.0.0.1',
): Promise<WebServer> {
  const requests: string[] = []
  const server = http.createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    requests.push(path)
    onRequest?.(path)
    const file = join(root, path)
    if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(port, address, resolve))
  return {
    requests,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
