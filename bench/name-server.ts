// A real Knot DNS for the part `dns`: primary of one zone that a TSIG key may change, and the resolver of everybody here.
// It stands at port 53, where authoritative servers are asked, on a loopback address of its own.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, start } from '../test/support/process.ts'
import type { Prepared } from './clients.ts'

export const zone = 'bench.example'
const address = '127.0.53.5'
const key = { name: 'acme', algorithm: 'hmac-sha256', secret: Buffer.alloc(32, 'bench').toString('base64') }

/** Lego's variables, which are nixacme's. */
export const updateVariables = {
  RFC2136_NAMESERVER: `${address}:53`,
  RFC2136_TSIG_KEY: key.name,
  RFC2136_TSIG_ALGORITHM: `${key.algorithm}.`,
  RFC2136_TSIG_SECRET: key.secret,
}

/** Messages that the server has got, by its own count. */
export interface Asked {
  readonly updates: number
  /** From client and CA. */
  readonly questions: number
}

export interface NameServer {
  /** `host:port` */
  readonly server: string
  /** The command, run where the server is the machine's resolver, as /etc/resolv.conf says it. */
  resolvingHere(command: Prepared): Prepared
  /** What came since the last call. */
  take(): Promise<Asked>
  stop(): Promise<unknown>
}

const config = (dir: string): string => `server:
  rundir: ${dir}
  listen: ${address}@53
database:
  storage: ${dir}
log:
  - target: stderr
    any: info
key:
  - id: ${key.name}
    algorithm: ${key.algorithm}
    secret: ${key.secret}
acl:
  - id: writer
    key: ${key.name}
    action: update
mod-stats:
  - id: counts
    server-operation: on
template:
  - id: default
    storage: ${dir}
    acl: writer
    global-module: mod-stats/counts
zone:
  - domain: ${zone}
    file: zone
`

/** Starts it with these names of its zone at 127.0.0.1. Throws when it does not answer within 20 s. */
export async function startNameServer(dir: string, names: readonly string[]): Promise<NameServer> {
  mkdirSync(dir)
  const records = ['@ SOA ns1 hostmaster 1 3600 600 86400 1', '@ NS ns1', `ns1 A ${address}`]
  const hosts = names.map((name) => `${name}. A 127.0.0.1`)
  const file = join(dir, 'knot.conf')
  writeFileSync(join(dir, 'zone'), `$ORIGIN ${zone}.\n$TTL 5\n${[...records, ...hosts].join('\n')}\n`)
  writeFileSync(file, config(dir))
  writeFileSync(join(dir, 'resolv.conf'), `nameserver ${address}\n`)
  const knot = start('knotd', ['-c', file], { timeoutMs: 3_600_000 })
  await knot.stderrMatch(/control, binding to .*\n/)
  const counts = async (): Promise<Asked> => {
    const { stdout } = await run('knotc', ['-c', file, 'stats', 'mod-stats.server-operation'])
    const of = (operation: string) => Number(new RegExp(`\\[${operation}\\] = (\\d+)`).exec(stdout)?.[1] ?? 0)
    return { updates: of('update'), questions: of('query') }
  }
  let before = await counts()
  return {
    server: `${address}:53`,
    resolvingHere({ file, args, env }) {
      const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
      const inside = ['--mount', 'sh', '-c', script, join(dir, 'resolv.conf'), file, ...args]
      return { file: 'unshare', args: inside, env }
    },
    async take() {
      const [last, now] = [before, await counts()]
      before = now
      return { updates: now.updates - last.updates, questions: now.questions - last.questions }
    },
    stop: () => knot.end('SIGKILL'),
  }
}
