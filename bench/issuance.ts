// One certificate with two names from Pebble, first order of a new account: nixacme, lego and certbot in turns, over
// HTTP-01 with one webroot, each with folders of its own. Pebble decides at once and asks for its real waits.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isThere, parts } from '../test/parts/find.mjs'
import { serve, startPebble } from '../test/support/pebble.ts'
import { run } from '../test/support/process.ts'
import { email, lego, nixacme, type Order, type Prepared } from './clients.ts'
import { median } from './measure.ts'
import { type Exchange, startProxy } from './proxy.ts'
import { fixed, type Line, seconds } from './table.ts'

const mostRequests = 12
/** Seconds over what the CA asked for. */
const ownTime = 0.5

interface WebrootOrder extends Order {
  readonly webroot: string
}

interface Client {
  readonly name: string
  readonly isThere: boolean
  readonly install: string
  prepare(order: WebrootOrder): Prepared | Promise<Prepared>
}

const clients: readonly Client[] = [
  {
    name: 'nixacme',
    isThere: true,
    install: '',
    prepare: (order) => nixacme(order, `webroot = "${order.webroot}"\n`),
  },
  {
    name: 'lego',
    isThere: isThere('lego'),
    install: parts.lego.install,
    prepare: (order) => lego('lego', order, ['--http', '--http.webroot', order.webroot]),
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
