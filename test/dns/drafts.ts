// dns-account-01 and dns-persist-01 at Pebble, which has both as drafts, in the scene of issuance.test.ts: records that a
// provider puts below a label of the account, and records that somebody made once.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { accountLabel } from '../../src/job/proof-records.ts'
import type { Pebble } from '../support/pebble.ts'
import { runCli } from '../support/process.ts'
import { toml } from '../support/world.ts'
import type { PowerDns } from './powerdns.ts'
import { type Place, relayAsResolver } from './relay.ts'

export interface DraftScene {
  readonly dns: PowerDns
  readonly pebble: Pebble
  /** A folder for these tests alone. */
  readonly dir: string
  /** Where the DNS server is, and where a resolver that asks it can listen. */
  readonly server: Place
  readonly resolver: Place
  readonly apiKey: string
}

/** As Pebble calls itself. */
const issuer = 'pebble.letsencrypt.org'
const labelled = 'labelled'
const standing = 'standing'
/** At what is another CA by its URL. */
const elsewhere = 'elsewhere'
const place = '_validation-persist.example.net'
/** Where a CNAME below the label leads. */
const delegated = 'labelled.challenges.example.net'

interface PlannedRecord {
  readonly challenge: string
  readonly proves: readonly string[]
  readonly name: string
  readonly value: string | null
}

/** The command in a state of its own, with a certificate for each draft. */
function commandIn({ dns, pebble, dir, resolver, apiKey }: DraftScene) {
  mkdirSync(dir)
  writeFileSync(join(dir, 'key'), `${apiKey}\n`, { mode: 0o600 })
  writeFileSync(join(dir, 'variables'), `PDNS_API_URL=${dns.url}\nPDNS_POLLING_INTERVAL=1\n`, { mode: 0o600 })
  const env = {
    NIXACME_CONFIG: join(dir, 'config.toml'),
    NIXACME_STATE_DIR: join(dir, 'state'),
    NIXACME_RUNTIME_DIR: join(dir, 'run'),
    NIXACME_JOBS_DIR: join(dir, 'jobs'),
  }
  const secondCa = pebble.directoryUrl.replace('localhost', '127.0.0.1')
  assert.notEqual(secondCa, pebble.directoryUrl)
  const configure = (dnsPersist: string, servers: readonly string[] = []) => {
    const several = servers.length > 0 ? { servers } : {}
    const config = toml({
      global: { acceptTerms: true, useRoot: true },
      defaults: {
        email: 'drafts@example.com',
        server: pebble.directoryUrl,
        caCertificates: [pebble.tlsRoot],
        group: 'root',
        dnsResolver: `${resolver.address}:${resolver.port}`,
        environmentFile: join(dir, 'variables'),
      },
      certs: {
        [labelled]: {
          domain: 'example.com',
          extraDomainNames: ['*.example.com', 'www.example.com'],
          dnsProvider: 'pdns',
          dnsAccountLabel: true,
        },
        [standing]: { domain: 'example.net', extraDomainNames: ['*.example.net'], dnsPersist, ...several },
        [elsewhere]: { domain: 'example.net', dnsPersist, server: secondCa },
      },
    })
    const credentials = `\n[certs.${labelled}.credentialFiles]\nPDNS_API_KEY_FILE = "${join(dir, 'key')}"\n`
    writeFileSync(join(dir, 'config.toml'), config + credentials)
  }
  const nixacme = (...args: readonly string[]) => runCli(args, { env, timeoutMs: 60_000 })
  const records = async (cert: string): Promise<readonly PlannedRecord[]> => {
    const { status, stdout, stderr } = await nixacme('plan', '--json', cert)
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout)[0].records
  }
  const namesIn = (cert: string) => {
    const { subjectAltName = '' } = new X509Certificate(readFileSync(join(dir, 'state', cert, 'cert.pem')))
    return subjectAltName.replaceAll('DNS:', '').split(', ').sort()
  }
  return { configure, secondCa, nixacme, records, namesIn, state: join(dir, 'state') }
}

