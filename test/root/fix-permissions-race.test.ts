// fix-permissions by root, and by user acme with CAP_CHOWN, while user acme swaps whatever he can: nothing outside ever
// changes hands or mode, nothing is opened for reading, and afterwards one run brings all in order.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { orAbsent } from '../../src/fs.ts'
import { needs } from '../support/needs.ts'
import { run } from '../support/process.ts'
import { acme, asUnit, cert, type Hostile, makeHostile } from './hostile.ts'
import { layout, layState, looks, sharedFolders } from './layout.ts'

const raceMs = 3000

/** Things outside; `open` is one that acme may write, so that the kernel lets him link it (fs.protected_hardlinks). */
function layDecoys(outside: string): () => Record<string, string> {
  fs.writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 })
  fs.writeFileSync(join(outside, 'open'), 'open')
  fs.chmodSync(join(outside, 'open'), 0o666)
  fs.mkdirSync(join(outside, 'folder', 'inner'), { recursive: true, mode: 0o755 })
  fs.writeFileSync(join(outside, 'folder', 'key.pem'), 'key', { mode: 0o604 })
  fs.writeFileSync(join(outside, 'folder', 'inner', 'file'), 'file', { mode: 0o604 })
  const paths = fs.readdirSync(outside, { recursive: true, encoding: 'utf8' })
  return () =>
    Object.fromEntries(
      ['', ...paths].map((path) => {
        const s = fs.lstatSync(join(outside, path), { bigint: true })
        // A link made and removed by acme counts as a change of the file, so there the time tells nothing.
        const times = path === 'open' ? '' : `${s.ctimeNs}`
        const content = s.isFile() ? fs.readFileSync(join(outside, path), 'utf8') : ''
        return [path, [s.mode.toString(8), s.uid, s.gid, s.ino, s.mtimeNs, times, content].join(' ')]
      }),
    )
}

/** Acme's programs, by what they do. */
const attacks = {
  'hard links to a file outside': `
    const path = state + '/${cert}/swapped'
    attempt(() => fs.linkSync(outside + '/open', path))
    attempt(() => fs.unlinkSync(path))`,
  'files that become links, hard links and fifos': `
    const path = state + '/${cert}/swapped'
    for (const make of [
      () => fs.writeFileSync(path, '', { mode: 0o666, flag: 'wx' }),
      () => fs.symlinkSync(outside + '/secret', path),
      () => fs.renameSync(state + '/${cert}/fifo', path),
      () => fs.linkSync(outside + '/open', path),
    ]) {
      attempt(make)
      if (rounds % 3) attempt(() => fs.renameSync(path, path + '.' + (rounds % 7)))
      attempt(() => fs.statSync(path).isFIFO() ? fs.renameSync(path, state + '/${cert}/fifo') : fs.unlinkSync(path))
    }`,
  'folders that become links to one outside': `
    for (const path of ['/${cert}/folder', '/.lego/accounts/folder', '/${cert}', '/.lego/${cert}', '/.lego/accounts', '/.lego', '/.minica']) {
      attempt(() => fs.renameSync(state + path, state + path + '.away'))
      attempt(() => fs.symlinkSync(outside + '/folder', state + path))
      attempt(() => fs.unlinkSync(state + path))
      attempt(() => fs.renameSync(state + path + '.away', state + path))
    }`,
  'parents that change places': `
    const [a, b] = ['/${cert}/folder', '/.lego/${cert}/other'].map((path) => state + path)
    attempt(() => fs.mkdirSync(a, { mode: 0o777 }))
    attempt(() => fs.mkdirSync(a + '/inner', { mode: 0o777 }))
    attempt(() => fs.renameSync(a + '/inner', b))
    attempt(() => fs.symlinkSync(outside + '/folder/inner', a + '/inner'))
    attempt(() => fs.unlinkSync(a + '/inner'))
    attempt(() => fs.renameSync(b, a + '/inner'))`,
  'a folder that is opened to all while root takes it': `
    const path = state + '/${cert}'
    attempt(() => fs.chmodSync(path, 0o777))
    attempt(() => fs.linkSync(outside + '/open', path + '/swapped'))
    attempt(() => fs.chmodSync(path, 0o777))
    attempt(() => fs.unlinkSync(path + '/swapped'))`,
  'folders that nobody may enter, and ever deeper ones': `
    const path = state + '/${cert}/folder'
    attempt(() => fs.chmodSync(path, 0o7777))
    attempt(() => fs.mkdirSync(path + '/d'.repeat(rounds % 30), { mode: 0o777 }))
    attempt(() => fs.chmodSync(path, 0))
    attempt(() => fs.mkdirSync(path + '/../brief', { mode: 0o777 }))
    attempt(() => fs.rmdirSync(path + '/../brief'))`,
}

