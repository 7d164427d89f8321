// `nixacme lock-files`: as many lock files as slots, nothing else, and never one taken from under its holder.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { lockFiles } from '../../src/commands/lock-files.ts'
import type { NixacmeError } from '../../src/errors.ts'
import { plainLog } from '../../src/log.ts'
import { trySlot } from '../../src/renewal/lock.ts'
import { holder, holdSlot } from '../renewal/support/lock-hold.ts'
import { makeJob } from '../renewal/support/lock-job.ts'
import { acme, makeHostile, writeJobs } from '../root/hostile.ts'
import { fakeHost } from '../support/fake-host.ts'
import { needs } from '../support/needs.ts'
import { asUser } from '../support/other-user.ts'
import { run, temporaryDir } from '../support/process.ts'

/** A machine of one's own: one certificate, so many slots, no folder of lock files yet. */
function aWorld(t: TestContext, slots: number) {
  const dir = temporaryDir(t)
  const roots = { state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }
  const setSlots = (slots: number) =>
    writeJobs(roots, [makeJob({ maxConcurrentRenewals: slots }, { slots, home: slots === 0 ? null : 1 })])
  setSlots(slots)
  return {
    roots,
    setSlots,
    path: (name: string) => join(roots.runtime, name),
    names: () => fs.readdirSync(roots.runtime).sort(),
    /** The command's status and words. */
    async lockFiles() {
      const host = fakeHost()
      const config = { path: join(dir, 'none.toml'), explicit: false }
      const status = await lockFiles({ host, log: plainLog(host), quiet: false, roots, config })
      return [status, host.said.stderr + host.said.stdout] as const
    },
  }
}

const mode = (path: string): number => fs.lstatSync(path).mode & 0o7777
const range = (n: number) => Array.from({ length: n }, (_, i) => `${i + 1}.lock`)

for (const slots of [1, 2, 5, 12])
  test(`${slots} slots: the folder, ${slots} files, mode 0600, in silence; again: nothing changes`, async (t) => {
    const world = aWorld(t, slots)
    assert.deepEqual(await world.lockFiles(), [0, ''])
    assert.deepEqual(world.names(), range(slots).sort())
    assert.equal(mode(world.roots.runtime), 0o700)
    for (const name of world.names())
      assert.deepEqual([mode(world.path(name)), fs.statSync(world.path(name)).size], [0o600, 0])
    const times = () => world.names().map((name) => fs.statSync(world.path(name), { bigint: true }).ctimeNs)
    const before = times()
    assert.deepEqual(await world.lockFiles(), [0, ''])
    assert.deepEqual(times(), before)
  })

test('fewer slots: the others go; none: all go', async (t) => {
  const world = aWorld(t, 5)
  await world.lockFiles()
  const { ino } = fs.statSync(world.path('2.lock'))
  world.setSlots(2)
  assert.deepEqual(await world.lockFiles(), [0, ''])
  assert.deepEqual(world.names(), range(2))
  assert.equal(fs.statSync(world.path('2.lock')).ino, ino, 'those that stay are the same files')
  world.setSlots(0)
  assert.deepEqual(await world.lockFiles(), [0, ''])
  assert.deepEqual(world.names(), [])
})

test('other plain files go, of any name; folders, links and fifos stay', async (t) => {
  const world = aWorld(t, 1)
  await world.lockFiles()
  const target = join(world.roots.state, '..', 'target')
  fs.writeFileSync(target, 'target')
  for (const name of ['01.lock', '0.lock', '-1.lock', 'notes', '.hidden']) fs.writeFileSync(world.path(name), '')
  fs.mkdirSync(world.path('folder'))
  fs.writeFileSync(world.path('folder/inner'), '')
  fs.symlinkSync(target, world.path('7.lock'))
  assert.equal((await run('mkfifo', [world.path('fifo')])).status, 0)
  assert.deepEqual(await world.lockFiles(), [0, ''])
  assert.deepEqual(world.names(), ['1.lock', '7.lock', 'fifo', 'folder'])
  assert.equal(fs.readFileSync(target, 'utf8'), 'target')
  assert.ok(fs.existsSync(world.path('folder/inner')))
})

