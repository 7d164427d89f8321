// Revoked certificates and compromised keys: known by their fingerprints wherever they come from, and by nothing else.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fingerprintsOf, keyFingerprint } from '../../src/certificate/fingerprint.ts'
import { markRevoked, quarantine, quarantinedKey, toRevoke } from '../../src/renewal/condemn.ts'
import { condemnation, isCompromised } from '../../src/renewal/condemned.ts'
import { readAllOnDisk } from '../../src/renewal/on-disk.ts'
import { readState } from '../../src/renewal/state.ts'
import { assemble, makeSet } from '../support/certificates.ts'
import { run, temporaryDir } from '../support/process.ts'
import { makeJob } from './support/lock-job.ts'
import { installIn, layPlain, makeWorld, names, putIn, storeIn, type World } from './support/world.ts'

const world = (t: TestContext): World => makeWorld(temporaryDir(t, 'nixacme-condemned'))
const now = new Date('2026-11-22T04:00:00Z')
const [one, other] = await Promise.all([makeSet({ names }), makeSet({ names, keyType: 'rsa2048' })])

const put = ({ paths }: World, set = one, revokeAt: string | undefined = undefined) =>
  quarantine(paths, [{ chain: set.fullchain, key: set.key, revokeAt }], now)

test('the fingerprint of a key is the same from key and certificate, and the one that openssl gives', async (t) => {
  const dir = temporaryDir(t, 'nixacme-fingerprint')
  for (const set of [one, other]) {
    const file = join(dir, 'key.pem')
    fs.writeFileSync(file, set.key)
    const print = keyFingerprint(set.key)
    assert.equal(fingerprintsOf(set.fullchain).key, print)
    const command = `openssl pkey -in ${file} -pubout -outform der | sha256sum`
    assert.equal((await run('sh', ['-c', command])).stdout.slice(0, 64), print)
  }
})

test('nothing is condemned where nothing was, and no folder is made by asking', (t) => {
  const { paths } = world(t)
  assert.equal(condemnation(paths, one.fullchain), undefined)
  assert.equal(isCompromised(paths, one.key), false)
  assert.deepEqual(toRevoke(paths), [])
  assert.deepEqual(fs.readdirSync(paths.legoCert), ['549839e4ae8616de7ad5'])
})

test('a key under quarantine: its certificates are out of use, all of them; others are not', async (t) => {
  const w = world(t)
  put(w)
  assert.equal(condemnation(w.paths, one.fullchain), 'the key is compromised')
  assert.deepEqual([isCompromised(w.paths, one.key), isCompromised(w.paths, other.key)], [true, false])
  assert.equal(condemnation(w.paths, other.fullchain), undefined)
  storeIn(w, other)
  assert.equal(readState(w.paths).candidate.kind, 'usable')
  fs.writeFileSync(w.paths.key, one.key)
  fs.writeFileSync(w.paths.certificate, one.fullchain)
  assert.deepEqual(readState(w.paths).candidate, { kind: 'unusable', reason: 'the key is compromised' })
})

test('a revoked certificate is out of use, its key alone is not', (t) => {
  const { paths } = world(t)
  markRevoked(paths, one.fullchain, 'superseded', undefined)
  assert.equal(condemnation(paths, one.fullchain), 'the certificate is revoked')
  assert.deepEqual([isCompromised(paths, one.key), condemnation(paths, other.fullchain)], [false, undefined])
})

test('no compromised key is stored, whoever brings it', (t) => {
  const w = world(t)
  storeIn(w, other)
  put(w)
  assert.throws(() => storeIn(w, one), /is for a key that is compromised: it is not stored/)
  assert.deepEqual(readState(w.paths).candidate.kind, 'usable')
  assert.ok(fs.readFileSync(w.paths.key, 'utf8') === other.key)
})

test('an installed set that is condemned gives way to a worse one', async (t) => {
  const older = await makeSet({ names, notBefore: new Date(Date.now() - 10 * 86_400_000) })
  for (const condemn of [put, ({ paths }: World) => markRevoked(paths, one.fullchain, 'superseded', undefined)]) {
    const w = world(t)
    putIn(w, one)
    assert.equal(installIn(w, older).kind, 'kept')
    condemn(w)
    assert.equal(installIn(w, older).kind, 'installed')
  }
})

