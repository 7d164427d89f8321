// One certificate with two names from Pebble, first order of a new account: nixacme, lego and certbot in turns, over
// HTTP-01 with one webroot, each with folders of its own. Pebble decides at once and asks for its real waits.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isThere, parts } from '../test/parts/find.mjs'
import { serve, startPebble } from '../test/support/pebble.ts'
import { run } from '../test/support/process.ts'
import { rootConfig } from './fleet.ts'
import { median } from './measure.ts'
import { current } from './nodes.ts'
import { type Exchange, startProxy } from './proxy.ts'
import { fixed, type Line, seconds } from './table.ts'

const mostRequests = 12
/** Seconds over what the CA asked for. */
const ownTime = 0.5

interface Order {
  readonly dir: string
  readonly names: readonly string[]
  readonly directoryUrl: string
  readonly tlsRoot: string
  readonly webroot: string
}

interface Prepared {
  readonly file: string
  readonly args: string[]
  readonly env: Record<string, string>
}

interface Client {
  readonly name: string
  readonly isThere: boolean
  readonly install: string
  /** Command, arguments, environment; folders and files that it needs are made. */
  prepare(order: Order): Prepared | Promise<Prepared>
}

const email = 'hostmaster@example.com'

/** One for all rounds, as a unit's CacheDirectory= is. */
function cacheOf(dir: string): string {
  const cache = join(dirname(dir), 'cache')
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  return cache
}

const clients: readonly Client[] = [
  {
    name: 'nixacme',
    isThere: true,
    install: '',
    async prepare({ dir, names: [domain, ...extra], directoryUrl, tlsRoot, webroot }) {
      const config = join(dir, 'config.toml')
      writeFileSync(
        config,
        `acceptTerms = true\n${rootConfig.global}[defaults]\nserver = "${directoryUrl}"\nemail = "${email}"\n` +
          `caCertificates = ["${tlsRoot}"]\nwebroot = "${webroot}"\n${rootConfig.defaults}` +
          `[certs."${domain}"]\nextraDomainNames = ${JSON.stringify(extra)}\n`,
      )
      // As a unit runs it: jobs compiled ahead, a folder for V8's code cache.
      const env = {
        NIXACME_CONFIG: config,
        NIXACME_STATE_DIR: join(dir, 'state'),
        NIXACME_RUNTIME_DIR: join(dir, 'run'),
        CACHE_DIRECTORY: cacheOf(dir),
      }
      const { status, stderr } = await run(current.node, [current.cli, '--quiet', 'apply'], { env })
      if (status !== 0) throw new Error(`apply failed: ${stderr.slice(-500)}`)
      return { file: current.node, args: [current.cli, 'renew', domain ?? ''], env }
    },
  },
  {
    name: 'lego',
    isThere: isThere('lego'),
    install: parts.lego.install,
    prepare({ dir, names, directoryUrl, tlsRoot, webroot }) {
      const args = ['--server', directoryUrl, '--email', email, '--accept-tos', '--path', dir, '--key-type', 'ec256']
      const http = ['--http', '--http.webroot', webroot, ...names.flatMap((name) => ['--domains', name]), 'run']
      return { file: 'lego', args: [...args, ...http], env: { LEGO_CA_CERTIFICATES: tlsRoot, HOME: dir } }
    },
  },
  {
    name: 'certbot',
    isThere: isThere('certbot'),
    install: parts.certbot.install,
    prepare({ dir, names, directoryUrl, tlsRoot, webroot }) {
      const folders = ['config', 'work', 'logs'].flatMap((name) => [`--${name}-dir`, join(dir, name)])
      const who = ['--server', directoryUrl, '--email', email, '--agree-tos', '--no-eff-email', '--non-interactive']
      const what = [
        '--webroot',
        '--webroot-path',
        webroot,
        '--key-type',
        'ecdsa',
        ...names.flatMap((name) => ['-d', name]),
      ]
      return { file: 'certbot', args: ['certonly', ...folders, ...who, ...what], env: { REQUESTS_CA_BUNDLE: tlsRoot } }
    },
  },
]