export async function testDrafts(t: TestContext, scene: DraftScene): Promise<void> {
  const { dns, pebble, dir, server, resolver } = scene
  const absent = await relayAsResolver(t, resolver, server)
  const { configure, secondCa, nixacme, records, namesIn, state } = commandIn(scene)
  const orders = () => pebble.count('POST /order-plz')
  const before = orders()
  const txt = (value: string) => dns.addRecord('example.net', place, 'TXT', `"${value}"`)
  let value = ''
  configure(issuer)

  await t.test(
    'a standing record that is missing: the account is made, the record told, and nothing ordered',
    async () => {
      const { status, stderr } = await nixacme('renew', standing)
      assert.equal(status, 78, stderr)
      assert.match(
        stderr,
        /the record '_validation-persist\.example\.net' does not prove 'example\.net' and '\*\.example\.net'/,
      )
      assert.match(stderr, /at 'ns1\.example\.com' \(127\.0\.53\.1\) it is missing/)
      const [record] = await records(standing)
      value = record?.value ?? ''
      assert.deepEqual([record?.challenge, record?.name], ['dns-persist-01', place])
      assert.match(value, /^pebble\.letsencrypt\.org; accounturi=https:\/\/.*; policy=wildcard$/)
      assert.ok(stderr.includes(`${place}. IN TXT "${value}"`), stderr)
      const text = await nixacme('plan', standing)
      assert.ok(text.stdout.includes(`by hand, once: IN TXT "${value}"`), text.stdout)
      assert.equal(orders(), before)
      const [memory = ''] = readdirSync(state, { recursive: true, encoding: 'utf8' }).filter((path) =>
        path.endsWith('nixacme.json'),
      )
      assert.deepEqual(JSON.parse(readFileSync(join(state, memory), 'utf8')).orders ?? [], [])
    },
  )

  await t.test('one of another account, and one without the wildcard: told, and nothing ordered', async () => {
    await txt(value.replace('accounturi=https://', 'accounturi=https://other.'))
    const other = await nixacme('renew', '--now', standing)
    assert.equal(other.status, 78, other.stderr)
    assert.match(other.stderr, /it is for another account, 'https:\/\/other\./)
    await txt(value.replace('; policy=wildcard', ''))
    const narrow = await nixacme('renew', '--now', '--dry-run', standing)
    assert.equal(narrow.status, 78, narrow.stderr)
    assert.match(narrow.stderr, /it lacks 'policy=wildcard'/)
    assert.equal(orders(), before)
  })

  await t.test('as it was told: a name and its wildcard, and the record stays', async () => {
    await txt(value)
    const tried = await nixacme('dns', 'test', standing)
    assert.equal(tried.status, 0, tried.stderr)
    assert.match(tried.stderr, /the DNS has the record for '\*\.example\.net'/)
    assert.equal(orders(), before)
    const { status, stderr } = await nixacme('renew', '--now', standing)
    assert.equal(status, 0, stderr)
    assert.deepEqual(namesIn(standing), ['*.example.net', 'example.net'])
    assert.deepEqual(await dns.txt(place), [value])
    assert.doesNotMatch(stderr, /this CA calls itself/)
    assert.equal(orders(), before + 1)
  })

  await t.test('two CAs: the records for the accounts of both are printed, and looked for by dns test', async () => {
    assert.equal((await nixacme('renew', elsewhere)).status, 78)
    const [second] = await records(elsewhere)
    configure(issuer, [pebble.directoryUrl, secondCa])
    const both = await records(standing)
    assert.deepEqual(
      both.map((record) => record.value),
      [value, `${second?.value}; policy=wildcard`],
    )
    const tried = await nixacme('dns', 'test', standing)
    assert.equal(tried.status, 78, tried.stderr)
    assert.ok(tried.stderr.includes(`${place}. IN TXT "${second?.value}; policy=wildcard"`), tried.stderr)
    configure(issuer)
  })

  await t.test(
    'for a name that is not the CA’s: refused with those that are, and no challenge is answered',
    async () => {
      configure('other.example')
      await txt(value.replace(issuer, 'other.example'))
      const answered = pebble.count('POST /chalZ/')
      const { status, stderr } = await nixacme('renew', '--now', standing)
      assert.equal(status, 76, stderr)
      assert.match(stderr, /does not take records for 'other\.example' .*, only for: 'pebble\.letsencrypt\.org'/)
      const early = /'dnsPersist' is 'other\.example', and this CA calls itself 'pebble\.letsencrypt\.org'/
      assert.match(stderr, early)
      assert.match((await nixacme('renew', '--now', '--dry-run', standing)).stderr, early)
      assert.equal(pebble.count('POST /chalZ/'), answered)
    },
  )

  await t.test(
    'below a label of the account: a name, its wildcard, and one by a CNAME of the longer name',
    async () => {
      const [apex, www] = (await records(labelled)) as readonly [PlannedRecord, PlannedRecord]
      const label = accountLabel(value.replace(/^.*accounturi=([^;]*).*$/, '$1'))
      assert.deepEqual([apex.name, apex.proves.length], [`${label}._acme-challenge.example.com`, 2])
      await dns.addRecord('example.com', www.name, 'CNAME', `${delegated}.`)
      absent.clear()
      const { status, stderr } = await nixacme('renew', labelled)
      assert.equal(status, 0, stderr)
      const kept = [...absent].filter((name) => [apex, www].some((record) => record.name.endsWith(name)))
      assert.deepEqual(kept, [], 'no resolver is made to keep that a record, or a name above it, is not there')
      assert.ok(stderr.includes(`the CNAME of '${www.name}' leads to '${delegated}'`), stderr)
      assert.deepEqual(namesIn(labelled), ['*.example.com', 'example.com', 'www.example.com'])
      assert.deepEqual([await dns.txt(apex.name), await dns.txt(delegated)], [[], []])
    },
  )

  await t.test('a provider that makes names itself: told before the CA is asked for anything', async () => {
    writeFileSync(join(dir, 'variables'), 'EXEC_PATH=/bin/true\nEXEC_MODE=RAW\n')
    const config = readFileSync(join(dir, 'config.toml'), 'utf8')
    writeFileSync(join(dir, 'config.toml'), config.replace('"pdns"', '"exec"'))
    const requests = pebble.count('POST ')
    const { status, stderr } = await nixacme('renew', '--now', labelled)
    assert.equal(status, 78, stderr)
    assert.match(stderr, /the DNS provider 'exec' makes the name of the record itself, without a label of the account/)
    assert.equal(pebble.count('POST '), requests)
  })
}
