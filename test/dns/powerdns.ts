// A real PowerDNS with a database of its own, on loopback ports, for as long as a test file runs.
import { spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { mkdirSync, readFileSync } from 'node:fs'
import * as http from 'node:http'
import { join } from 'node:path'
import { freePort } from '../support/pebble.ts'
import { run, temporaryDir } from '../support/process.ts'

interface Ending {
  after(action: () => void | Promise<void>): void
}

export interface PowerDns {
  readonly url: string
  readonly dnsPort: number
  /** The values that the server tells over DNS, sorted. */
  txt(name: string): Promise<readonly string[]>
  /** Makes a zone, `kind` Native or Master, with these sets of TXT records by name. */
  addZone(zone: string, kind: string, records?: Readonly<Record<string, readonly string[]>>): Promise<void>
  /** Adds a record, in place of those of its type and name; `content` as in a zone file. */
  addRecord(zone: string, name: string, type: 'A' | 'CNAME' | 'TXT', content: string): Promise<void>
  /** What its API tells of a zone. */
  zone(zone: string): Promise<{ rrsets: { name: string; type: string; ttl: number; records: unknown[] }[] }>
}

const schemas = [
  '/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql',
  '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql',
]

function schema(): string {
  for (const path of schemas)
    try {
      return readFileSync(path, 'utf8')
    } catch {
      // Another release of Debian has it elsewhere.
    }
  throw new Error(`no schema in ${schemas.join(' or ')}`)
}

/** Where it answers; 127.0.0.1 and a free port unless told. */
export interface Place {
  readonly address?: string
  readonly port?: number
}

/** Starts it. Rejects when it does not answer within 20 s. */
export async function startPowerDns(t: Ending, apiKey: string, place: Place = {}): Promise<PowerDns> {
  const dir = temporaryDir(t, 'nixacme-pdns')
  const { address = '127.0.0.1', port: dnsPort = await freePort() } = place
  const webPort = await freePort()
  mkdirSync(join(dir, 'empty'))
  const made = await run('sqlite3', [join(dir, 'db')], { input: schema() })
  if (made.status !== 0) throw new Error(made.stderr)
  const settings = {
    'config-dir': join(dir, 'empty'),
    'socket-dir': dir,
    daemon: 'no',
    guardian: 'no',
    launch: 'gsqlite3',
    'gsqlite3-database': join(dir, 'db'),
    'local-address': address,
    'local-port': dnsPort,
    webserver: 'yes',
    'webserver-address': '127.0.0.1',
    'webserver-port': webPort,
    api: 'yes',
    'api-key': apiKey,
    'cache-ttl': 0,
    'query-cache-ttl': 0,
    'negquery-cache-ttl': 0,
    'zone-cache-refresh-interval': 0,
  }
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
  const command = ['--pdeathsig', 'KILL', '--', '/usr/sbin/pdns_server', ...args]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let written = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (written += chunk))
  t.after(() => void child.kill('SIGKILL'))
  const base = '/api/v1/servers/localhost/zones'
  const ask = (method: string, path: string, body?: unknown): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { 'X-API-Key': apiKey, 'Content-Type': 'application/json' }
      const sent = http.request({ host: '127.0.0.1', port: webPort, method, path, headers }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk))
        response.on('end', () =>
          (response.statusCode ?? 0) < 300 ? resolve(text) : reject(new Error(`${response.statusCode} ${text}`)),
        )
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  const end = AbortSignal.timeout(20_000)
  for (let isUp = false; !isUp; ) {
    isUp = await ask('GET', base).then(
      () => true,
      () => false,
    )
    if (end.aborted) throw new Error(`pdns does not start: ${written}`)
    if (!isUp) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url: `http://127.0.0.1:${webPort}`,
    dnsPort,
    async txt(name) {
      const resolver = new Resolver({ timeout: 2000, tries: 2 })
      resolver.setServers([`${address}:${dnsPort}`])
      try {
        return (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')).sort()
      } catch (e) {
        if (e instanceof Error && 'code' in e && ['ENODATA', 'ENOTFOUND'].includes(String(e.code))) return []
        throw e
      }
    },
    async addZone(zone, kind, records = {}) {
      const rrsets = Object.entries(records).map(([name, values]) => ({
        name: `${name}.`,
        type: 'TXT',
        ttl: 3600,
        records: values.map((value) => ({ content: `"${value}"`, disabled: false })),
      }))
      await ask('POST', base, { name: `${zone}.`, kind, nameservers: ['ns1.example.com.'], rrsets })
    },
    async addRecord(zone, name, type, content) {
      const set = { name: `${name}.`, type, ttl: 60, changetype: 'REPLACE', records: [{ content, disabled: false }] }
      await ask('PATCH', `${base}/${zone}.`, { rrsets: [set] })
    },
    zone: async (zone) => JSON.parse(await ask('GET', `${base}/${zone}.`)),
  }
}
