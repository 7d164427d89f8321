// Which certificate stays when a stored one is to be installed: the better one, and never one that does not belong together.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { before } from 'node:test'
import { issuePreliminary, makeLocalCa, type PreliminarySet } from '../../src/certificate/local-ca.ts'
import { NixacmeError } from '../../src/errors.ts'
import { compare, installPreliminary } from '../../src/renewal/install.ts'
import { readInstalled } from '../../src/renewal/installed.ts'
import type { StoredSet } from '../../src/renewal/state.ts'
import { assemble, day, foreignIssuer, foreignKey, makeSet, truncate } from '../support/certificates.ts'
import { temporaryDir } from '../support/process.ts'
import { assertInstalled } from './support/assert-installed.ts'
import { installIn, layPlain, makeWorld, names, seen, snapshot, storedOf, type World } from './support/world.ts'

let a: StoredSet
let c: StoredSet

before(async () => {
  const from = (days: number) => makeSet({ names, notBefore: new Date(Date.now() - days * day) })
  ;[a, c] = await Promise.all([from(80), from(1)])
})

const aWorld = (t: Parameters<typeof temporaryDir>[0]): World => makeWorld(temporaryDir(t))

const dataFault = (e: unknown, words: RegExp): boolean =>
  e instanceof NixacmeError && e.kind === 'data' && words.test(e.message) && e.hints.length > 0

/** Contract 1.14 Q1: the config flipped back finds an old folder; the module put its 1-day certificate over a good one. */
test('an older certificate does not replace a valid one that lives longer', async (t) => {
  const now = Date.now()
  const old = await makeSet({ names, notBefore: new Date(now - 89 * day), notAfter: new Date(now + day) })
  const expired = await makeSet({ names, notBefore: new Date(now - 91 * day), notAfter: new Date(now - day) })
  for (const lay of [installIn, layPlain]) {
    const world = aWorld(t)
    lay(world, c)
    const before = snapshot(world.roots.state)
    for (const worse of [old, expired]) {
      const outcome = installIn(world, worse)
      assert.equal(outcome.kind, 'kept')
      assert.ok(outcome.kind === 'kept' && outcome.candidateUntil < outcome.installedUntil)
      assert.deepEqual(snapshot(world.roots.state), before)
    }
    assert.equal(installIn(world, old, { fresh: true }).kind, 'installed')
    assertInstalled(world, old)
  }
})

test('an installed set gives way when it has expired, lacks a name, or is older though it lives longer', async (t) => {
  const now = Date.now()
  const short = await makeSet({ names, notBefore: new Date(now - day), notAfter: new Date(now + 6 * day) })
  const later = await makeSet({ names: ['x.test'], notBefore: new Date(now - day), notAfter: new Date(now + 80 * day) })
  const long = await makeSet({ names, notBefore: new Date(now - 10 * day), notAfter: new Date(now + 80 * day) })
  const cases = [
    { installed: long, now: new Date(now + 81 * day), why: 'expired' },
    { installed: later, now: new Date(now), why: 'lacks a name' },
    { installed: long, now: new Date(now), why: 'older' },
  ]
  for (const { installed, now, why } of cases) {
    const world = aWorld(t)
    installIn(world, installed)
    assert.equal(installIn(world, short, { now }).kind, 'installed', why)
    assertInstalled(world, short)
  }
})

const layPreliminary = async ({ paths, gid }: World): Promise<PreliminarySet> => {
  const set = await issuePreliminary(await makeLocalCa(new Date()), names, new Date())
  assert.ok(installPreliminary(paths.out, set, gid))
  return set
}

const markerIn = ({ paths: { out } }: World): string => fs.readFileSync(join(out, 'renewed'), 'utf8')

test('a real certificate always replaces a self-signed one, backdated, ending sooner, in whichever run', async (t) => {
  const now = Date.now()
  const backdated = { notBefore: new Date(now - day / 24), notAfter: new Date(now + 6 * day) }
  for (const fresh of [true, false])
    for (const real of [await makeSet({ names, ...backdated }), a, await makeSet({ names: ['x.test'] })]) {
      const world = aWorld(t)
      await layPreliminary(world)
      assert.equal(markerIn(world), 'selfsigned\n')
      assert.equal(installIn(world, real, { fresh }).kind, 'installed')
      assertInstalled(world, real)
      assert.equal(markerIn(world), '')
    }
})

test('a self-signed one that the NixOS module laid gives way, too', async (t) => {
  const world = aWorld(t)
  const ca = await makeLocalCa(new Date())
  layPlain(world, storedOf(await issuePreliminary(ca, names, new Date())))
  const { out } = world.paths
  fs.unlinkSync(join(out, 'cert.pem'))
  fs.writeFileSync(
    join(out, 'cert.pem'),
    fs.readFileSync(join(out, 'fullchain.pem'), 'utf8').split(/(?<=END CERT.*\n)/)[0] ?? '',
  )
  assert.equal(readInstalled(out).kind, 'whole')
  assert.equal(installIn(world, a).kind, 'installed')
  assertInstalled(world, a)
})

test('a self-signed one never replaces a real one, even one that is torn or expired', async (t) => {
  const set = await issuePreliminary(await makeLocalCa(new Date()), names, new Date())
  const expired = await makeSet({
    names,
    notBefore: new Date(Date.now() - 2 * day),
    notAfter: new Date(Date.now() - day),
  })
  for (const [lay, real] of [
    [installIn, c],
    [installIn, expired],
    [layPlain, c],
    [layPlain, expired],
    [layPlain, await foreignKey(c)],
  ] as const) {
    const world = aWorld(t)
    lay(world, real)
    const before = snapshot(world.roots.state)
    assert.equal(installPreliminary(world.paths.out, set, undefined), undefined)
    assert.deepEqual(snapshot(world.roots.state), before)
  }
})

test('one self-signed set replaces another', async (t) => {
  const world = aWorld(t)
  await layPreliminary(world)
  const second = await layPreliminary(world)
  assert.deepEqual(seen(world, { second: storedOf(second) }), { current: 'second', full: 'second', names: 'second' })
})

for (const [what, words, spoil] of [
  ['with the key of another', /not the one of the certificate/, foreignKey],
  ['whose chain was not issued so', /not issued by the next/, foreignIssuer],
  ['with half a key', /key is damaged/, async (s: StoredSet) => ({ ...s, key: truncate(s.key) })],
  [
    'with half a certificate',
    /damaged or cut short/,
    async (s: StoredSet) => assemble(s.key, [truncate(s.chain[0] ?? '')]),
  ],
] as const)
  test(`a certificate ${what} is refused, and nothing changes`, async (t) => {
    const spoiled = await spoil(c)
    for (const lay of [() => {}, installIn, layPlain]) {
      const world = aWorld(t)
      lay(world, a)
      const before = snapshot(world.roots.state)
      for (const fresh of [false, true])
        assert.throws(
          () => installIn(world, spoiled, { fresh }),
          (e) => dataFault(e, words),
        )
      assert.deepEqual(snapshot(world.roots.state), before)
    }
  })

test('what compare cannot read is no permission or no data, never a bug', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  fs.unlinkSync(join(world.paths.out, 'current', 'chain.pem'))
  fs.mkdirSync(join(world.paths.out, 'current', 'chain.pem'))
  assert.throws(
    () => compare(world.paths.out, a, undefined),
    (e) => e instanceof NixacmeError && e.kind === 'data',
  )
})
