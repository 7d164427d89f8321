// One order of 50 names by DNS-01, of which some are wildcards beside their name: nixacme and lego in turns, both changing
// a real Knot DNS by signed updates (RFC 2136), which Pebble and both of them ask. And the same number of names by HTTP-01 from
// a webroot: what nixacme needs more for the DNS is the memory of its solvers.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFlags } from '../src/systemd/hardening.ts'
import { type Pebble, serve, startPebble } from '../test/support/pebble.ts'
import { repository } from '../test/support/process.ts'
import { lego, nixacme, type Order, type Prepared } from './clients.ts'
import { median } from './measure.ts'
import { type Asked, type NameServer, startNameServer, updateVariables, zone } from './name-server.ts'
import { runWithPeak } from './peak.ts'
import { type Proxy as CountingProxy, startProxy } from './proxy.ts'
import { fixed, type Line, mib, seconds } from './table.ts'

const count = 50
const wildcards = 10
/** Of lego's time. */
const target = 0.5
/** MiB that the solvers may take. */
const mostMemory = 8
/** Milliseconds for one order: lego may wait 5 s for each name. */
const longest = 400_000

const hosts = Array.from({ length: count }, (_, i) => `host${String(i).padStart(2, '0')}.${zone}`)
const plain = hosts.slice(0, count - wildcards)
const names = [...plain, ...plain.slice(0, wildcards).map((name) => `*.${name}`)]

/** Version 4.35 where `test/parts/fetch-pebble.sh lego` has put it, else the system's. */
const fetched = join(repository, '.parts', 'lego', 'usr', 'bin', 'lego')
const legoCommand = existsSync(fetched) ? fetched : 'lego'

interface Way {
  readonly what: string
  readonly names: readonly string[]
  prepare(order: Order): Prepared | Promise<Prepared>
}

const wayNames = ['nixacme', 'lego', 'cold', 'webroot'] as const
type Ways<T> = Readonly<Record<(typeof wayNames)[number], T>>

interface Sample {
  /** Milliseconds. */
  readonly wall: number
  /** kB. */
  readonly memory: number
  /** At the CA. */
  readonly requests: number
  readonly asked: Asked
}

/** Without a folder for compiled code: what is read of it is the most that a run holds, and hides the rest. */
function cold({ env: { CACHE_DIRECTORY: _, ...env }, ...prepared }: Prepared): Prepared {
  return { ...prepared, env }
}

function waysWith(server: NameServer, scratch: string, webroot: string): Ways<Way> {
  const variables = join(scratch, 'variables')
  const lines = Object.entries(updateVariables).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(variables, lines.join(''), { mode: 0o600 })
  const dns = `dnsProvider = "rfc2136"\nenvironmentFile = "${variables}"\n`
  // It waits before its first look, too, and a minute between two names unless told not to.
  const settings = { RFC2136_POLLING_INTERVAL: '0', RFC2136_SEQUENCE_INTERVAL: '0' }
  return {
    nixacme: { what: 'nixacme', names, prepare: (order) => nixacme(order, dns, nodeFlags) },
    lego: {
      what: 'lego',
      names,
      prepare(order) {
        const prepared = lego(legoCommand, order, ['--dns', 'rfc2136', '--dns.resolvers', server.server])
        return { ...prepared, env: { ...prepared.env, ...updateVariables, ...settings } }
      },
    },
    cold: { what: 'nixacme', names, prepare: async (order) => cold(await nixacme(order, dns, nodeFlags)) },
    webroot: {
      what: 'nixacme by HTTP-01',
      names: hosts,
      prepare: async (order) => cold(await nixacme(order, `webroot = "${webroot}"\n`, nodeFlags)),
    },
  }
}

interface Scene {
  readonly server: NameServer
  readonly pebble: Pebble
  readonly proxy: CountingProxy
}

