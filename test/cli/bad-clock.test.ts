// A clock that cannot be right: before the certificate's notBefore, or before this nixacme was built. Nothing is judged,
// nothing written, nobody asked; 0 with a warning, because the certificate is there and the clock will come right.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { makeSet } from '../support/certificates.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, day, makeWorld, type Said, type World } from '../support/world.ts'

const inDays = (days: number) => new Date(Date.now() + days * day * 1000)

function assertDoubt({ status, stdout, stderr }: Said, doubt: RegExp): void {
  assert.deepEqual([status, stdout], [0, ''], stderr)
  const [warning = '', hint = '', ...more] = stderr.trimEnd().split('\n')
  assert.match(warning, new RegExp(`^nixacme: warning: ${cert}: skipping renewal: the clock reads .*${doubt.source}`))
  assert.match(hint, /^nixacme: hint: check the time synchronisation/)
  assert.deepEqual(more, [])
}

/** Runs against jobs that are compiled, so that nothing but the decision is said. */
async function settled(world: World): Promise<World> {
  await world.issueAll()
  await world.nixacme(['apply'])
  return world
}

for (const [name, host, doubt] of [
  ['years before notBefore', { now: () => inDays(-4000) }, /before the certificate's notBefore/],
  ['before this nixacme was built', { builtAt: inDays(30) }, /before this nixacme was built/],
] as const)
  test(`a clock ${name}`, async (t) => {
    const world = await settled(await makeWorld(t, { way: 'in-process' }))
    const before = world.tree()
    assertDoubt(await world.nixacme(['renew', cert], host), doubt)
    assert.deepEqual(changesBetween(before, world.tree()), [])
    assert.equal(world.ca.count(), 0)
  })

test('the executable, with a certificate of tomorrow in store', async (t) => {
  const world = await settled(await makeWorld(t))
  const { key, fullchain } = await makeSet({ names: world.job().names, notBefore: inDays(1) })
  const paths = world.paths()
  writeFileSync(paths.key, key)
  writeFileSync(paths.certificate, fullchain)
  // Installing it is another matter: a set that belongs together goes in, and then nothing changes any more.
  await world.nixacme(['renew', cert])
  const before = world.tree()
  assertDoubt(await world.nixacme(['renew', cert]), /before the certificate's notBefore/)
  assert.deepEqual(changesBetween(before, world.tree()), [])
  assert.equal(world.ca.count(), 0)
})