/** A layout of acme's own with a file of root's in it, so that there is always something to give away. */
async function prepare(t: TestContext): Promise<Hostile> {
  const machine = await makeHostile(t)
  const { state } = machine.roots
  layState(state)
  assert.equal((await run('mkfifo', ['-m', '666', join(state, cert, 'fifo')])).status, 0)
  const { status, stderr } = await machine.command('fix-permissions')
  assert.equal(status, 0, stderr)
  fs.lchownSync(join(state, cert, 'fifo'), acme.uid, acme.gid)
  return machine
}

/** An older state again and again: root, who takes the shared folders for himself, would end the race in its first round. */
function keepOld(state: string): { stop(): void } {
  const timer = setInterval(() => {
    for (const path of sharedFolders)
      orAbsent(() => {
        fs.lchownSync(join(state, path), acme.uid, acme.gid)
      })
  }, 1)
  return { stop: () => clearInterval(timer) }
}

/** Puts back what an attack has moved away, when root took the folder from it halfway. */
function putBack(path: string): void {
  if (!fs.existsSync(`${path}.away`)) return
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) fs.unlinkSync(path)
  fs.renameSync(`${path}.away`, path)
}

const walkers = [
  ['root', [], attacks],
  ['user acme with CAP_CHOWN', asUnit, pickForUnit(attacks)],
] as const

/** What the unit does otherwise than root: it has to get into a folder that is root's for the moment. */
function pickForUnit(all: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(all).filter(([what]) => /hard links to|opened|places/.test(what)))
}

for (const [who, how, against] of walkers)
  for (const [what, script] of Object.entries(against))
    test(`${who}, against ${what}`, async (t) => {
      if (!needs(t, 'root')) return
      const machine = await prepare(t)
      const { roots, outside, command } = machine
      const look = layDecoys(outside)
      const before = look()
      const old = who === 'root' ? keepOld(roots.state) : undefined
      const attackers = [machine.attack(script), machine.attack(script)]
      const { status, stdout, stderr, timedOut } = await command('fix-permissions', raceMs, how)
      old?.stop()
      const rounds = await Promise.all(attackers.map((attacker) => attacker.stop()))
      t.diagnostic(
        `${stdout.trim()} runs against ${rounds.join(' and ')} rounds; ${stderr.split('\n').length} lines said`,
      )
      assert.deepEqual(look(), before)
      assert.deepEqual([status, timedOut], [0, false], stderr.slice(0, 2000))
      assert.ok(Number(stdout) > 1 && rounds.every((n) => n > 100), 'a race that took place')
      assert.doesNotMatch(stderr, /error|at .*:\d+/)
      for (const path of [cert, '.lego', `.lego/${cert}`, '.lego/accounts', '.minica']) putBack(join(roots.state, path))
      assert.equal((await command('fix-permissions', 0, how)).status, 0)
      assert.deepEqual(looks(roots.state), layout)
      assert.deepEqual(look(), before)
    })

test('nothing outside is opened for reading, whatever stands in the way', async (t) => {
  if (!needs(t, 'root', 'strace')) return
  const machine = await prepare(t)
  const { outside, command, dir } = machine
  layDecoys(outside)
  const trace = join(dir, 'trace')
  const attackers = Object.entries(attacks)
    .filter(([what]) => /become/.test(what))
    .map(([, script]) => machine.attack(script))
  const old = keepOld(machine.roots.state)
  const traced = ['strace', '-f', '-y', '-o', trace, '-e', 'trace=open,openat,openat2,execve']
  const { status, stderr } = await command('fix-permissions', raceMs, traced)
  old.stop()
  for (const attacker of attackers) await attacker.stop()
  assert.equal(status, 0, stderr.slice(0, 2000))
  const lines = fs.readFileSync(trace, 'utf8').split('\n')
  const held = lines.filter((line) => line.includes('O_PATH'))
  assert.ok(held.length > 100, `${held.length} were held only`)
  // With -y each descriptor is shown with where it leads.
  const opened = lines.filter((line) => /= \d+<.*>/.test(line) && !line.includes('O_PATH'))
  const state = new RegExp(`= \\d+<${machine.roots.state}[^>]*>`)
  assert.deepEqual(
    opened.filter((line) => line.includes(`<${outside}`)),
    [],
  )
  assert.ok(
    opened.some((line) => state.test(line)),
    'folders of the state are read',
  )
  for (const line of opened.filter((line) => state.test(line))) assert.match(line, /O_DIRECTORY/)
  const started = lines.filter((line) => line.includes('execve('))
  assert.equal(started.length, 1, 'the command itself')
})