test('what is to be revoked stays known until it is done, with key and CA, the latest first', (t) => {
  const w = world(t)
  put(w, one, 'https://ca.test/dir')
  quarantine(w.paths, [{ chain: other.fullchain, key: undefined, revokeAt: '' }], new Date(now.getTime() + 1000))
  const [second, first, ...more] = toRevoke(w.paths)
  assert.deepEqual(more, [])
  assert.deepEqual([second?.chain, second?.key, second?.directoryUrl], [other.fullchain, undefined, ''])
  assert.deepEqual([first?.chain, first?.key, first?.directoryUrl], [one.fullchain, one.key, 'https://ca.test/dir'])
  first?.done()
  first?.done()
  assert.deepEqual(
    toRevoke(w.paths).map(({ chain }) => chain),
    [other.fullchain],
  )
  assert.equal(condemnation(w.paths, one.fullchain), 'the key is compromised')
  assert.equal(quarantinedKey(w.paths, one.fullchain), one.key)
  assert.equal(quarantinedKey(w.paths, other.fullchain), undefined)
})

test('an unfinished quarantine is none, and is cleared away by the next', (t) => {
  const w = world(t)
  put(w)
  const [name = ''] = fs.readdirSync(w.paths.compromised)
  const leftover = join(w.paths.compromised, `.${name}.7-1.tmp`)
  fs.renameSync(join(w.paths.compromised, name), leftover)
  assert.equal(condemnation(w.paths, one.fullchain), undefined)
  put(w, other)
  assert.ok(!fs.existsSync(leftover))
})

test('a quarantine that cannot be read stops everything: the key could be in it', (t) => {
  const { paths } = world(t)
  fs.writeFileSync(paths.compromised, 'a file in its place')
  for (const ask of [() => condemnation(paths, one.fullchain), () => isCompromised(paths, one.key)])
    assert.throws(ask, /cannot read '.*compromised': not a directory/)
})

test('all keys on the disk are found, each once, and no self-signed one', async (t) => {
  const w = world(t)
  const [installed, pending, lone] = await Promise.all([1, 2, 3].map(() => makeSet({ names })))
  assert.ok(installed && pending && lone)
  const [server] = makeJob().servers
  const { directoryUrl } = server
  const servers = [{ ...server, hashes: { account: 'a', certDir: '549839e4ae8616de7ad5' } }] as const
  putIn(w, one)
  putIn(w, other)
  const pendingDir = join(w.paths.legoCert, 'f'.repeat(20), '.pending')
  fs.mkdirSync(pendingDir, { recursive: true })
  fs.writeFileSync(join(pendingDir, 'x.test.key'), pending.key)
  fs.writeFileSync(join(pendingDir, 'x.test.crt'), pending.fullchain)
  fs.writeFileSync(join(w.paths.certificates, 'old.test.key'), lone.key)
  fs.writeFileSync(join(w.paths.certificates, 'damaged.key'), 'no key')
  fs.writeFileSync(join(w.paths.certificates, 'damaged.crt'), 'no certificate')
  const { certificates, keys } = readAllOnDisk(w.paths, servers)
  const chains = (url: string) => certificates.filter((c) => c.directoryUrl === url).map(({ chain }) => chain)
  assert.deepEqual(chains(directoryUrl), [other.fullchain])
  assert.deepEqual(chains('').sort(), [one.fullchain, pending.fullchain].sort())
  assert.deepEqual([...keys.keys()].sort(), [one, other, pending, lone].map(({ key }) => keyFingerprint(key)).sort())
  for (const { chain, key } of certificates) assert.equal(fingerprintsOf(chain).key, keyFingerprint(key ?? ''))
  const bare = world(t)
  layPlain(bare, installed)
  assert.deepEqual(
    readAllOnDisk(bare.paths, servers).certificates.map(({ chain }) => chain),
    [installed.fullchain],
  )
})

test('a key and the certificate of another one beside it: both count', (t) => {
  const w = world(t)
  const mixed = assemble(one.key, other.chain)
  fs.writeFileSync(w.paths.key, mixed.key)
  fs.writeFileSync(w.paths.certificate, mixed.fullchain)
  const { certificates, keys } = readAllOnDisk(w.paths, makeJob().servers)
  assert.deepEqual([certificates.length, certificates[0]?.key, keys.size], [1, undefined, 1])
  quarantine(w.paths, [{ chain: mixed.fullchain, key: mixed.key, revokeAt: undefined }], now)
  assert.equal(isCompromised(w.paths, one.key), true)
  assert.equal(condemnation(w.paths, one.fullchain), 'the key is compromised')
})
