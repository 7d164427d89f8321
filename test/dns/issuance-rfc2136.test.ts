// Certificates by dynamic updates, end to end: the command, real name servers, and two Pebbles that see what a CA would see,
// one by way of BIND, which looks everything up, and one of Knot DNS. lego, too, with the same file of credentials.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { legos } from '../lego/nixos.ts'
import { needs } from '../support/needs.ts'
import { type Pebble, startPebble } from '../support/pebble.ts'
import { type Running, type RunResult, runCli, spawnCli, temporaryDir } from '../support/process.ts'
import { toml } from '../support/world.ts'
import { keyName, type NameServers, policed, secretOf, startNameServers } from './name-servers.ts'

/** Of this file: the world asks name servers at port 53. */
const addresses = { bind: '127.0.53.2', secondary: '127.0.53.3', knot: '127.0.53.4' }
const [atBind, atKnot] = [`${addresses.bind}:53`, `${addresses.knot}:53`]
const foreign = 'v=spf1 -all'
const path = { PATH: process.env['PATH'] ?? '' }

interface Scene {
  readonly servers: NameServers
  /** By the name server that it asks. */
  readonly bindCa: Pebble
  readonly knotCa: Pebble
  readonly dir: string
  readonly env: Readonly<Record<string, string>>
  /** Writes the credentials for a server, in the form that NixOS's manual has, with changes. */
  credentials(server: string, changes?: Readonly<Record<string, string>>): void
  renew(cert: string): Promise<RunResult>
  start(cert: string): Running
  /** In byte order. */
  names(cert: string): string[]
}

const fileFor = (dir: string, server: string) => join(dir, `credentials-${server === atBind ? 'bind' : 'knot'}`)

/** One server: names of BIND's zone; of a zone below that has a policy; those of Knot's zones, seen from BIND and from itself. */
function certificates(dir: string, [bindCa, knotCa]: readonly [Pebble, Pebble]) {
  const of = (ca: Pebble, server: string, extraDomainNames: readonly string[]) => ({
    extraDomainNames,
    server: ca.directoryUrl,
    caCertificates: [ca.tlsRoot],
    dnsResolver: ca === bindCa ? atBind : atKnot,
    credentialsFile: fileFor(dir, server),
  })
  const lego = (command: string) => ({
    ...of(knotCa, atKnot, []),
    engine: 'lego',
    ...(command === 'lego' ? {} : { legoPath: command }),
    // lego asks the machine's own resolvers for the addresses of name servers, whatever `dnsResolver` says.
    dnsPropagationCheck: false,
  })
  return {
    'example.test': of(bindCa, atBind, ['*.example.test', 'www.example.test']),
    'www.child.example.test': of(bindCa, atBind, ['child.example.test']),
    'alias.example.test': of(bindCa, atKnot, ['far.example.test', '*.far.example.test']),
    'elsewhere.test': of(knotCa, atKnot, ['*.elsewhere.test', 'deep.www.elsewhere.test']),
    ...Object.fromEntries(legos.map(({ command }, i) => [`lego${i}.elsewhere.test`, lego(command)])),
  }
}