/** Seconds that the CA asked the client to wait before it looks at its order again. */
export const demanded = (exchanges: readonly Exchange[]): number =>
  exchanges
    .filter(
      ({ path, state }) =>
        /^\/(my-order|finalize-order)\//.test(path) && (state === 'pending' || state === 'processing'),
    )
    .reduce((sum, { retryAfter = 0 }) => sum + retryAfter, 0)

interface Sample {
  /** Milliseconds. */
  readonly wall: number
  /** For account and certificate. */
  readonly requests: number
  /** For renewal information, when the certificate is there (RFC 9773 §4.3). */
  readonly afterwards: number
  /** Milliseconds. */
  readonly waits: number
}

export async function measureIssuance(scratch: string, rounds: number): Promise<Line[]> {
  const pebble = await startPebble({ retryAfter: { authz: 3, order: 5 } })
  const webroot = join(scratch, 'webroot')
  mkdirSync(webroot)
  const web = await serve(webroot, pebble.httpPort)
  const proxy = await startProxy(pebble)
  const samples = new Map<string, Sample[]>(clients.map(({ name }) => [name, []]))
  try {
    // A round ahead that does not count: files are in the page cache afterwards.
    for (let round = 0; round <= rounds; round++) {
      for (const client of clients.filter((c) => c.isThere)) {
        const dir = join(scratch, `${client.name}-${round}`)
        mkdirSync(dir)
        const names = ['a', 'b'].map((label) => `${label}${round}.${client.name}.example`)
        const order = { dir, names, directoryUrl: proxy.directoryUrl, tlsRoot: pebble.tlsRoot, webroot }
        const { file, args, env } = await client.prepare(order)
        proxy.take()
        const begin = performance.now()
        const { status, stderr } = await run(file, args, { env, timeoutMs: 120_000 })
        const wall = performance.now() - begin
        if (status !== 0) throw new Error(`${client.name} got no certificate: ${stderr.slice(-500)}`)
        const exchanges = proxy.take()
        const afterwards = exchanges.filter(({ path }) => path.includes('/renewalInfo/')).length
        const requests = exchanges.length - afterwards
        const sample = { wall, requests, afterwards, waits: 1000 * demanded(exchanges) }
        if (round > 0) samples.get(client.name)?.push(sample)
      }
    }
  } finally {
    await Promise.all([proxy.close(), web.stop()])
    await pebble.stop()
  }
  return clients.flatMap((client) => linesFor(client, samples.get(client.name) ?? []))
}

function linesFor({ name, isThere, install }: Client, samples: readonly Sample[]): Line[] {
  const what = `a certificate with two names from Pebble, ${name}`
  if (!isThere) return [{ what, found: 'not measured', note: `${name} is missing: ${install}` }]
  const wall = median(samples.map((s) => s.wall))
  const requests = Math.max(...samples.map((s) => s.requests))
  if (name !== 'nixacme') return [{ what, found: seconds(wall), note: `${requests} requests` }]
  const waits = median(samples.map((s) => s.waits))
  const own = median(samples.map((s) => s.wall - s.waits))
  return [
    {
      what: `${what}: requests`,
      found: String(requests),
      target: `at most ${mostRequests}`,
      isMet: requests <= mostRequests,
      note: `account and order, the most of all rounds; then ${samples[0]?.afterwards} for renewal information`,
    },
    { what, found: seconds(wall), note: `the CA asked for ${seconds(waits)} of it, median of ${samples.length}` },
    {
      what: `${what}: over the waits that the CA asked for`,
      found: seconds(own),
      target: `at most ${fixed(ownTime, 1)} s`,
      isMet: own <= ownTime * 1000,
      note: 'with the start of Node',
    },
  ]
}
