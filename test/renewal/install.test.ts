// What install does to `out/`: first set, replacement, take-over, healing.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { before } from 'node:test'
import { compare, installedNames } from '../../src/renewal/install.ts'
import { dropMarker, isPending, openOut, takeMarker } from '../../src/renewal/signal.ts'
import type { StoredSet } from '../../src/renewal/state.ts'
import { assemble, day, makeSet, rootPem } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { temporaryDir } from '../support/process.ts'
import { assertInstalled } from './support/assert-installed.ts'
import { foreignGid, installIn, layPlain, makeWorld, names, snapshot, type World } from './support/world.ts'

let a: StoredSet
let b: StoredSet
let c: StoredSet

before(async () => {
  const from = (days: number) => makeSet({ names, notBefore: new Date(Date.now() - days * day) })
  ;[a, b, c] = await Promise.all([from(80), from(60), from(1)])
})

type T = Parameters<typeof temporaryDir>[0]
const aWorld = (t: T, gid?: number): World => makeWorld(temporaryDir(t), gid)

const generations = ({ paths: { out } }: World): string[] => fs.readdirSync(join(out, '.generations')).sort()

function takeDown({ roots }: World): void {
  const out = openOut(roots.state, 'x.test')
  assert.ok(out && takeMarker(out))
  dropMarker(out)
  out.close()
}

test('the first set in an empty folder', (t) => {
  const world = aWorld(t)
  assert.equal(installIn(world, a).kind, 'installed')
  assertInstalled(world, a)
  assert.equal(fs.readlinkSync(join(world.paths.out, 'current', 'cert.pem')), 'fullchain.pem')
  assert.ok(isPending(world.paths.out))
})

test('the same set again writes nothing at all', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  const before = snapshot(world.roots.state)
  assert.deepEqual(installIn(world, a), { kind: 'unchanged' })
  assert.deepEqual(snapshot(world.roots.state), before)
})

test('the same set after its hook ran raises no new marker', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  takeDown(world)
  installIn(world, a, { fresh: true })
  assert.ok(!isPending(world.paths.out))
})

test('exactly the current generation and the one before are kept', (t) => {
  const world = aWorld(t)
  for (const [i, set] of [a, b, c, a].entries()) {
    installIn(world, set, { fresh: true })
    assertInstalled(world, set)
    assert.equal(generations(world).length, Math.min(2, i + 1))
  }
  const dirs = generations(world).map((id) =>
    fs.readFileSync(join(world.paths.out, '.generations', id, 'key.pem'), 'utf8'),
  )
  assert.deepEqual(new Set(dirs), new Set([c.key, a.key]))
})

test('a chain without an issuer, and one up to the root', async (t) => {
  const world = aWorld(t)
  const alone = assemble(c.key, c.chain.slice(0, 1))
  const whole = assemble(c.key, [...c.chain, await rootPem()])
  for (const set of [alone, whole]) {
    installIn(world, set, { fresh: true })
    assertInstalled(world, set)
    assert.equal(fs.readFileSync(join(world.paths.out, 'chain.pem'), 'utf8'), set.chain.slice(1).join(''))
  }
})

test('plain files as the NixOS module leaves them are taken over', (t) => {
  const world = aWorld(t, foreignGid)
  layPlain(world, a)
  installIn(world, b)
  assertInstalled(world, b)
  const found = generations(world).find((id) => id.startsWith('found-'))
  const kept = join(world.paths.out, '.generations', found ?? 'none')
  assert.equal(fs.readFileSync(join(kept, 'full.pem'), 'utf8'), a.key + a.fullchain)
  assert.equal(fs.readFileSync(join(kept, 'cert.pem'), 'utf8'), a.fullchain)
})

test('plain files that are the candidate become a generation of it', (t) => {
  const world = aWorld(t)
  layPlain(world, a)
  assert.equal(compare(world.paths.out, a, undefined), 'content')
  installIn(world, a)
  assertInstalled(world, a)
})

test('a plain set that is incomplete is taken over', (t) => {
  const world = aWorld(t)
  layPlain(world, a)
  for (const name of ['chain.pem', 'full.pem']) fs.unlinkSync(join(world.paths.out, name))
  installIn(world, b)
  assertInstalled(world, b)
})

test('a plain set whose key is of another certificate is replaced, even by one that ends earlier', (t) => {
  const world = aWorld(t)
  layPlain(world, b)
  fs.writeFileSync(join(world.paths.out, 'key.pem'), a.key)
  assert.equal(installIn(world, a).kind, 'installed')
  assertInstalled(world, a)
})

test('plain files restored over links are taken over as what they show', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  for (const name of installedNames) fs.unlinkSync(join(world.paths.out, name))
  layPlain(world, b)
  installIn(world, c)
  assertInstalled(world, c)
  assert.ok(generations(world).some((id) => id.startsWith('found-')))
})

