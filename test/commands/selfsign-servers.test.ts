// Real servers load what selfsign installs, and a client that trusts the local CA alone believes them, name by name.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Part } from '../parts/find.mjs'
import { makeStart, type Start } from '../renewal/support/preliminary.ts'
import { needs } from '../support/needs.ts'
import { nginxCommand } from '../support/nginx.ts'
import { freePort } from '../support/pebble.ts'
import { type Running, run, start as startProgram, temporaryDir } from '../support/process.ts'

const isRoot = process.geteuid?.() === 0
const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }

const nginxServer = (out: string, port: number): string => `
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${out}/fullchain.pem;
    ssl_certificate_key ${out}/key.pem;
    ssl_trusted_certificate ${out}/chain.pem;
    location / { return 204; }
`

const apacheConfig = (dir: string, out: string, port: number): string => `
ServerRoot ${dir}
ServerName localhost
DefaultRuntimeDir ${dir}
PidFile ${dir}/apache.pid
ErrorLog ${dir}/error.log
Listen 127.0.0.1:${port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
${isRoot ? 'User nobody\nGroup nogroup' : ''}
SSLEngine on
SSLSessionCache none
SSLCertificateFile ${out}/cert.pem
SSLCertificateKeyFile ${out}/key.pem
SSLCertificateChainFile ${out}/chain.pem
`

interface Server {
  readonly name: string
  readonly parts: readonly Part[]
  command(dir: string, out: string, port: number): readonly string[]
}

const servers: readonly Server[] = [
  {
    name: 'nginx',
    parts: ['nginx'],
    command: (dir, out, port) => nginxCommand(dir, nginxServer(out, port)),
  },
  {
    name: 'Apache',
    parts: ['apache'],
    command(dir, out, port) {
      writeFileSync(join(dir, 'apache.conf'), apacheConfig(dir, out, port))
      return ['apache2', '-f', join(dir, 'apache.conf'), '-D', 'FOREGROUND']
    },
  },
  {
    name: 'openssl s_server, with full.pem alone',
    parts: [],
    command: (_dir, out, port) => [
      'openssl',
      's_server',
      '-accept',
      `127.0.0.1:${port}`,
      '-cert',
      join(out, 'full.pem'),
      '-key',
      join(out, 'full.pem'),
      '-cert_chain',
      join(out, 'chain.pem'),
      '-quiet',
    ],
  },
]

/** What openssl's client says of the server, which it must believe for this name. */
const connect = ({ ca }: Start, port: number, name: string) => {
  const isAddress = /^[\d.]+$|:/.test(name)
  const identity = isAddress ? ['-verify_ip', name] : ['-verify_hostname', name, '-servername', name]
  const trust = [
    '-CAfile',
    ca.certificate,
    '-no-CApath',
    '-no-CAstore',
    '-verify_return_error',
    '-purpose',
    'sslserver',
  ]
  return run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...trust, ...identity], { env })
}

/** Names of a certificate, and those that a client is to believe it for. */
const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['plain names', ['a.test', 'www.a.test'], ['a.test', 'www.a.test']],
  ['a wildcard', ['*.a.test'], ['www.a.test']],
  ['addresses', ['192.0.2.7', '2001:db8::1', 'a.test'], ['192.0.2.7', '2001:db8::1', 'a.test']],
  ['an internationalised name', ['xn--bcher-kva.test'], ['xn--bcher-kva.test']],
  ['a name too long for a subject', [`${'a'.repeat(60)}.test`], [`${'a'.repeat(60)}.test`]],
]

async function serve(t: TestContext, server: Server, start: Start): Promise<number> {
  const dir = join(temporaryDir(t), 'server')
  mkdirSync(dir)
  const port = await freePort()
  const [file = '', ...args] = server.command(dir, start.paths.out, port)
  const running: Running = startProgram(file, args, { env })
  t.after(() => running.end('SIGTERM'))
  const end = AbortSignal.timeout(15_000)
  while ((await run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`], { env })).status !== 0) {
    if (end.aborted || running.child.exitCode !== null) assert.fail(`does not start: ${running.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return port
}

for (const server of servers)
  for (const [what, names, believed] of cases)
    test(`${server.name}: ${what}`, async (t) => {
      if (!needs(t, 'openssl', ...server.parts)) return
      const start = makeStart(t)
      await start.selfsign(names)
      const port = await serve(t, server, start)
      for (const name of believed) {
        const { status, stdout, stderr } = await connect(start, port, name)
        assert.equal(status, 0, stderr)
        assert.match(stdout, /Verification: OK/)
      }
      assert.notEqual((await connect(start, port, 'stranger.test')).status, 0)
    })
