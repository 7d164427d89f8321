// The marker between the run that installs and the one that runs the hook, and the folder that root opens for it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { dropMarker, isPending, openOut, raiseMarker, takeMarker } from '../../src/renewal/signal.ts'
import { temporaryDir } from '../support/process.ts'
import { foreignGid } from './support/world.ts'

type T = Parameters<typeof temporaryDir>[0]

function aFolder(t: T) {
  const state = temporaryDir(t)
  const out = join(state, 'x.test')
  fs.mkdirSync(out)
  return { state, out }
}

function opened(t: T, state: string) {
  const folder = openOut(state, 'x.test')
  assert.ok(folder)
  t.after(() => folder.close())
  return folder
}

test('raised, taken, dropped', (t) => {
  const { state, out } = aFolder(t)
  const folder = opened(t, state)
  assert.ok(!isPending(out))
  assert.ok(!takeMarker(folder))
  raiseMarker(out, foreignGid)
  assert.ok(isPending(out))
  const { mode, gid, size } = fs.statSync(join(out, 'renewed'))
  assert.deepEqual([mode & 0o7777, gid, size], [0o640, foreignGid ?? gid, 0])
  assert.ok(takeMarker(folder))
  assert.ok(isPending(out), 'a hook that never ended is run again')
  assert.ok(!fs.existsSync(join(out, 'renewed')))
  dropMarker(folder)
  assert.ok(!isPending(out))
  assert.deepEqual(fs.readdirSync(out), [])
})

test('a marker taken by a run that did not end is taken again', (t) => {
  const { state, out } = aFolder(t)
  const folder = opened(t, state)
  raiseMarker(out, undefined)
  assert.ok(takeMarker(folder))
  assert.ok(takeMarker(folder))
  dropMarker(folder)
  assert.ok(!takeMarker(folder))
})

test('a marker raised while a hook runs outlives it', (t) => {
  const { state, out } = aFolder(t)
  const folder = opened(t, state)
  raiseMarker(out, undefined)
  takeMarker(folder)
  raiseMarker(out, undefined)
  dropMarker(folder)
  assert.ok(isPending(out))
  assert.ok(takeMarker(folder))
})

test("a marker that is up already, whatever its mode, is ours and of the contract's mode afterwards", (t) => {
  const { out } = aFolder(t)
  fs.writeFileSync(join(out, 'renewed'), 'old', { mode: 0o400 })
  raiseMarker(out, undefined)
  assert.equal(fs.statSync(join(out, 'renewed')).mode & 0o7777, 0o640)
})

test('the marker tells its kind, whichever run takes it; the last one raised counts', (t) => {
  const { state, out } = aFolder(t)
  const folder = opened(t, state)
  raiseMarker(out, undefined, 'selfsigned')
  assert.deepEqual([takeMarker(folder), takeMarker(folder)], ['selfsigned', 'selfsigned'])
  raiseMarker(out, undefined)
  assert.equal(takeMarker(folder), 'acme')
  raiseMarker(out, undefined, 'acme')
  raiseMarker(out, undefined, 'selfsigned')
  assert.equal(takeMarker(folder), 'selfsigned')
})

for (const [what, lay] of [
  ['empty, as the module has it', (path: string) => fs.writeFileSync(path, '')],
  ['with other words', (path: string) => fs.writeFileSync(path, 'selfsigned?')],
  ['with more words', (path: string) => fs.writeFileSync(path, 'selfsigned\nand more')],
  [
    'a link to one that says so',
    (path: string) => {
      fs.writeFileSync(`${path}.elsewhere`, 'selfsigned\n')
      fs.symlinkSync(`${path}.elsewhere`, path)
    },
  ],
  ['a dangling link', (path: string) => fs.symlinkSync('/nowhere', path)],
  ['a folder', (path: string) => fs.mkdirSync(path)],
  ['a pipe that nobody writes to', (path: string) => execFileSync('mkfifo', [path])],
  ['a file that may not be read', (path: string) => fs.writeFileSync(path, 'selfsigned', { mode: 0 })],
] as const)
  test(`a marker ${what} is one of a certificate of the CA, and nobody waits for it`, (t) => {
    const { state, out } = aFolder(t)
    lay(join(out, 'renewed'))
    assert.equal(takeMarker(opened(t, state)), 'acme')
  })

test('dropping a marker that is gone is no fault', (t) => {
  const { state } = aFolder(t)
  dropMarker(opened(t, state))
})

test('a marker that is a link is never followed', (t) => {
  const { state, out } = aFolder(t)
  const victim = join(state, 'victim')
  fs.writeFileSync(victim, 'untouched')
  fs.symlinkSync(victim, join(out, 'renewed'))
  const folder = opened(t, state)
  assert.ok(takeMarker(folder))
  dropMarker(folder)
  fs.symlinkSync(victim, join(out, 'renewed'))
  raiseMarker(out, undefined)
  assert.equal(fs.readFileSync(victim, 'utf8'), 'untouched')
  assert.ok(fs.lstatSync(join(out, 'renewed')).isFile())
})

test('no folder: nothing to open', (t) => {
  const state = temporaryDir(t)
  assert.equal(openOut(state, 'x.test'), undefined)
  assert.equal(openOut(join(state, 'missing'), 'x.test'), undefined)
})

for (const [what, lay] of [
  ['a link to a folder', (path: string) => fs.symlinkSync('/etc', path)],
  ['a dangling link', (path: string) => fs.symlinkSync('/nowhere', path)],
  ['a file', (path: string) => fs.writeFileSync(path, '')],
] as const)
  test(`${what} in the place of out/ is refused`, (t) => {
    const state = temporaryDir(t)
    lay(join(state, 'x.test'))
    assert.throws(
      () => openOut(state, 'x.test'),
      (e) =>
        e instanceof NixacmeError &&
        e.kind === 'permission' &&
        e.message.includes(`'${join(state, 'x.test')}'`) &&
        e.hints.length > 0,
    )
  })

test('the state root itself may be a link', (t) => {
  const { state, out } = aFolder(t)
  const link = join(temporaryDir(t), 'link')
  fs.symlinkSync(state, link)
  raiseMarker(out, undefined)
  assert.ok(takeMarker(opened(t, link)))
})

test('an open folder is the same one when its name leads elsewhere by then', (t) => {
  const { state, out } = aFolder(t)
  const folder = opened(t, state)
  raiseMarker(out, undefined)
  fs.renameSync(out, join(state, 'moved'))
  const trap = join(state, 'trap')
  fs.mkdirSync(trap)
  fs.symlinkSync(trap, out)
  raiseMarker(trap, undefined)
  assert.ok(takeMarker(folder))
  dropMarker(folder)
  assert.deepEqual(fs.readdirSync(trap), ['renewed'])
  assert.deepEqual(fs.readdirSync(join(state, 'moved')), [])
})

test('no descriptor stays open', (t) => {
  const { state } = aFolder(t)
  const count = () => fs.readdirSync('/proc/self/fd').length
  const before = count()
  for (let i = 0; i < 20; i++) openOut(state, 'x.test')?.close()
  fs.rmdirSync(join(state, 'x.test'))
  for (let i = 0; i < 20; i++) openOut(state, 'x.test')
  fs.symlinkSync('/etc', join(state, 'x.test'))
  for (let i = 0; i < 20; i++) assert.throws(() => openOut(state, 'x.test'))
  assert.equal(count(), before)
})
