// Storing in lego's folder: whole or not at all, in lego's names and formats.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import test, { before } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { pendingDir, readState, type StoredSet } from '../../src/renewal/state.ts'
import { ensureFolders, proveSpace, settle, store, storeHash } from '../../src/renewal/store.ts'
import { makeSet } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { temporaryDir } from '../support/process.ts'
import { foreignGid, hashes, makeWorld, names, snapshot, storeIn, temporaries, type World } from './support/world.ts'

let a: StoredSet
let b: StoredSet

before(async () => {
  ;[a, b] = await Promise.all([makeSet({ names }), makeSet({ names })])
})

const aWorld = (t: Parameters<typeof temporaryDir>[0], gid?: number): World => makeWorld(temporaryDir(t), gid)

function assertStored({ paths, roots }: World, set: StoredSet): void {
  const { candidate, domainHash } = readState(paths)
  assert.ok(candidate.kind === 'usable')
  assert.deepEqual(candidate.set, set)
  assert.equal(domainHash, hashes.domainHash)
  assert.deepEqual(temporaries(roots.state), [])
}

/** Puts `set` where a run killed before its first move leaves it. */
function leavePending({ paths }: World, set: StoredSet, domain = 'x.test'): void {
  const pending = pendingDir(paths)
  fs.mkdirSync(pending, { mode: 0o700 })
  for (const [name, text] of [
    [`${domain}.key`, set.key],
    [`${domain}.crt`, set.fullchain],
    [`${domain}.issuer.crt`, set.issuers],
    [`${domain}.json`, '{}'],
    ['domainhash.txt', `${hashes.domainHash}\n`],
  ] as const)
    fs.writeFileSync(join(pending, name), text)
}

test("lego's five files, with its formats", (t) => {
  const world = aWorld(t, foreignGid)
  storeIn(world, a)
  assertStored(world, a)
  const { paths } = world
  assert.deepEqual(fs.readdirSync(paths.certificates).sort(), [
    'domainhash.txt',
    'x.test.crt',
    'x.test.issuer.crt',
    'x.test.json',
    'x.test.key',
  ])
  assert.equal(fs.readFileSync(paths.domainHash, 'utf8'), `${hashes.domainHash}\n`)
  const certUrl = 'https://ca.test/cert/1'
  assert.deepEqual(JSON.parse(fs.readFileSync(paths.resource, 'utf8')), {
    domain: 'x.test',
    certUrl,
    certStableUrl: certUrl,
  })
  for (const name of fs.readdirSync(paths.certificates)) {
    const { mode, gid } = fs.statSync(join(paths.certificates, name))
    assert.equal(mode & 0o7777, 0o640, name)
    assert.equal(gid, foreignGid ?? gid, name)
  }
})

test('a new set takes the place of the old one, and other files stay', (t) => {
  const world = aWorld(t)
  storeIn(world, a)
  fs.writeFileSync(world.paths.memory, '{"version":1}')
  storeIn(world, b)
  assertStored(world, b)
  assert.equal(fs.readFileSync(world.paths.memory, 'utf8'), '{"version":1}')
})

test('a set left pending is what is stored; settling moves it and changes nothing of what is read', (t) => {
  const world = aWorld(t)
  storeIn(world, a)
  leavePending(world, b)
  const pending = readState(world.paths)
  assert.ok(pending.candidate.kind === 'usable')
  assert.deepEqual(pending.candidate.set, b)
  settle(world.paths)
  assertStored(world, b)
  assert.deepEqual(readState(world.paths), pending)
})

test('a set half moved is read whole', (t) => {
  const world = aWorld(t)
  storeIn(world, a)
  leavePending(world, b)
  fs.renameSync(join(pendingDir(world.paths), basename(world.paths.key)), world.paths.key)
  const { candidate } = readState(world.paths)
  assert.ok(candidate.kind === 'usable')
  assert.deepEqual(candidate.set, b)
  settle(world.paths)
  assertStored(world, b)
})

test('a pending set of another domain, from before a change of the config, is no obstacle', (t) => {
  const world = aWorld(t)
  leavePending(world, a, 'old.test')
  storeIn(world, b)
  assertStored(world, b)
  assert.equal(fs.readFileSync(join(world.paths.certificates, 'old.test.key'), 'utf8'), a.key)
})

test('settling with nothing left by killed runs writes nothing', (t) => {
  const world = aWorld(t)
  storeIn(world, a)
  const before = snapshot(world.roots.state)
  settle(world.paths)
  assert.deepEqual(snapshot(world.roots.state), before)
})