test('a stray file among links does not get into what current shows', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  fs.unlinkSync(join(world.paths.out, 'key.pem'))
  fs.writeFileSync(join(world.paths.out, 'key.pem'), b.key)
  installIn(world, c)
  assertInstalled(world, c)
  assert.ok(!generations(world).some((id) => id.startsWith('found-')))
})

test('the NixOS module running on our folders is healed', (t) => {
  const world = aWorld(t)
  const { out } = world.paths
  installIn(world, a)
  // It copies through our links and puts its own cert.pem.
  for (const [name, text] of [
    ['fullchain.pem', b.fullchain],
    ['key.pem', b.key],
    ['chain.pem', b.issuers],
    ['full.pem', b.key + b.fullchain],
  ] as const)
    fs.writeFileSync(join(out, name), text)
  fs.unlinkSync(join(out, 'cert.pem'))
  fs.symlinkSync('fullchain.pem', join(out, 'cert.pem'))
  assert.equal(compare(out, b, undefined), 'links')
  assert.deepEqual(installIn(world, b), { kind: 'unchanged' })
  assertInstalled(world, b)
})

for (const [what, harm] of [
  ['a missing link', (out: string) => fs.unlinkSync(join(out, 'full.pem'))],
  [
    'a link elsewhere',
    (out: string) => {
      fs.unlinkSync(join(out, 'key.pem'))
      fs.symlinkSync('/nowhere', join(out, 'key.pem'))
    },
  ],
  ['a mode', (out: string) => fs.chmodSync(join(out, 'key.pem'), 0o600)],
  ['the mode of out/', (out: string) => fs.chmodSync(out, 0o700)],
  ['the mode of .generations/', (out: string) => fs.chmodSync(join(out, '.generations'), 0o700)],
  ['the mode of a generation', (out: string) => fs.chmodSync(join(out, 'current'), 0o700)],
] as const)
  test(`${what} is healed without a new generation or a hook`, (t) => {
    const world = aWorld(t, foreignGid)
    installIn(world, a)
    takeDown(world)
    const before = generations(world)
    harm(world.paths.out)
    assert.notEqual(compare(world.paths.out, a, world.gid), 'none')
    assert.deepEqual(installIn(world, a), { kind: 'unchanged' })
    assertInstalled(world, a)
    assert.deepEqual(generations(world), before)
    assert.ok(!isPending(world.paths.out))
  })

test('another group in the config reaches every file and folder on the way to it', (t) => {
  if (!needs(t, 'root')) return
  const world = aWorld(t, foreignGid)
  installIn(world, a)
  const gid = 54322
  assert.equal(compare(world.paths.out, a, gid), 'modes')
  installIn({ ...world, gid }, a)
  const { out } = world.paths
  for (const path of [
    out,
    join(out, '.generations'),
    join(out, 'current/'),
    ...installedNames.map((n) => join(out, n)),
  ])
    assert.equal(fs.statSync(path).gid, gid, path)
})

for (const [what, harm] of [
  ['changed by hand', (dir: string) => fs.writeFileSync(join(dir, 'fullchain.pem'), 'nonsense')],
  ['that lost a file', (dir: string) => fs.unlinkSync(join(dir, 'chain.pem'))],
  ['that lost its link', (dir: string) => fs.unlinkSync(join(dir, 'cert.pem'))],
] as const)
  test(`a current generation ${what} is replaced once, and then there is peace`, (t) => {
    const world = aWorld(t)
    installIn(world, a)
    harm(join(world.paths.out, 'current'))
    assert.equal(installIn(world, a).kind, 'installed')
    assertInstalled(world, a)
    assert.deepEqual(installIn(world, a), { kind: 'unchanged' })
  })

test('a generation that a killed run removed by half is not used again', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  installIn(world, b)
  const half = fs
    .readdirSync(join(world.paths.out, '.generations'))
    .find((id) => !fs.readlinkSync(join(world.paths.out, 'current')).endsWith(id))
  fs.unlinkSync(join(world.paths.out, '.generations', half ?? 'none', 'key.pem'))
  installIn(world, a, { fresh: true })
  assertInstalled(world, a)
})

test('what a killed run of the same process id left is no obstacle', (t) => {
  const world = aWorld(t)
  installIn(world, a)
  for (const dir of [world.paths.out, join(world.paths.out, '.generations')])
    for (let n = 1; n < 200; n++)
      for (const stem of [
        'current',
        'renewed',
        'key.pem',
        fs.readdirSync(join(world.paths.out, '.generations')).at(-1),
      ])
        fs.writeFileSync(join(dir, `.${stem}.${process.pid}-${n}.tmp`), 'left')
  installIn(world, b)
  assertInstalled(world, b)
})

test('current as a plain file or a dangling link is replaced', (t) => {
  for (const lay of [(path: string) => fs.writeFileSync(path, ''), (path: string) => fs.symlinkSync('nowhere', path)]) {
    const world = aWorld(t)
    lay(join(world.paths.out, 'current'))
    installIn(world, a)
    assertInstalled(world, a)
  }
})
