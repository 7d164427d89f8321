// `compromise`: the new certificate first, then the word to the services, then the revocation; and the old key never again.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { keyFingerprint } from '../../src/certificate/fingerprint.ts'
import { pathsOf } from '../../src/job/job.ts'
import { writeCertificate } from '../renewal/support/stored.ts'
import { makeSet } from '../support/certificates.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, day, errorsIn, makeWorld, type World, type WorldOptions } from '../support/world.ts'

const shown = (world: World, name = 'fullchain.pem') => readFileSync(join(world.paths().out, name), 'utf8')
const names = [cert, `www.${cert}`]
const compromise = (world: World) => world.nixacme(['compromise', cert, '--yes'])

/** A world with a certificate, whose old set is given. */
async function started(t: TestContext, options: WorldOptions = {}) {
  const world = await makeWorld(t, { way: 'in-process', ...options })
  await world.issueAll()
  return { world, old: shown(world), oldKey: shown(world, 'key.pem') }
}

test('without --yes: what would be done, and nothing else', async (t) => {
  const { world } = await started(t)
  const before = world.tree()
  const said = await world.nixacme(['compromise', cert])
  assert.equal(said.status, 64, said.stderr)
  assert.match(said.stdout, /^replaced, never used again, and revoked: the key of certificate [0-9a-f]+\n$/)
  assert.match(errorsIn(said)[0] ?? '', /^nothing was done/)
  assert.deepEqual([world.ca.count(), changesBetween(before, world.tree())], [0, []])
})

test('a new certificate, then the hook, then the revocation with the old key, which nobody can read', async (t) => {
  const { world, old, oldKey } = await started(t)
  world.configure({ defaults: { postRun: 'cat fullchain.pem > ../../hook' } })
  let atRevocation: unknown
  world.ca.fault('revokeCert', (exchange) => {
    const hook = readFileSync(join(world.dir, 'hook'), 'utf8')
    atRevocation = [hook === shown(world), hook === old, existsSync(join(world.paths().out, 'renewed')), exchange.kid]
    return exchange.next()
  })
  const said = await compromise(world)
  assert.deepEqual([said.status, said.stdout], [0, ''], said.stderr)
  assert.deepEqual(atRevocation, [true, false, false, undefined])
  assert.deepEqual([world.ca.revocationOf(old), world.ca.revocationOf(shown(world))], [1, undefined])
  assert.notEqual(keyFingerprint(shown(world, 'key.pem')), keyFingerprint(oldKey))
  assert.equal(world.ca.count('finalize'), 1)
  const { compromised } = world.paths()
  const [folder = '', ...more] = readdirSync(compromised)
  assert.deepEqual(more, [])
  const kept = readdirSync(join(compromised, folder))
  assert.ok(kept.includes(`${keyFingerprint(oldKey)}.pub`) && kept.includes(`${keyFingerprint(oldKey)}.key`))
  assert.ok(!kept.some((name) => name.endsWith('.revoke')))
  for (const name of kept) assert.equal(statSync(join(compromised, folder, name)).mode & 0o777, 0o600)
  for (const path of [compromised, join(compromised, folder)]) assert.equal(statSync(path).mode & 0o777, 0o700)
  const text = said.stderr + JSON.stringify(world.ca.requests)
  assert.ok(!text.includes(oldKey.split('\n')[1] ?? ''), 'the key is in what was said')
  assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
})

test('fix-permissions leaves the quarantine closed', async (t) => {
  const { world } = await started(t)
  assert.equal((await compromise(world)).status, 0)
  const before = world.tree()
  const said = await world.nixacme(['fix-permissions'])
  assert.equal(said.status, 0, said.stderr)
  const changed = changesBetween(before, world.tree()).filter((path) => path.includes('compromised'))
  assert.deepEqual(changed, [])
})

