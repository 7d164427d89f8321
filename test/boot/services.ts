// The services of a booted machine besides nixacme: Pebble with its DNS server, and nginx with Debian's own unit.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import { join } from 'node:path'
import { pebbleDir } from '../support/pebble.ts'
import { challengeRoot, journal, type Options, ok, show, stateDir, untilTrue, writeUnit } from './machine.ts'

const caDir = '/etc/pebble'
/** Of Pebble's own HTTPS. */
export const caRoot = `${caDir}/cert.pem`
export const caDirectory = 'https://localhost:14000/dir'

/** The options that every certificate of a test needs. */
export const caDefaults: Options = {
  email: 'admin@example.com',
  server: caDirectory,
  webroot: challengeRoot,
  caCertificates: [caRoot],
}

export interface CaSettings {
  /** Seconds that the CA asks to wait, 1 unless told. */
  readonly retryAfter?: number
  readonly domainBlocklist?: readonly string[]
  /** Seconds that certificates live, 90 days unless told. */
  readonly validity?: number
  /** Where it comes for tls-alpn-01, 5001 unless told. */
  readonly tlsPort?: number
  /** Further environment, e.g. PEBBLE_VA_ALWAYS_VALID. */
  readonly env?: Readonly<Record<string, string>>
}

const service = (command: string, env: Readonly<Record<string, string>> = {}): string =>
  `[Service]\n${Object.entries(env)
    .map(([name, value]) => `Environment=${name}=${value}\n`)
    .join('')}ExecStart=${command}\n`

/** Writes what Pebble needs to be started; it is down. Its certificate stays the same. */
export async function prepareCa(settings: CaSettings = {}): Promise<void> {
  const { retryAfter = 1, domainBlocklist = [], validity = 7_776_000, tlsPort = 5001, env = {} } = settings
  mkdirSync(caDir, { recursive: true })
  if (!existsSync(caRoot)) {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${caDir}/key.pem`]
    const names = ['-subj', '/CN=pebble test root', '-addext', 'subjectAltName=DNS:localhost']
    await ok('openssl', 'req', '-x509', ...key, '-out', caRoot, '-days', '30', ...names)
  }
  const pebble = {
    listenAddress: '127.0.0.1:14000',
    managementListenAddress: '127.0.0.1:15000',
    certificate: caRoot,
    privateKey: `${caDir}/key.pem`,
    httpPort: 80,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
    domainBlocklist,
    retryAfter: { authz: retryAfter, order: retryAfter },
    keyAlgorithm: 'ecdsa',
    profiles: { default: { description: 'the usual', validityPeriod: validity } },
  }
  writeFileSync(`${caDir}/config.json`, JSON.stringify({ pebble }))
  const binary = (name: string) => join(pebbleDir, 'usr', 'bin', name)
  const always = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0', ...env }
  const start = `${binary('pebble')} -config ${caDir}/config.json -dnsserver 127.0.0.1:53`
  const off = ['-http01', '-https01', '-tlsalpn01', '-doh', '-defaultIPv6'].map((option) => `${option} ""`).join(' ')
  const dns = `${binary('pebble-challtestsrv')} ${off} -dnsserver 127.0.0.1:53 -management 127.0.0.1:8055`
  await writeUnit('challtestsrv.service', service(dns))
  await writeUnit('pebble.service', service(start, always))
}

/** Of the service manager, for the present run of Pebble. */
let invocation: string | undefined

/** Starts the CA anew: it knows neither accounts nor orders, and its log is empty. All names are at 127.0.0.1. */
export async function startCa(): Promise<void> {
  await ok('systemctl', 'restart', 'challtestsrv.service', 'pebble.service')
  invocation = await show('pebble.service', 'InvocationID')
  await untilTrue('Pebble answers', () => answers('https://localhost:14000/dir'))
  await untilTrue('the DNS server answers', () => answers('http://localhost:8055/'))
}

/** All that Pebble has written since `startCa`. */
export const caLog = (): Promise<string> => journal('pebble.service', `_SYSTEMD_INVOCATION_ID=${invocation}`)

/** How many requests Pebble has logged since `startCa` that begin so, e.g. `POST /order-plz`. */
export const requests = async (request: string): Promise<number> => (await caLog()).split(`${request} `).length - 1

/**
 * How many orders were under way at once, at most, since the CA's log was so long (0: `startCa`), when none was: from each new
 * order to the download of its certificate.
 */
export async function mostOrdersAtOnce(since = 0): Promise<number> {
  const steps = (await caLog()).slice(since).match(/POST \/(order-plz|certZ\/)/g) ?? []
  let now = 0
  let most = 0
  for (const step of steps) {
    now += step.endsWith('order-plz') ? 1 : -1
    most = Math.max(most, now)
  }
  return most
}

/** What the CA says from now on of the renewal of this certificate (PEM). */
export async function setRenewalInfo(certificate: string, answer: object): Promise<void> {
  const body = JSON.stringify({ certificate, ariResponse: JSON.stringify(answer) })
  const refused = await get('https://localhost:15000/set-renewal-info/', body)
  assert.equal(refused, '')
}

/** The body of any answer; with a `body` to a POST. */
const get = (url: string, sent?: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { 'User-Agent': 'test' }
    const options = { agent: false as const, rejectUnauthorized: false, timeout: 2000, headers }
    const read = (response: http.IncomingMessage) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve(body))
    }
    const method = sent === undefined ? 'GET' : 'POST'
    const module = url.startsWith('https:') ? https : http
    const request = module.request(url, { ...options, method }, read).end(sent)
    request.on('error', reject).on('timeout', () => request.destroy(new Error(`no answer from ${url}`)))
  })

const answers = (url: string): Promise<boolean> =>
  get(url).then(
    () => true,
    () => false,
  )

/** The root that issued certificates lead to, as PEM. */
export const issuerRoot = (): Promise<string> => get('https://localhost:15000/roots/0')

/** What nginx serves by TLS for a certificate's own name, slowly: a long download lasts. */
export const wwwRoot = '/srv/www'

/** A web server of nginx: challenges from the usual webroot, or from `webroots`, by name; TLS for each of `certs`. */
export function configureNginx(certs: readonly string[], webroots: Readonly<Record<string, string>> = {}): void {
  const challenges = (names: string, root: string) => `
  server {
    listen 80;
    server_name ${names};
    location /.well-known/acme-challenge/ { root "${root}"; }
  }`
  const tls = (cert: string) => `
  server {
    listen 443 ssl;
    server_name ${cert};
    ssl_certificate "${stateDir}/${cert}/fullchain.pem";
    ssl_certificate_key "${stateDir}/${cert}/key.pem";
    location / { root ${wwwRoot}; limit_rate 256k; }
  }`
  const servers = [
    challenges('_', challengeRoot),
    ...Object.entries(webroots).map(([name, root]) => challenges(name, root)),
    ...certs.map(tls),
  ]
  const http = `types_hash_max_size 2048;${servers.join('')}`
  mkdirSync(wwwRoot, { recursive: true })
  const main = 'user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nevents {}\n'
  writeFileSync('/etc/nginx/nginx.conf', `${main}http {\n  ${http}\n}\n`)
}