async function sampleOf(way: Way, dir: string, { server, pebble, proxy }: Scene): Promise<Sample> {
  mkdirSync(dir, { recursive: true })
  const order = { dir, names: way.names, directoryUrl: proxy.directoryUrl, tlsRoot: pebble.tlsRoot }
  const prepared = server.resolvingHere(await way.prepare(order))
  proxy.take()
  await server.take()
  const { status, stderr, wall, memory } = await runWithPeak(prepared, longest)
  if (status !== 0) throw new Error(`${way.what} got no certificate: ${stderr.slice(-500)}`)
  return { wall, memory, requests: proxy.take().length, asked: await server.take() }
}

/** Runs the part. Needs root, for port 53 and for a resolv.conf of its own. */
export async function measureDns(scratch: string, rounds: number): Promise<Line[]> {
  const dir = join(scratch, 'dns')
  const webroot = join(dir, 'www')
  mkdirSync(webroot, { recursive: true })
  const server = await startNameServer(join(dir, 'knot'), hosts)
  const pebble = await startPebble({ dnsServer: server.server })
  const web = await serve(webroot, pebble.httpPort)
  const proxy = await startProxy(pebble)
  const ways = waysWith(server, dir, webroot)
  const samples: Ways<Sample[]> = { nixacme: [], lego: [], cold: [], webroot: [] }
  try {
    // A round ahead that does not count: files are in the page cache afterwards, and compiled code in the cache.
    for (let round = 0; round <= rounds; round++)
      for (const name of wayNames) {
        const sample = await sampleOf(ways[name], join(dir, name, String(round)), { server, pebble, proxy })
        if (round > 0) samples[name].push(sample)
      }
  } finally {
    await Promise.all([proxy.close(), web.stop(), server.stop()])
    await pebble.stop()
  }
  return linesFor(samples)
}

function linesFor({ nixacme: ours, lego: theirs, cold: dns, webroot }: Ways<readonly Sample[]>): Line[] {
  const middle = (samples: readonly Sample[], of: (sample: Sample) => number) => median(samples.map(of))
  const wall = (samples: readonly Sample[]) => middle(samples, (sample) => sample.wall)
  const memory = (samples: readonly Sample[]) => middle(samples, (sample) => sample.memory)
  const ratio = median(ours.map((sample, i) => sample.wall / (theirs[i]?.wall ?? Number.NaN)))
  const added = memory(dns) - memory(webroot)
  const what = `${count} names by DNS-01 in one order`
  const traffic = (samples: readonly Sample[]) =>
    `${Math.max(...samples.map(({ requests }) => requests))} requests at the CA, ` +
    `${middle(samples, ({ asked }) => asked.updates)} updates and ` +
    `${middle(samples, ({ asked }) => asked.questions)} questions at the name server`
  return [
    {
      what: `${what}, nixacme`,
      found: seconds(wall(ours)),
      note: `median of ${ours.length}: ${traffic(ours)}, VmHWM ${mib(memory(ours))}`,
    },
    {
      what: `${what}, lego`,
      found: seconds(wall(theirs)),
      // What it waits for of its own accord: some 5 s wherever the CA has not decided when it looks first.
      note: `one name after the other, told not to wait before a look or between names: ${traffic(theirs)}, VmHWM ${mib(memory(theirs))}`,
    },
    {
      what: `${what}: nixacme against lego`,
      found: `${fixed(ratio, 2)} times`,
      target: `at most ${target}`,
      isMet: ratio <= target,
      note: `Knot DNS by signed updates, ${wildcards} of them wildcards beside their name`,
    },
    {
      what: `${what}: memory of nixacme over that for HTTP-01`,
      found: mib(added),
      target: `at most ${mostMemory} MiB`,
      isMet: added <= mostMemory * 1024,
      note: `VmHWM ${mib(memory(dns))} to ${mib(memory(webroot))} from a webroot, without a cache of compiled code`,
    },
  ]
}
