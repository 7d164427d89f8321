// Real name servers for as long as a test file runs, on free ports of 127.0.0.1 or at addresses of their own: BIND is the
// primary of `example.test`, Knot DNS its secondary, which is told of no change, and the primary of `elsewhere.test` and of
// `far.example.test`, a part of BIND's zone.
import { spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tsigDigests } from '../../src/acme/dns/tsig.ts'
import { hasCode } from '../../src/errors.ts'
import { freePort } from '../support/pebble.ts'
import { run, temporaryDir } from '../support/process.ts'
import { type Place, relay } from './relay.ts'

interface Ending {
  after(action: () => void | Promise<void>): void
}

export interface NameServers {
  /** `<address>:<port>` of BIND, of Knot as the secondary, and of Knot as a primary. */
  readonly bind: string
  readonly secondary: string
  readonly knot: string
  /** The values at a name, sorted, as this server tells them. */
  txt(server: string, name: string): Promise<string[]>
  /** Has the secondary ask for what is new. */
  refresh(): Promise<void>
  /** What the servers have written. */
  log(): string
}

/** By names as configurations have them. */
export const algorithms = Object.keys(tsigDigests).map((name) => name.replace('.sig-alg.reg.int', ''))

/** Both servers know these keys, `acme-<algorithm>`; `acme-stranger` they know, but let it do nothing. */
export const keyName = (algorithm: string): string => `acme-${algorithm}`
export const secretOf = (algorithm: string): string =>
  Buffer.from(`canary of ${algorithm}`.padEnd(64, '.')).toString('base64')
const keys = [...algorithms, 'stranger'].map((one) => ({
  name: keyName(one),
  algorithm: one === 'stranger' ? 'hmac-sha256' : one,
  secret: secretOf(one),
}))
const writers = algorithms.map(keyName)

/** The only name of its zone that can be changed, and only TXT: the example of nixacme-dns(7). */
export const policed = '_acme-challenge.www.child.example.test'

/** Addresses of IPv4 by server, where each is asked at port 53, as the world asks. */
export type Addresses = Readonly<Record<'bind' | 'secondary' | 'knot', string>>

/** Where each is asked, and where BIND itself listens. */
type Places = Readonly<Record<keyof Addresses | 'own', Place>> & { readonly dir: string }

/** As configurations of Knot have it. */
const at = ({ address, port }: Place): string => `${address}@${port}`

const zone = (name: string, lines: readonly string[]): string =>
  [`$ORIGIN ${name}.`, '$TTL 5', '@ SOA ns1 hostmaster 1 3600 600 86400 1', ...lines, ''].join('\n')

function bindConfig({ dir, own, bind, secondary, knot }: Places): string {
  const folder = join(dir, 'bind')
  mkdirSync(folder)
  const here = ['@ NS ns1', `ns1 A ${bind.address}`]
  const zones: Readonly<Record<string, { lines: readonly string[]; update?: string; policy?: string }>> = {
    'example.test': {
      lines: [
        ...here,
        '@ NS ns2',
        `ns2 A ${secondary.address}`,
        'child NS ns1',
        'far NS ns1.elsewhere.test.',
        '_acme-challenge TXT "v=spf1 -all"',
        '_acme-challenge.alias CNAME hop',
        'hop CNAME _acme-challenge.alias.elsewhere.test.',
      ],
      update: writers.map((name) => `key "${name}";`).join(' '),
    },
    'child.example.test': { lines: here, policy: `grant ${keyName('hmac-sha256')} name ${policed} TXT;` },
    'open.test': { lines: here, update: '127.0.0.0/8;' },
    'locked.test': { lines: here, update: 'none;' },
  }
  for (const [name, { lines }] of Object.entries(zones)) writeFileSync(join(folder, name), zone(name, lines))
  return `options {
  directory "${folder}"; pid-file none; session-keyfile "${folder}/session.key";
  listen-on port ${own.port} { ${own.address}; }; listen-on-v6 { none; };
  max-ncache-ttl 0; recursion yes; allow-query { any; }; allow-recursion { any; }; dnssec-validation no; notify no; empty-zones-enable no;
};
controls { };
${keys.map(({ name, algorithm, secret }) => `key "${name}" { algorithm ${algorithm}; secret "${secret}"; };`).join('\n')}
${Object.entries(zones)
  .map(([name, { update, policy }]) => {
    const may = policy === undefined ? `allow-update { ${update} }` : `update-policy { ${policy} }`
    return `zone "${name}" { type primary; file "${name}"; ${may}; };`
  })
  .join('\n')}
zone "elsewhere.test" { type forward; forward only; forwarders { ${knot.address} port ${knot.port}; }; };
`
}

