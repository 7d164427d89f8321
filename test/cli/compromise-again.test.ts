// A second `compromise` while the certificates of the first are not revoked yet: it goes on with them, and no key that is
// meant stays in use.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cert, day, makeWorld, type World, type WorldOptions } from '../support/world.ts'

const shown = (world: World) => readFileSync(join(world.paths().out, 'fullchain.pem'), 'utf8')
const compromise = (world: World, args: readonly string[] = [], now = new Date()) =>
  world.nixacme(['compromise', cert, ...args, '--yes'], { now: () => now })

/** A world in which the first run got a new certificate, and the CA has not revoked the old one. */
async function unfinished(t: TestContext, { ca, later = {} }: WorldOptions & { later?: WorldOptions['ca'] } = {}) {
  const world = await makeWorld(t, { way: 'in-process', ...(ca && { ca }) })
  await world.issueAll()
  const old = shown(world)
  world.ca.set(later)
  const answer = world.ca.fault('revokeCert', { do: 'problem', type: 'serverInternal', status: 403 })
  assert.equal((await compromise(world)).status, 76)
  const fresh = shown(world)
  assert.notEqual(fresh, old)
  return { world, old, fresh, answer }
}

test('the key that the first run brought is kept and shown, and replaced with --again', async (t) => {
  const { world, old, fresh, answer } = await unfinished(t)
  const kept = await compromise(world)
  assert.equal(shown(world), fresh)
  assert.match(
    kept.stderr,
    /going on with .*\n.*hint: if the key in use may be .*: nixacme compromise example\.com --again --yes/,
  )
  const { stdout } = await world.nixacme(['compromise', cert])
  assert.match(
    stdout,
    /is not finished\nin use since then, and kept without --again: the key of certificate [0-9a-f]+\n/,
  )

  assert.equal((await compromise(world, ['--again'])).status, 76)
  const third = shown(world)
  assert.notEqual(third, fresh)
  assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
  answer()
  const done = await compromise(world)
  assert.equal(done.status, 0, done.stderr)
  const revoked = [old, fresh, third].map((one) => world.ca.revocationOf(one))
  assert.deepEqual([shown(world) === third, revoked], [true, [1, 1, undefined]])
  assert.equal((await compromise(world)).status, 0)
  assert.equal(world.ca.revocationOf(third), 1)
})

test('a key that a renewal has brought since then is replaced without being told so', async (t) => {
  const { world, old, answer } = await unfinished(t)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const renewed = shown(world)
  answer()
  const said = await compromise(world)
  assert.equal(said.status, 0, said.stderr)
  assert.notEqual(shown(world), renewed)
  const revoked = [old, renewed, shown(world)].map((one) => world.ca.revocationOf(one))
  assert.deepEqual(revoked, [1, 1, undefined])
})

test('what the CA never revoked stands in the way no longer than it lives', async (t) => {
  const ca = { lifetime: { seconds: 2 * day } }
  const { world, old, fresh, answer } = await unfinished(t, { ca, later: { lifetime: { seconds: 90 * day } } })
  answer()
  const said = await compromise(world, [], new Date(Date.now() + 3 * day * 1000))
  assert.equal(said.status, 0, said.stderr)
  assert.doesNotMatch(said.stderr, /going on/)
  const revoked = [old, fresh, shown(world)].map((one) => world.ca.revocationOf(one))
  assert.deepEqual(revoked, [undefined, 1, undefined])
})
