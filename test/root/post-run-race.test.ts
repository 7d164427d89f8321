// post-run by root while user acme swaps its folder and its marker: nothing outside is changed or read, nothing waits, the
// hook runs in the certificate's own folder or not at all, and afterwards a marker is told as ever.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { run } from '../support/process.ts'
import { acme, cert, giveToAcme, type Hostile, makeHostile } from './hostile.ts'

const raceMs = 3500
const markers = ['renewed', '.renewed.taken']

/** A folder outside that looks as if it were a certificate's: whoever is led there takes its marker. */
function layDecoys(outside: string): () => Record<string, string> {
  fs.mkdirSync(join(outside, 'folder'))
  for (const name of [...markers, 'key.pem'])
    fs.writeFileSync(join(outside, 'folder', name), 'selfsigned\n', { mode: 0o600 })
  const paths = fs.readdirSync(outside, { recursive: true, encoding: 'utf8' })
  return () => {
    assert.deepEqual(fs.readdirSync(outside, { recursive: true }), paths)
    return Object.fromEntries(
      ['', ...paths].map((path) => {
        const { mode, uid, gid, ino, ctimeNs } = fs.lstatSync(join(outside, path), { bigint: true })
        return [path, [mode.toString(8), uid, gid, ino, ctimeNs].join(' ')]
      }),
    )
  }
}

const attacks = {
  'a folder that becomes a link to one outside': `
    const path = state + '/${cert}'
    attempt(() => fs.writeFileSync(path + '/renewed', '', { flag: 'wx' }))
    attempt(() => fs.renameSync(path, path + '.away'))
    attempt(() => fs.symlinkSync(outside + '/folder', path))
    attempt(() => fs.unlinkSync(path))
    attempt(() => fs.renameSync(path + '.away', path))`,
  'markers that are links, fifos and folders': `
    const path = state + '/${cert}/' + (rounds % 2 ? 'renewed' : '.renewed.taken')
    attempt(() => fs.symlinkSync(outside + '/folder/renewed', path))
    attempt(() => fs.unlinkSync(path))
    attempt(() => fs.renameSync(state + '/fifo' + (rounds % 2), path))
    attempt(() => fs.renameSync(path, state + '/fifo' + (rounds % 2)))
    attempt(() => fs.mkdirSync(path))
    attempt(() => fs.rmdirSync(path))
    attempt(() => fs.symlinkSync(outside + '/folder', path))
    attempt(() => fs.unlinkSync(path))
    attempt(() => fs.writeFileSync(path, 'selfsigned\\n', { flag: 'wx' }))`,
}

async function prepare(t: TestContext): Promise<Hostile & { readonly hookLog: string; readonly out: string }> {
  const hookLog = { path: '' }
  const machine = await makeHostile(t, {
    postRun: 'stat -c %i . >> "$(dirname "$(dirname "$NIXACME_DIRECTORY")")/hooks"',
  })
  const { state } = machine.roots
  hookLog.path = join(machine.dir, 'hooks')
  const out = join(state, cert)
  fs.mkdirSync(out, { mode: 0o750 })
  for (const n of [0, 1]) assert.equal((await run('mkfifo', ['-m', '666', join(state, `fifo${n}`)])).status, 0)
  await giveToAcme(state)
  return { ...machine, hookLog: hookLog.path, out }
}

/** The folders in which hooks ran, by number of inode. */
const hooksIn = ({ hookLog }: { readonly hookLog: string }): string[] =>
  fs.existsSync(hookLog) ? fs.readFileSync(hookLog, 'utf8').trim().split('\n') : []

for (const [what, script] of Object.entries(attacks))
  test(`against ${what}`, async (t) => {
    if (!needs(t, 'root', 'strace')) return
    const machine = await prepare(t)
    const { outside, out, dir, command } = machine
    const look = layDecoys(outside)
    const before = look()
    const own = `${fs.statSync(out).ino}`
    const trace = join(dir, 'trace')
    const traced = ['strace', '-f', '-y', '-o', trace, '-e', 'trace=open,openat,openat2']
    const attackers = [machine.attack(script), machine.attack(script)]
    const { stdout, stderr, timedOut } = await command('post-run', raceMs, traced)
    const rounds = await Promise.all(attackers.map((attacker) => attacker.stop()))
    const hooks = hooksIn(machine)
    t.diagnostic(`${stdout.trim()} runs and ${hooks.length} hooks against ${rounds.join(' and ')} rounds`)
    assert.equal(timedOut, false)
    assert.deepEqual(look(), before)
    assert.ok(
      hooks.every((ino) => ino === own),
      'the hook ran in the folder of the certificate alone',
    )
    const opened = fs.readFileSync(trace, 'utf8').split('\n')
    assert.deepEqual(
      opened.filter((line) => /= \d+</.test(line) && line.includes(`<${outside}`)),
      [],
    )
    assert.ok(Number(stdout) > 1 && rounds.every((n) => n > 100), 'a race that took place')
    assert.doesNotMatch(stderr, /at .*:\d+:\d+/)

    if (fs.existsSync(`${out}.away`)) fs.renameSync(`${out}.away`, out)
    for (const name of markers) fs.rmSync(join(out, name), { recursive: true, force: true })
    fs.writeFileSync(join(out, 'renewed'), '')
    fs.chownSync(join(out, 'renewed'), acme.uid, acme.gid)
    const last = await command('post-run')
    assert.equal(last.status, 0, last.stderr)
    assert.deepEqual(hooksIn(machine).slice(hooks.length), [own])
    assert.ok(markers.every((name) => !fs.existsSync(join(out, name))))
  })

test('a hard link to a file outside as marker: it goes, the file stays as it is', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await prepare(t)
  const secret = join(machine.outside, 'secret')
  fs.writeFileSync(secret, 'selfsigned\n', { mode: 0o600 })
  fs.linkSync(secret, join(machine.out, 'renewed'))
  const { status, stderr } = await machine.command('post-run')
  assert.equal(status, 0, stderr)
  const { mode, uid, nlink } = fs.statSync(secret)
  assert.deepEqual([fs.readFileSync(secret, 'utf8'), mode & 0o777, uid, nlink], ['selfsigned\n', 0o600, 0, 1])
  assert.equal(hooksIn(machine).length, 1)
})