test('what a killed run of the same process id left is no obstacle', (t) => {
  const world = aWorld(t)
  const { certificates, out } = world.paths
  const half = join(certificates, `.pending.${process.pid}.tmp`)
  fs.mkdirSync(half)
  fs.writeFileSync(join(half, 'x.test.key'), 'half')
  for (const dir of [certificates, out])
    for (let n = 1; n < 100; n++)
      for (const stem of ['space', 'domainhash.txt'])
        fs.writeFileSync(join(dir, `.${stem}.${process.pid}-${n}.tmp`), 'left')
  proveSpace(world.paths)
  storeIn(world, a)
  assertStored(world, a)
  for (let n = 100; n < 200; n++) fs.writeFileSync(join(certificates, `.domainhash.txt.${process.pid}-${n}.tmp`), '')
  storeHash(world.paths, hashes.domainHash, undefined)
  assertStored(world, a)
})

test('a hash is stored alone, with its mode, also where another one is pending', (t) => {
  const world = aWorld(t, foreignGid)
  storeIn(world, a)
  const { ino } = fs.statSync(world.paths.key)
  storeHash(world.paths, '155c589bb9f2faa1adc5', world.gid)
  assert.equal(readState(world.paths).domainHash, '155c589bb9f2faa1adc5')
  assert.equal(fs.statSync(world.paths.key).ino, ino)
  assert.equal(fs.statSync(world.paths.domainHash).mode & 0o7777, 0o640)
  leavePending(world, b)
  storeHash(world.paths, 'ffffffffffffffffffff', world.gid)
  assert.equal(readState(world.paths).domainHash, 'ffffffffffffffffffff')
})

test('proving space leaves nothing behind', (t) => {
  const world = aWorld(t)
  const listing = () => [world.paths.certificates, world.paths.out].map((dir) => fs.readdirSync(dir))
  const before = listing()
  proveSpace(world.paths)
  assert.deepEqual(listing(), before)
})

test('a folder that is missing is a write fault with its path, not a bug', (t) => {
  const world = aWorld(t)
  fs.rmSync(world.paths.certificates, { recursive: true })
  const isFault = (e: unknown) =>
    e instanceof NixacmeError && e.kind === 'write' && e.message.includes(`'${world.paths.certificates}'`)
  assert.throws(() => storeIn(world, a), isFault)
  assert.throws(() => proveSpace(world.paths), isFault)
})

test('folders get the modes of the contract, and those that are there keep theirs', (t) => {
  const dir = temporaryDir(t)
  const umask = process.umask(0o077)
  let world: World
  try {
    world = makeWorld(dir, foreignGid)
  } finally {
    process.umask(umask)
  }
  const { paths, roots } = world
  const mode = (path: string) => (fs.statSync(path).mode & 0o7777).toString(8)
  for (const path of [roots.state, paths.lego, paths.accounts]) assert.equal(mode(path), '755', path)
  for (const path of [paths.out, paths.legoCert, paths.certificates, paths.accountRoot]) {
    assert.equal(mode(path), '750', path)
    if (foreignGid !== undefined) assert.equal(fs.statSync(path).gid, foreignGid, path)
  }
  fs.chmodSync(roots.state, 0o711)
  ensureFolders(roots, paths, world.gid)
  assert.equal(mode(roots.state), '711')
})

test('a folder that cannot be made says which, and what to do', (t) => {
  const dir = temporaryDir(t)
  fs.writeFileSync(join(dir, 'file'), '')
  const roots = { state: join(dir, 'file', 'state'), runtime: dir, jobs: dir }
  const { paths } = aWorld(t)
  assert.throws(
    () => ensureFolders(roots, paths, undefined),
    (e) => e instanceof NixacmeError && e.kind === 'write' && e.message.includes(roots.state) && e.hints.length > 0,
  )
})

test('a link in the place of a file to be written is replaced, not followed', (t) => {
  const world = aWorld(t)
  const victim = join(dirname(world.roots.state), 'victim')
  fs.writeFileSync(victim, 'untouched')
  fs.symlinkSync(victim, world.paths.key)
  storeIn(world, a)
  assertStored(world, a)
  assert.equal(fs.readFileSync(victim, 'utf8'), 'untouched')
})

test('a group that the files cannot be given to leaves the old set alone', (t) => {
  if (!needs(t, 'root')) return
  const world = aWorld(t)
  storeIn(world, a)
  const before = snapshot(world.paths.certificates)
  const certificate = { key: b.key, chain: b.chain, certUrl: 'https://ca.test/cert/2' }
  process.setegid?.(65534)
  process.seteuid?.(65534)
  try {
    assert.throws(
      () => store(world.paths, certificate, hashes, 0),
      (e) => e instanceof NixacmeError && e.kind === 'permission',
    )
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
  assert.deepEqual(snapshot(world.paths.certificates), before)
})