function knotConfig({ dir, own, secondary, knot }: Places): string {
  const folder = join(dir, 'knot')
  mkdirSync(folder)
  const lines = ['@ NS ns1', `ns1 A ${knot.address}`, '_acme-challenge TXT "v=spf1 -all"']
  writeFileSync(join(folder, 'elsewhere.test.zone'), zone('elsewhere.test', lines))
  writeFileSync(join(folder, 'far.example.test.zone'), zone('far.example.test', ['@ NS ns1.elsewhere.test.']))
  const keyLines = keys.map(
    ({ name, algorithm, secret }) => `  - id: ${name}\n    algorithm: ${algorithm}\n    secret: ${secret}`,
  )
  return `server:
  rundir: ${folder}
  listen: [ ${at(secondary)}, ${at(knot)} ]
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
control:
  listen: ${folder}/knot.sock
database:
  storage: ${folder}
log:
  - target: stderr
    any: info
key:
${keyLines.join('\n')}
remote:
  - id: primary
    address: ${at(own)}
acl:
  - id: writers
    key: [ ${writers.join(', ')} ]
    action: update
template:
  - id: default
    storage: ${folder}
zone:
  - domain: elsewhere.test
    acl: writers
  - domain: far.example.test
    acl: writers
  - domain: example.test
    master: primary
`
}

const local = async (): Promise<Place> => ({ address: '127.0.0.1', port: await freePort() })
const show = ({ address, port }: Place): string => `${address}:${port}`

/** Starts both, on free ports of 127.0.0.1 unless addresses are told. Rejects when they do not answer within 20 s. */
export async function startNameServers(t: Ending, addresses?: Addresses): Promise<NameServers> {
  const dir = temporaryDir(t, 'nixacme-dns')
  const asked = async (one: keyof Addresses) => (addresses ? { address: addresses[one], port: 53 } : local())
  const seen = { bind: await asked('bind'), secondary: await asked('secondary'), knot: await asked('knot') }
  const own = addresses ? await local() : seen.bind
  if (addresses) await relay(t, seen.bind, own)
  const [bind, secondary, knot] = [show(seen.bind), show(seen.secondary), show(seen.knot)]
  let written = ''
  const startOne = (command: string, args: readonly string[]) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        written += chunk
      })
    t.after(() => void child.kill('SIGKILL'))
  }
  writeFileSync(join(dir, 'named.conf'), bindConfig({ ...seen, dir, own }))
  startOne('named', ['-g', '-n', '1', '-c', join(dir, 'named.conf')])
  const knotConf = join(dir, 'knot.conf')
  writeFileSync(knotConf, knotConfig({ ...seen, dir, own }))
  const txt = async (server: string, name: string): Promise<string[]> => {
    const resolver = new Resolver({ timeout: 500, tries: 2 })
    resolver.setServers([server])
    try {
      return (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')).sort()
    } catch (e) {
      if (hasCode(e, 'ENOTFOUND', 'ENODATA')) return []
      throw e
    }
  }
  const answering = async (server: string, name: string) => {
    const end = AbortSignal.timeout(20_000)
    for (;;) {
      const found = await txt(server, name).catch(() => [])
      if (found.length > 0) return
      if (end.aborted) throw new Error(`no answer from ${server}: ${written}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await answering(bind, '_acme-challenge.example.test')
  startOne('knotd', ['-c', knotConf])
  await answering(knot, '_acme-challenge.elsewhere.test')
  await answering(secondary, '_acme-challenge.example.test')
  return {
    bind,
    secondary,
    knot,
    txt,
    async refresh() {
      const { status, stderr } = await run('knotc', ['-c', knotConf, '-b', 'zone-refresh', 'example.test'])
      if (status !== 0) throw new Error(stderr)
    },
    log: () => written,
  }
}
