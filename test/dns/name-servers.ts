// Real name servers on free ports of 127.0.0.1 for as long as a test file runs: BIND is the primary of
// `example.test`, Knot DNS its secondary, which is told of no change, and the primary of `elsewhere.test`.
import { spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tsigDigests } from '../../src/acme/dns/tsig.ts'
import { hasCode } from '../../src/errors.ts'
import { freePort } from '../support/pebble.ts'
import { run, temporaryDir } from '../support/process.ts'

interface Ending {
  after(action: () => void | Promise<void>): void
}

export interface NameServers {
  /** `127.0.0.1:<port>` of BIND, of Knot as the secondary, and of Knot as a primary. */
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

interface Place {
  readonly dir: string
  readonly bind: number
  readonly secondary: number
  readonly knot: number
}

const zone = (name: string, lines: readonly string[]): string =>
  [`$ORIGIN ${name}.`, '$TTL 5', '@ SOA ns1 hostmaster 1 3600 600 86400 1', ...lines, ''].join('\n')

function bindConfig({ dir, bind, knot }: Place): string {
  const folder = join(dir, 'bind')
  mkdirSync(folder)
  const own = ['@ NS ns1', 'ns1 A 127.0.0.1']
  const zones: Readonly<Record<string, { lines: readonly string[]; update?: string; policy?: string }>> = {
    'example.test': {
      lines: [
        ...own,
        '@ NS ns2',
        'ns2 A 127.0.0.1',
        'child NS ns1',
        'far NS ns1.elsewhere.test.',
        '_acme-challenge TXT "v=spf1 -all"',
        '_acme-challenge.alias CNAME hop',
        'hop CNAME _acme-challenge.alias.elsewhere.test.',
      ],
      update: writers.map((name) => `key "${name}";`).join(' '),
    },
    'child.example.test': { lines: own, policy: `grant ${keyName('hmac-sha256')} name ${policed} TXT;` },
    'open.test': { lines: own, update: '127.0.0.0/8;' },
    'locked.test': { lines: own, update: 'none;' },
  }
  for (const [name, { lines }] of Object.entries(zones)) writeFileSync(join(folder, name), zone(name, lines))
  return `options {
  directory "${folder}"; pid-file none; session-keyfile "${folder}/session.key";
  listen-on port ${bind} { 127.0.0.1; }; listen-on-v6 { none; };
  max-ncache-ttl 1; recursion yes; allow-query { any; }; allow-recursion { any; }; dnssec-validation no; notify no; empty-zones-enable no;
};
controls { };
${keys.map(({ name, algorithm, secret }) => `key "${name}" { algorithm ${algorithm}; secret "${secret}"; };`).join('\n')}
${Object.entries(zones)
  .map(([name, { update, policy }]) => {
    const may = policy === undefined ? `allow-update { ${update} }` : `update-policy { ${policy} }`
    return `zone "${name}" { type primary; file "${name}"; ${may}; };`
  })
  .join('\n')}
zone "elsewhere.test" { type forward; forward only; forwarders { 127.0.0.1 port ${knot}; }; };
`
}

function knotConfig({ dir, bind, secondary, knot }: Place): string {
  const folder = join(dir, 'knot')
  mkdirSync(folder)
  const lines = ['@ NS ns1', 'ns1 A 127.0.0.1', '_acme-challenge TXT "v=spf1 -all"']
  writeFileSync(join(folder, 'elsewhere.test.zone'), zone('elsewhere.test', lines))
  const keyLines = keys.map(
    ({ name, algorithm, secret }) => `  - id: ${name}\n    algorithm: ${algorithm}\n    secret: ${secret}`,
  )
  return `server:
  rundir: ${folder}
  listen: [ 127.0.0.1@${secondary}, 127.0.0.1@${knot} ]
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
    address: 127.0.0.1@${bind}
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
  - domain: example.test
    master: primary
`
}

/** Starts both. Rejects when they do not answer within 20 s. */
export async function startNameServers(t: Ending): Promise<NameServers> {
  const dir = temporaryDir(t, 'nixacme-dns')
  const place = { dir, bind: await freePort(), secondary: await freePort(), knot: await freePort() }
  const [bind, secondary, knot] = [place.bind, place.secondary, place.knot].map((port) => `127.0.0.1:${port}`) as [
    string,
    string,
    string,
  ]
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
  writeFileSync(join(dir, 'named.conf'), bindConfig(place))
  startOne('named', ['-g', '-n', '1', '-c', join(dir, 'named.conf')])
  const knotConf = join(dir, 'knot.conf')
  writeFileSync(knotConf, knotConfig(place))
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