test('the CA is away: the old one stays, the key is out of use; the next renew replaces it, and the rest is done later', async (t) => {
  const { world, old } = await started(t)
  const away = world.ca.fault('*', { do: 'answer', status: 403, headers: { 'Content-Type': 'text/html' } })
  const failed = await compromise(world)
  assert.equal(failed.status, 69, failed.stderr)
  assert.match(failed.stderr, /the old certificate is still in use and not revoked, as there is no new one/)
  assert.match(failed.stderr, /hint: run 'nixacme compromise example\.com --yes' again/)
  assert.equal(shown(world), old)
  away()
  assert.match((await world.nixacme(['plan'])).stdout, /(run|wait) .*the key is compromised/)
  const renewed = await world.nixacme(['renew', '--now', cert])
  assert.equal(renewed.status, 0, renewed.stderr)
  const fresh = shown(world)
  assert.notEqual(fresh, old)
  assert.deepEqual([world.ca.count('revokeCert'), world.ca.revocationOf(old)], [0, undefined])
  const done = await compromise(world)
  assert.equal(done.status, 0, done.stderr)
  assert.match(done.stderr, /going on with what an earlier run began/)
  assert.deepEqual([world.ca.revocationOf(old), shown(world) === fresh], [1, true])
})

test('the revocation fails: the new certificate is in use, and the next run revokes', async (t) => {
  const { world, old } = await started(t)
  const end = world.ca.fault('revokeCert', { do: 'problem', type: 'rateLimited', status: 429, retryAfter: 100 })
  const failed = await compromise(world)
  end()
  assert.equal(failed.status, 75, failed.stderr)
  assert.match(failed.stderr, /the new certificate is in use; run 'nixacme compromise/)
  const fresh = shown(world)
  assert.notEqual(fresh, old)
  const done = await compromise(world)
  assert.equal(done.status, 0, done.stderr)
  assert.deepEqual([world.ca.revocationOf(old), shown(world) === fresh], [1, true])
})

test('a hook that fails: nothing is revoked before the services know', async (t) => {
  const { world, old } = await started(t)
  world.configure({ defaults: { postRun: 'test -e ../../allowed' } })
  const failed = await compromise(world)
  assert.equal(failed.status, 1, failed.stderr)
  assert.match(failed.stderr, /the old one is not revoked before its services know/)
  assert.deepEqual([world.ca.count('revokeCert'), shown(world) === old], [0, false])
  writeFileSync(join(world.dir, 'allowed'), '')
  const done = await compromise(world)
  assert.equal(done.status, 0, done.stderr)
  assert.equal(world.ca.revocationOf(old), 1)
})

test('no key of the machine comes back: not from the folder of another CA, nor over the new one', async (t) => {
  const { world, old, oldKey } = await started(t)
  // What a config of earlier days has left, and lives longer than what the CA gives now.
  const job = world.job()
  const hashes = { account: 'a', certDir: 'f'.repeat(20) }
  const elsewhere = { ...job.servers[0], directoryUrl: 'https://elsewhere.test/dir', hashes }
  const other = await makeSet({ names, notAfter: new Date(Date.now() + 300 * day * 1000) })
  writeCertificate(pathsOf(world.roots, job, elsewhere), job, other)
  const said = await compromise(world)
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /certificate [0-9a-f]+ of an earlier config is not revoked/)
  const fresh = shown(world)
  // Whoever puts them back where a run looks: they are seen for what they are, and not installed.
  for (const [key, fullchain] of [
    [other.key, other.fullchain],
    [oldKey, old],
  ] as const) {
    writeFileSync(world.paths().key, key)
    writeFileSync(world.paths().certificate, fullchain)
    const [plan] = JSON.parse((await world.nixacme(['plan', '--json'])).stdout)
    assert.match(`${plan.action}: ${plan.reason}`, /^(run|wait): what is stored cannot be used: the key is compromised/)
    const end = world.ca.fault('newOrder', { do: 'problem', type: 'rejectedIdentifier', status: 403 })
    assert.equal((await world.nixacme(['renew', '--now', cert])).status, 76)
    end()
    assert.equal(shown(world), fresh)
  }
})