async function startScene(t: TestContext): Promise<Scene> {
  const servers = await startNameServers(t, addresses)
  const cas = await Promise.all([atBind, atKnot].map((dnsServer) => startPebble({ dnsServer })))
  const [bindCa, knotCa] = cas as [Pebble, Pebble]
  t.after(() => Promise.all(cas.map((ca) => ca.stop())))
  const dir = temporaryDir(t)
  const config = toml({
    global: { acceptTerms: true, useRoot: true },
    defaults: { email: 'admin@example.test', dnsProvider: 'rfc2136', group: 'root' },
    certs: certificates(dir, [bindCa, knotCa]),
  })
  writeFileSync(join(dir, 'config.toml'), config)
  const env = {
    ...path,
    NIXACME_CONFIG: join(dir, 'config.toml'),
    NIXACME_STATE_DIR: join(dir, 'state'),
    NIXACME_RUNTIME_DIR: join(dir, 'run'),
    NIXACME_JOBS_DIR: join(dir, 'jobs'),
  }
  const scene: Scene = {
    ...{ servers, bindCa, knotCa, dir, env },
    credentials(server, changes = {}) {
      const variables = {
        RFC2136_NAMESERVER: server,
        RFC2136_TSIG_ALGORITHM: 'hmac-sha256.',
        RFC2136_TSIG_KEY: keyName('hmac-sha256'),
        RFC2136_TSIG_SECRET: secretOf('hmac-sha256'),
        RFC2136_POLLING_INTERVAL: '1',
        ...changes,
      }
      const lines = Object.entries(variables).map(([name, value]) => `${name}='${value}'\n`)
      writeFileSync(fileFor(dir, server), lines.join(''), { mode: 0o600 })
    },
    async renew(cert) {
      const result = await runCli(['renew', '--now', cert], { env })
      for (const one of ['hmac-sha256', 'stranger'])
        assert.equal(`${result.stdout}${result.stderr}`.includes(secretOf(one).slice(0, 8)), false)
      return result
    },
    start: (cert) => spawnCli(['renew', '--now', cert], { env }),
    names(cert) {
      const leaf = new X509Certificate(readFileSync(join(dir, 'state', cert, 'cert.pem')))
      return (leaf.subjectAltName ?? '').replaceAll('DNS:', '').split(', ').sort()
    },
  }
  for (const server of [atBind, atKnot]) scene.credentials(server)
  return scene
}

/** What a run could not take away, by name, which the next tries again. */
const remembered = ({ dir }: Scene, cert: string): string[] => {
  const file = join(dir, 'state', '.lego', cert, '.challenges.json')
  return existsSync(file)
    ? [...readFileSync(file, 'utf8').matchAll(/"name": ?"([^"]+)"/g)].map(([, name = '']) => name)
    : []
}

/** At BIND's own names. */
async function assertNoRecords({ servers: { txt } }: Scene): Promise<void> {
  assert.deepEqual(await txt(atBind, '_acme-challenge.example.test'), [foreign])
  for (const name of ['_acme-challenge.www.example.test', '_acme-challenge.child.example.test', policed])
    assert.deepEqual(await txt(atBind, name), [])
}

async function assertNothingLeft(scene: Scene, cert: string): Promise<void> {
  await assertNoRecords(scene)
  assert.deepEqual(remembered(scene, cert), [])
}

async function refusals(t: TestContext, scene: Scene): Promise<void> {
  await t.test('the secret of another key: told without it, and the CA has looked at nothing', async () => {
    scene.credentials(atBind, { RFC2136_TSIG_SECRET: secretOf('stranger') })
    const { status, stderr } = await scene.renew('example.test')
    scene.credentials(atBind)
    assert.equal(status, 76, stderr)
    const words = "'127.0.53.2:53' refused the TSIG key 'acme-hmac-sha256' (hmac-sha256): BADSIG, another secret"
    assert.ok(stderr.includes(`error: example.test: the name server ${words}\n`), stderr)
    assert.equal(scene.bindCa.count('POST /chalZ/'), 0)
    await assertNoRecords(scene)
  })

  await t.test('a policy that lets one name be changed, but not the other: that one is left alone, too', async () => {
    const cert = 'www.child.example.test'
    const { status, stderr } = await scene.renew(cert)
    assert.equal(status, 76, stderr)
    assert.match(
      stderr,
      /error: .* refused the update of '_acme-challenge\.child\.example\.test' in zone 'child\.example\.test': REFUSED\n/,
    )
    assert.equal(scene.bindCa.count('POST /chalZ/'), 0)
    await assertNoRecords(scene)
    assert.deepEqual(remembered(scene, cert), ['_acme-challenge.child.example.test'])
  })
}