test('a held file stays, and who holds it is told; once free it goes', async (t) => {
  const world = aWorld(t, 5)
  await world.lockFiles()
  const held = holdSlot(t, world.roots, 4)
  world.setSlots(2)
  const words = `nixacme: leaving '${world.path('4.lock')}': '${holder.cert}' (process ${holder.pid}) holds it\n`
  assert.deepEqual(await world.lockFiles(), [0, words])
  assert.deepEqual(world.names(), ['1.lock', '2.lock', '4.lock'])
  world.setSlots(5)
  await world.lockFiles()
  assert.equal(trySlot(world.path('4.lock')), undefined, 'raised again, slot 4 is still the same, and busy')
  held.release()
  world.setSlots(2)
  assert.deepEqual(await world.lockFiles(), [0, ''])
  assert.deepEqual(world.names(), range(2))
})

test('a lock file that is in use keeps its lock and its words', async (t) => {
  const world = aWorld(t, 2)
  await world.lockFiles()
  holdSlot(t, world.roots, 1)
  const before = fs.readFileSync(world.path('1.lock'), 'utf8')
  assert.deepEqual(await world.lockFiles(), [0, ''])
  assert.equal(fs.readFileSync(world.path('1.lock'), 'utf8'), before)
  assert.equal(trySlot(world.path('1.lock')), undefined)
})

test('a mode that lets others in is mended', async (t) => {
  const world = aWorld(t, 1)
  await world.lockFiles()
  fs.chmodSync(world.path('1.lock'), 0o666)
  await world.lockFiles()
  assert.equal(mode(world.path('1.lock')), 0o600)
})

for (const [what, lay] of [
  ['a link', (path: string) => fs.symlinkSync(`${path}.target`, path)],
  ['a folder', (path: string) => fs.mkdirSync(path)],
] as const)
  test(`${what} in place of a lock file: 71, and what stands there is named`, async (t) => {
    const world = aWorld(t, 2)
    await world.lockFiles()
    fs.unlinkSync(world.path('2.lock'))
    lay(world.path('2.lock'))
    await assert.rejects(world.lockFiles(), (e: NixacmeError) => {
      assert.deepEqual([e.exitStatus, e.hints], [71, ['remove what stands there']])
      assert.match(e.message, /^'.*\/2\.lock' cannot be a lock file: /)
      return true
    })
    assert.equal(fs.existsSync(`${world.path('2.lock')}.target`), false)
  })

test('started by root it is user acme that makes and removes them', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  fs.rmdirSync(roots.runtime)
  const first = await command('lock-files')
  assert.deepEqual([first.status, first.stderr], [0, ''])
  assert.deepEqual([fs.statSync(roots.runtime).uid, mode(roots.runtime)], [acme.uid, 0o700])
  for (const name of range(5)) assert.equal(fs.statSync(join(roots.runtime, name)).uid, acme.uid)
  // What acme could not change, root does not change for it.
  const secret = join(roots.state, '..', 'outside', 'secret')
  fs.writeFileSync(secret, 'secret', { mode: 0o600 })
  fs.unlinkSync(join(roots.runtime, '3.lock'))
  fs.linkSync(secret, join(roots.runtime, '3.lock'))
  const { status, stderr } = await command('lock-files')
  assert.equal(status, 71)
  assert.match(
    stderr,
    /'.*\/3\.lock' cannot be a lock file: permission denied\nnixacme: hint: it belongs to another user/,
  )
  assert.deepEqual([fs.readFileSync(secret, 'utf8'), mode(secret)], ['secret', 0o600])
})

test('user acme in its own folder, as in the unit', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  const { status, stderr } = await command('lock-files', 0, asUser(acme, []))
  assert.deepEqual([status, stderr], [0, ''])
  assert.deepEqual(fs.readdirSync(roots.runtime).sort(), range(5))
})

test("a folder of root's: 77 with the command that gives it away", async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  fs.chownSync(roots.runtime, 0, 0)
  const { status, stderr } = await command('lock-files')
  assert.equal(status, 77)
  assert.match(stderr, /'.*\/run' belongs to root, .*\nnixacme: hint: give it to him: chown acme:acme /)
  assert.deepEqual(fs.readdirSync(roots.runtime), [])
})