test('an installed certificate that is compromised gives way to an older one from another folder', async (t) => {
  const { world, old } = await started(t)
  const job = world.job()
  const older = await makeSet({ names, notBefore: new Date(Date.now() - 5 * day * 1000) })
  const away = world.ca.fault('*', { do: 'drop', when: 'before' })
  assert.equal((await compromise(world)).status, 69)
  away()
  writeCertificate(world.paths(), job, older)
  assert.equal(shown(world), old)
  assert.equal((await world.nixacme(['renew', cert])).status, 0)
  assert.equal(shown(world), older.fullchain)
})

test('each certificate that lives is revoked, those of earlier generations too, and each once', async (t) => {
  const { world, old } = await started(t)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const second = shown(world)
  assert.equal((await compromise(world)).status, 0)
  assert.deepEqual([world.ca.revocationOf(old), world.ca.revocationOf(second)], [1, 1])
  const third = shown(world)
  world.ca.reset()
  assert.equal((await compromise(world)).status, 0)
  assert.equal(world.ca.revocationOf(third), 1)
  assert.equal(world.ca.count('revokeCert'), 1)
})

test('no key at all: 65, and nothing is made', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const said = await compromise(world)
  assert.equal(said.status, 65, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /^there is no key of 'example\.com'/)
  assert.deepEqual([world.ca.count(), existsSync(world.roots.state)], [0, false])
})

test('certificates that have ended need no revocation, their keys are out of use all the same', async (t) => {
  const { world, oldKey } = await started(t, { ca: { lifetime: { notBeforeOffsetSeconds: -89 * day } } })
  world.ca.set({ lifetime: { notBeforeOffsetSeconds: 0 } })
  const now = () => new Date(Date.now() + 2 * day * 1000)
  const said = await world.nixacme(['compromise', cert, '--yes'], { now })
  assert.equal(said.status, 0, said.stderr)
  assert.equal(world.ca.count('revokeCert'), 0)
  const [folder = ''] = readdirSync(world.paths().compromised)
  assert.ok(existsSync(join(world.paths().compromised, folder, `${keyFingerprint(oldKey)}.pub`)))
})

test('after revoke with keyCompromise there is only the new certificate left to get', async (t) => {
  const { world, old } = await started(t)
  assert.equal((await world.nixacme(['revoke', cert, '--reason', 'keyCompromise', '--yes'])).status, 0)
  world.ca.reset()
  const said = await compromise(world)
  assert.equal(said.status, 0, said.stderr)
  assert.deepEqual([world.ca.count('revokeCert'), shown(world) === old], [0, false])
})

test('the key of an order under way goes under quarantine too, and the order is not gone on with', async (t) => {
  const { world } = await started(t)
  const end = world.ca.fault('finalize', { do: 'problem', type: 'serverInternal', status: 503, retryAfter: 60 })
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 69)
  end()
  const { key } = JSON.parse(readFileSync(world.paths().pendingOrder, 'utf8')) as { key: string }
  const said = await compromise(world)
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /nothing can come of the order .*the key is compromised/)
  const [folder = ''] = readdirSync(world.paths().compromised)
  assert.ok(existsSync(join(world.paths().compromised, folder, `${keyFingerprint(key)}.pub`)))
  assert.notEqual(keyFingerprint(shown(world, 'key.pem')), keyFingerprint(key))
  assert.ok(!existsSync(world.paths().pendingOrder))
})

test('a key whose certificate is lost goes under quarantine too', async (t) => {
  const { world, oldKey } = await started(t)
  for (const path of [world.paths().certificate, world.paths().out]) rmSync(path, { recursive: true })
  const said = await compromise(world)
  assert.equal(said.status, 0, said.stderr)
  const [folder = ''] = readdirSync(world.paths().compromised)
  assert.ok(existsSync(join(world.paths().compromised, folder, `${keyFingerprint(oldKey)}.key`)))
})