/** BIND's secondary is told of nothing: it shows what is new when the test wants it to. */
async function slowSecondary(t: TestContext, scene: Scene): Promise<void> {
  const { servers, bindCa } = scene
  const cert = 'example.test'
  const apex = `_acme-challenge.${cert}`
  const waits = /waiting for 'ns2\.example\.test' \(127\.0\.53\.3\) to show the record/

  await t.test('killed while it is waited for: the records stay, and the CA has looked at none', async () => {
    const running = scene.start(cert)
    await running.stderrMatch(waits)
    await running.end('SIGKILL')
    assert.equal((await servers.txt(atBind, apex)).length, 3)
    assert.equal((await servers.txt(atBind, '_acme-challenge.www.example.test')).length, 1)
    assert.equal(bindCa.count('POST /chalZ/'), 0)
  })

  await t.test('the next run takes them away, waits in sight, and answers when all servers show its own', async () => {
    const running = scene.start(cert)
    await running.stderrMatch(waits)
    assert.equal((await servers.txt(atBind, apex)).length, 3)
    assert.equal(bindCa.count('POST /chalZ/'), 0)
    await servers.refresh()
    const { status, stderr } = await running.finished
    assert.equal(status, 0, stderr)
    assert.deepEqual(scene.names(cert), ['*.example.test', 'example.test', 'www.example.test'])
    assert.equal(bindCa.count('POST /chalZ/'), 3)
    await assertNothingLeft(scene, cert)
  })

  await t.test('too slow for RFC2136_PROPAGATION_TIMEOUT: told, and nothing is left', async () => {
    scene.credentials(atBind, { RFC2136_PROPAGATION_TIMEOUT: '1' })
    const { status, stderr } = await scene.renew(cert)
    scene.credentials(atBind)
    assert.equal(status, 69, stderr)
    assert.match(
      stderr,
      /error: .*'_acme-challenge\.\S+' is not to be seen after 1 s: 'ns2\.example\.test' \(127\.0\.53\.3\): /,
    )
    assert.equal(bindCa.count('POST /chalZ/'), 3)
    await assertNothingLeft(scene, cert)
  })
}

async function splitZones(scene: Scene): Promise<void> {
  const cert = 'alias.example.test'
  const { status, stderr } = await scene.renew(cert)
  assert.equal(status, 0, stderr)
  assert.deepEqual(scene.names(cert), ['*.far.example.test', cert, 'far.example.test'])
  for (const name of ['_acme-challenge.alias.elsewhere.test', '_acme-challenge.far.example.test'])
    assert.deepEqual(await scene.servers.txt(atKnot, name), [])
}

async function throughKnot(scene: Scene): Promise<void> {
  const { status, stderr } = await scene.renew('elsewhere.test')
  assert.equal(status, 0, stderr)
  assert.deepEqual(scene.names('elsewhere.test'), ['*.elsewhere.test', 'deep.www.elsewhere.test', 'elsewhere.test'])
  assert.deepEqual(await scene.servers.txt(atKnot, '_acme-challenge.elsewhere.test'), [foreign])
  assert.deepEqual(await scene.servers.txt(atKnot, '_acme-challenge.deep.www.elsewhere.test'), [])
}

async function byLego(scene: Scene, cert: string): Promise<void> {
  const { status, stderr } = await scene.renew(cert)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /lego: .*Preparing to solve DNS-01/)
  assert.deepEqual(scene.names(cert), [cert])
  assert.deepEqual(await scene.servers.txt(atKnot, `_acme-challenge.${cert}`), [])
}

test('at Pebble, which asks BIND, and at one which asks Knot', { concurrency: 4 }, async (t) => {
  if (!needs(t, 'root', 'pebble', 'bind9', 'knot')) return
  const scene = await startScene(t)
  await Promise.all([
    t.test('at BIND', async (one) => {
      await refusals(one, scene)
      await one.test('a slow secondary', (two) => slowSecondary(two, scene))
      await one.test('a part of its zone, and a CNAME, that lead to Knot: proven there', () => splitZones(scene))
    }),
    t.test('at Knot: a name, its wildcard and a name below, in one order', () => throughKnot(scene)),
    ...legos.map(({ name }, i) =>
      t.test(`${name}, with the same credentials, at Knot`, async (one) => {
        if (needs(one, 'lego')) await byLego(scene, `lego${i}.elsewhere.test`)
      }),
    ),
  ])
})
