// Certificates proven by DNS, end to end: the command, Pebble, and a real PowerDNS that Pebble and nixacme both ask.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { prefix, variables as s3Variables, startBucket } from '../acme/fake-s3.ts'
import { needs } from '../support/needs.ts'
import { type Pebble, serve, startPebble, type WebServer } from '../support/pebble.ts'
import { type Running, type RunResult, runCli, spawnCli, temporaryDir } from '../support/process.ts'
import { filesWith } from '../support/tree.ts'
import { toml } from '../support/world.ts'
import { testDrafts } from './drafts.ts'
import { fromRows, type Row, startFakeDns } from './fake-dns.ts'
import { type PowerDns, startPowerDns } from './powerdns.ts'

/** Of this file: name servers are asked at port 53. */
const address = '127.0.53.1'
const cert = 'example.com'
const apex = '_acme-challenge.example.com'
const delegated = 'www.challenges.example.net'
/** A certificate of its own. */
const bucketName = 'bucket.example.net'

interface Scene {
  readonly dns: PowerDns
  readonly pebble: Pebble
  readonly web: WebServer
  readonly dir: string
  readonly env: Readonly<Record<string, string>>
  nixacme(...args: readonly string[]): Promise<RunResult>
}

/** One name by webroot, its wildcard by DNS, and one whose challenges a CNAME leads to another zone. */
async function startScene(t: TestContext): Promise<Scene> {
  const dns = await startPowerDns(t, 'canary-key', { address, port: 53 })
  for (const zone of ['example.com', 'example.net']) await dns.addZone(zone, 'Native')
  await dns.addRecord('example.com', 'ns1.example.com', 'A', address)
  await dns.addRecord('example.com', 'example.com', 'A', '127.0.0.1')
  await dns.addRecord('example.com', '_acme-challenge.www.example.com', 'CNAME', `${delegated}.`)
  const pebble = await startPebble({ dnsServer: `${address}:53`, retryAfter: { authz: 1, order: 3 } })
  t.after(() => pebble.stop())
  const dir = temporaryDir(t)
  const webroot = join(dir, 'www')
  mkdirSync(webroot)
  const web = await serve(webroot, pebble.httpPort)
  t.after(() => web.stop())
  writeFileSync(join(dir, 'key'), 'canary-key\n', { mode: 0o600 })
  const environment = {
    PDNS_API_URL: dns.url,
    PDNS_POLLING_INTERVAL: '1',
    ...s3Variables,
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${pebble.httpPort}`,
  }
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(join(dir, 'variables'), lines.join(''), { mode: 0o600 })
  const names = `\n[certs."${cert}".challenges]\n"*.example.com".dnsProvider = "pdns"\n"www.example.com".dnsProvider = "pdns"\n`
  const config = toml({
    global: { acceptTerms: true, useRoot: true },
    defaults: {
      email: 'admin@example.com',
      server: pebble.directoryUrl,
      webroot,
      caCertificates: [pebble.tlsRoot],
      group: 'root',
      dnsResolver: `${address}:53`,
      environmentFile: join(dir, 'variables'),
    },
    certs: { [cert]: { extraDomainNames: ['*.example.com', 'www.example.com'] }, [bucketName]: {} },
  })
  const credentials = `\n[certs."${cert}".credentialFiles]\nPDNS_API_KEY_FILE = "${join(dir, 'key')}"\n`
  const bucket = `\n[certs."${bucketName}".challenges]\n"${bucketName}".s3Bucket = "bucket"\n`
  writeFileSync(join(dir, 'config.toml'), config + credentials + names + bucket)
  const env = {
    NIXACME_CONFIG: join(dir, 'config.toml'),
    NIXACME_STATE_DIR: join(dir, 'state'),
    NIXACME_RUNTIME_DIR: join(dir, 'run'),
    NIXACME_JOBS_DIR: join(dir, 'jobs'),
  }
  return {
    dns,
    pebble,
    web,
    dir,
    env,
    async nixacme(...args) {
      const result = await runCli(args, { env, timeoutMs: 60_000 })
      assert.doesNotMatch(`${result.stdout}${result.stderr}`, /canary/)
      return result
    },
  }
}

const ledgerOf = ({ dir }: Scene) => join(dir, 'state', '.lego', cert, '.challenges.json')

/** The credentials are in no files but their own. */
function assertNowhere({ dir }: Scene): void {
  assert.deepEqual(filesWith('canary', [dir]), [join(dir, 'key'), join(dir, 'variables')])
}

async function assertNothingLeft(scene: Scene): Promise<void> {
  assertNowhere(scene)
  assert.deepEqual([await scene.dns.txt(apex), await scene.dns.txt(delegated)], [[], []])
  assert.equal(existsSync(ledgerOf(scene)), false)
}

test('at Pebble, which asks a real PowerDNS', async (t) => {
  if (!needs(t, 'root', 'pebble', 'pdns', 'sqlite3')) return
  const scene = await startScene(t)
  const { dns, pebble, env } = scene
  const untilRecord = async (running: Running) => {
    const end = AbortSignal.timeout(30_000)
    while ((await dns.txt(apex)).length === 0)
      if (end.aborted) assert.fail(`no record comes: ${(await running.end('SIGKILL')).stderr}`)
  }

  await t.test('dns test puts records where CNAMEs lead, sees them, and takes them away; no CA is asked', async () => {
    const { status, stderr } = await scene.nixacme('dns', 'test', cert)
    assert.equal(status, 0, stderr)
    assert.match(stderr, /the DNS shows the record for '\*\.example\.com'/)
    assert.match(stderr, /the DNS shows the record for 'www\.example\.com'/)
    await assertNothingLeft(scene)
    assert.equal(pebble.count('POST '), 0)
  })

  await t.test('a name by its webroot, its wildcard by DNS, and one by a CNAME: one certificate', async () => {
    const { status, stderr } = await scene.nixacme('renew', cert)
    assert.equal(status, 0, stderr)
    const leaf = new X509Certificate(readFileSync(join(scene.dir, 'state', cert, 'cert.pem')))
    const names = (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace('DNS:', ''))
    assert.deepEqual(names.sort(), ['*.example.com', 'example.com', 'www.example.com'])
    await assertNothingLeft(scene)
  })

  await t.test(
    'killed while its records are there: the next run takes them away, and leaves none of its own',
    async () => {
      const running = spawnCli(['renew', '--now', cert], { env })
      await untilRecord(running)
      assert.doesNotMatch(readFileSync(`/proc/${running.pid}/cmdline`, 'utf8'), /canary/)
      await running.end('SIGKILL')
      assert.equal((await dns.txt(apex)).length, 1)
      assert.equal(existsSync(ledgerOf(scene)), true)
      assertNowhere(scene)
      const { status, stderr } = await scene.nixacme('renew', '--now', cert)
      assert.equal(status, 0, stderr)
      await assertNothingLeft(scene)
    },
  )

  await t.test('a trial is killed: a run with nothing due takes its records away, without the CA', async () => {
    const running = spawnCli(['dns', 'test', cert], { env })
    await untilRecord(running)
    await running.end('SIGKILL')
    const before = pebble.count(' /')
    writeFileSync(join(scene.dir, 'key'), 'canary-wrong\n')
    const failing = await scene.nixacme('renew', cert)
    assert.equal(failing.status, 0, failing.stderr)
    assert.match(failing.stderr, /skipping renewal/)
    assert.match(failing.stderr, /warning: .*cannot remove the TXT record .*\n.*the next run tries again/)
    assert.equal(existsSync(ledgerOf(scene)), true)
    writeFileSync(join(scene.dir, 'key'), 'canary-key\n')
    const { status, stderr } = await scene.nixacme('renew', cert)
    assert.equal(status, 0, stderr)
    assert.match(stderr, /skipping renewal/)
    await assertNothingLeft(scene)
    assert.equal(pebble.count(' /'), before)
  })

  await t.test('stopped while its records are there: it takes them away itself', async () => {
    const running = spawnCli(['renew', '--now', cert], { env })
    await untilRecord(running)
    const { status, stderr } = await running.end('SIGTERM')
    assert.equal(status, 75, stderr)
    assert.doesNotMatch(stderr, /cannot remove/)
    await assertNothingLeft(scene)
  })

  await t.test(
    'a name server that never shows them: the whole order ends in its time, and they are gone',
    async (inner) => {
      const zoneRows = (zone: string): Row[] => [
        [zone, 'SOA', 'ns1.example.com'],
        [zone, 'NS', 'ns1.example.com'],
      ]
      const address1: Row = ['ns1.example.com', 'A', address]
      const stale = await startFakeDns(
        inner,
        fromRows([...zoneRows('example.com'), ...zoneRows('example.net'), address1]),
      )
      const config = readFileSync(env['NIXACME_CONFIG'] ?? '', 'utf8')
      const slow = config.replace(`"${address}:53"`, `"${stale.text}"\norderTimeout = "10s"`)
      writeFileSync(join(scene.dir, 'slow.toml'), slow)
      const variables = readFileSync(join(scene.dir, 'variables'), 'utf8')
      writeFileSync(join(scene.dir, 'variables'), `${variables}PDNS_PROPAGATION_TIMEOUT=900\n`)
      const { status, stderr } = await scene.nixacme('--config', join(scene.dir, 'slow.toml'), 'renew', '--now', cert)
      assert.equal(status, 69, stderr)
      assert.match(stderr, /waiting for '127\.0\.0\.1:\d+' to show the record/)
      assert.match(stderr, /the work with the CA at .* took longer than 10 s/)
      await assertNothingLeft(scene)
      writeFileSync(join(scene.dir, 'variables'), variables)
    },
  )

  await t.test('a name by an object in a bucket that the CA finds at its web server', async (inner) => {
    await scene.web.stop()
    await dns.addRecord('example.net', bucketName, 'A', '127.0.0.1')
    const bucket = await startBucket(inner, undefined, pebble.httpPort)
    const { status, stderr } = await scene.nixacme('renew', bucketName)
    assert.equal(status, 0, stderr)
    const tokens = bucket.asked.filter(({ method }) => method === 'GET').map(({ path }) => path)
    assert.ok(tokens.length > 0 && tokens.every((path) => path.startsWith(`/${prefix}`)), tokens.join())
    assert.deepEqual([...bucket.objects], [])
  })

  await t.test('a wrong key: refused before the CA is asked to look, and not told', async () => {
    writeFileSync(join(scene.dir, 'key'), 'canary-wrong\n')
    const before = pebble.count('POST /chalZ/')
    const { status, stderr } = await scene.nixacme('renew', '--now', cert)
    assert.equal(status, 76, stderr)
    assert.match(stderr, /PowerDNS answered .* with status 401/)
    assert.equal(pebble.count('POST /chalZ/'), before)
    await scene.nixacme('dns', 'test', cert)
    assert.deepEqual(await dns.txt(apex), [])
  })

  await t.test('the drafts', (inner) =>
    testDrafts(inner, {
      dns,
      pebble,
      dir: join(scene.dir, 'drafts'),
      server: { address, port: 53 },
      resolver: { address: '127.0.53.50', port: 53 },
      apiKey: 'canary-key',
    }),
  )
})
