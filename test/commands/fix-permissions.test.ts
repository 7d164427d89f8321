// `nixacme fix-permissions`: owners and modes of contract 1.6, from whatever they were, by root, by user acme with
// CAP_CHOWN alone, and by a user with a state of his own; and what must be left alone.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { acme, acmeJob, asUnit, cert, giveToAcme, makeHostile, web, writeJobs } from '../root/hostile.ts'
import { changeTimes, layout, layState, looks, openTimes, sharedFolders } from '../root/layout.ts'
import { needs } from '../support/needs.ts'
import { asUser, nobody } from '../support/other-user.ts'
import { run } from '../support/process.ts'

for (const [who, how] of [
  ['root', []],
  ['user acme with CAP_CHOWN alone', asUnit],
] as const) {
  test(`by ${who}: everything as the contract has it, then silence`, async (t) => {
    if (!needs(t, 'root')) return
    const { roots, command } = await makeHostile(t)
    layState(roots.state, who !== 'root')
    const before = openTimes(roots.state)
    const first = await command('fix-permissions', 0, how)
    assert.deepEqual([first.status, first.stdout], [0, '1\n'], first.stderr)
    const all = Object.keys(layout).length - (who === 'root' ? 0 : sharedFolders.length)
    assert.equal(first.stderr, `nixacme: mended owner, group or mode of ${all} files and folders in '${roots.state}'\n`)
    assert.deepEqual(looks(roots.state), layout)
    assert.deepEqual(openTimes(roots.state), before)
    assert.equal(fs.lstatSync(join(roots.state, cert, 'current')).uid, 0, 'links are left alone')
    const times = changeTimes(roots.state)
    const second = await command('fix-permissions', 0, how)
    assert.deepEqual([second.status, second.stderr], [0, ''])
    assert.deepEqual(changeTimes(roots.state), times)
  })

  test(`by ${who}: a new group is given; one file that is wrong is mended, and only that`, async (t) => {
    if (!needs(t, 'root')) return
    const { roots, command } = await makeHostile(t)
    layState(roots.state, who !== 'root')
    assert.equal((await command('fix-permissions')).status, 0)
    const key = join(cert, '.generations', '2026-11-05-0123456789abcdef', 'key.pem')
    fs.chmodSync(join(roots.state, key), 0o644)
    const times = changeTimes(roots.state)
    const { status, stderr } = await command('fix-permissions', 0, how)
    assert.deepEqual([status, /mended .* of 1 file or folder in /.test(stderr)], [0, true], stderr)
    assert.deepEqual(looks(roots.state), layout)
    const now = changeTimes(roots.state)
    assert.deepEqual({ ...now, [key]: 0 }, { ...times, [key]: 0 })
    writeJobs(roots, [acmeJob({ group: 'acme' })])
    assert.equal((await command('fix-permissions', 0, how)).status, 0)
    const wanted = Object.entries(layout).map(([path, look]) => [path, look.replace(':web', ':acme')])
    assert.deepEqual(looks(roots.state), Object.fromEntries(wanted))
  })

  test(`by ${who}: hard links, links, fifos and what is too deep are left alone, and told once`, async (t) => {
    if (!needs(t, 'root')) return
    const { roots, outside, command } = await makeHostile(t)
    layState(roots.state, who !== 'root')
    const secret = join(outside, 'secret')
    fs.writeFileSync(secret, 'secret', { mode: 0o600 })
    const out = join(roots.state, cert)
    fs.linkSync(secret, join(out, 'linked'))
    fs.symlinkSync(secret, join(out, 'shortcut'))
    fs.symlinkSync(outside, join(out, 'folder'))
    assert.equal((await run('mkfifo', ['-m', '644', join(out, 'fifo')])).status, 0)
    const deep = join(out, ...Array.from({ length: 20 }, () => 'd'))
    fs.mkdirSync(deep, { recursive: true })
    fs.writeFileSync(join(deep, 'file'), '', { mode: 0o604 })
    const before = [secret, outside].map((path) => fs.lstatSync(path, { bigint: true }))
    const { stderr } = await command('fix-permissions', 0, how)
    assert.match(
      stderr,
      /^nixacme: warning: left 3 files and folders in '.*' alone, such as '.*' \((not a file|it has other names too|more than 12 folders deep)\)$/m,
    )
    assert.equal(stderr.match(/warning/g)?.length, 1, stderr)
    assert.deepEqual(
      [secret, outside].map((path) => fs.lstatSync(path, { bigint: true })),
      before,
    )
    assert.equal(fs.lstatSync(join(deep, 'file')).mode & 0o777, 0o604)
    assert.deepEqual(looks(roots.state), layout)
  })
}

test('links in place of the folders of the layout: nothing behind them changes', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, outside, command } = await makeHostile(t)
  for (const name of ['out', 'lego', 'ca']) fs.mkdirSync(join(outside, name), { mode: 0o711 })
  for (const name of ['x.test', 'accounts']) fs.mkdirSync(join(outside, 'lego', name), { mode: 0o711 })
  fs.writeFileSync(join(outside, 'lego', 'accounts', 'secret'), 'secret', { mode: 0o600 })
  const all = fs.readdirSync(outside, { recursive: true, encoding: 'utf8' }).map((name) => join(outside, name))
  const before = all.map((path) => fs.lstatSync(path, { bigint: true }))
  for (const [name, target] of [
    [cert, 'out'],
    ['.lego', 'lego'],
    ['.minica', 'ca'],
  ] as const)
    fs.symlinkSync(join(outside, target), join(roots.state, name))
  const { status, stderr } = await command('fix-permissions')
  assert.equal(status, 0)
  assert.match(
    stderr,
    /^nixacme: warning: left 3 files and folders in '.*' alone, such as '.*' \(not a folder\)\n.*hint: /,
  )
  assert.deepEqual(
    all.map((path) => fs.lstatSync(path, { bigint: true })),
    before,
  )
})

test('another file system below is not entered', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  layState(roots.state)
  const below = join(roots.state, cert, 'below')
  fs.mkdirSync(below)
  const mounted = [
    'sh',
    '-c',
    `mount -t tmpfs -o mode=1777 none '${below}' && touch '${below}/file' && "$@" && stat -c '%a %u' '${below}' '${below}/file'`,
    'sh',
  ]
  const { status, stdout, stderr } = await command('fix-permissions', 0, mounted)
  assert.equal(status, 0, stderr)
  assert.equal(stdout, '1\n1777 0\n644 0\n')
  assert.match(stderr, /left 1 file or folder .* such as '.*\/below' \(on another file system\)/)
})

test('a setuid file of root: root takes the bit and gives it to acme; CAP_CHOWN alone may not, and says so', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  layState(roots.state, true)
  const file = join(roots.state, cert, 'deploy')
  fs.chmodSync(file, 0o6755)
  const unit = await command('fix-permissions', 0, asUnit)
  assert.match(
    unit.stderr,
    /not allowed to mend 1 file or folder in '.*', such as '.*\/deploy', ignoring\n.*: run as root\n/,
  )
  assert.deepEqual([unit.status, fs.statSync(file).mode & 0o7777, fs.statSync(file).uid], [0, 0o6755, 0])
  assert.equal((await command('fix-permissions')).status, 0)
  assert.deepEqual(looks(roots.state), layout)
})

test("useRoot: all of it is root's", async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t, { useRoot: true })
  layState(roots.state)
  await giveToAcme(roots.state)
  assert.equal((await command('fix-permissions')).status, 0)
  for (const [path, look] of Object.entries(looks(roots.state))) assert.match(look, / root:/, path)
  assert.match(looks(roots.state)[cert] ?? '', /^750 root:web$/)
})

test('nothing there, no job: silence', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  fs.chownSync(roots.state, 0, 0)
  const { mode } = fs.statSync(roots.state)
  assert.deepEqual((({ status, stderr }) => [status, stderr])(await command('fix-permissions')), [0, ''])
  assert.deepEqual([fs.readdirSync(roots.state), fs.statSync(roots.state).mode], [[], mode])
  fs.rmdirSync(roots.state)
  assert.deepEqual((({ status, stderr }) => [status, stderr])(await command('fix-permissions')), [0, ''])
  assert.equal(fs.existsSync(roots.state), false)
})

test('a group that does not exist: 78 for that certificate, the others are mended', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  layState(roots.state)
  writeJobs(roots, [acmeJob({ name: 'a.test', group: 'nosuchgroup' }), acmeJob({ group: 'web' })])
  const { status, stderr } = await command('fix-permissions')
  assert.equal(status, 78)
  assert.match(stderr, /^nixacme: error: a\.test: the group 'nosuchgroup' does not exist\n/)
  assert.deepEqual(looks(roots.state), layout)
})

test('user acme without any privilege, as in the unit: silent of shared folders, be they root’s or, as once, his', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  layState(roots.state)
  assert.equal((await command('fix-permissions')).status, 0)
  const inWeb = ['setpriv', `--reuid=${acme.uid}`, `--regid=${acme.gid}`, `--groups=${web.gid}`, '--no-new-privs']
  for (const owner of [0, acme.uid]) {
    for (const path of sharedFolders) fs.chownSync(join(roots.state, path), owner, owner)
    const times = changeTimes(roots.state)
    const { status, stderr } = await command('fix-permissions', 0, inWeb)
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual(changeTimes(roots.state), times)
  }
  assert.equal((await command('fix-permissions')).status, 0)
  assert.deepEqual(looks(roots.state), layout, 'root takes them over')
})

test('root without capabilities, as in a unit with useRoot: told why', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t, { useRoot: true })
  layState(roots.state, true)
  await giveToAcme(roots.state)
  const withoutRights = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']
  const { status, stderr } = await command('fix-permissions', 0, withoutRights)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /^nixacme: warning: not allowed to mend \d+ files and folders /)
  assert.match(stderr, /^nixacme: hint: here root lacks the capabilities for it, as in a unit: run 'nixacme fix-perm/m)
  assert.doesNotMatch(stderr, /lsattr/)
})

async function ownState(t: TestContext) {
  const machine = await makeHostile(t)
  layState(machine.roots.state)
  const give = (path: string) => {
    fs.lchownSync(path, nobody.uid, nobody.gid)
    if (fs.lstatSync(path).isDirectory()) for (const name of fs.readdirSync(path)) give(join(path, name))
  }
  give(machine.roots.state)
  return machine
}

test('a user with a state of his own: the modes, owner and group as they are', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await ownState(t)
  writeJobs(roots, [acmeJob({ group: 'acme' })])
  const { status, stderr } = await command('fix-permissions', 0, asUser(nobody, []))
  assert.equal(status, 0, stderr)
  assert.match(stderr, /^nixacme: mended /)
  const wanted = Object.entries(layout).map(([path, look]) => [
    path,
    `${look.split(' ')[0]} ${nobody.uid}:${nobody.gid}`,
  ])
  assert.deepEqual(looks(roots.state), Object.fromEntries(wanted))
})

test('what he may not mend is told, and no failure; nobody gets to read more than before', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await ownState(t)
  const out = join(roots.state, cert)
  fs.chownSync(join(out, 'renewed'), 0, 0)
  fs.chmodSync(join(out, 'deploy'), 0o606)
  const { status, stderr } = await command('fix-permissions', 0, asUser(nobody, []))
  assert.equal(status, 0, stderr)
  assert.match(stderr, /^nixacme: warning: x\.test: files cannot be given to the group 'web': .*, ignoring$/m)
  assert.match(
    stderr,
    /^nixacme: warning: not allowed to mend 1 file or folder in '.*', such as '.*\/x\.test\/renewed', ignoring\nnixacme: hint: run as root$/m,
  )
  assert.equal(fs.statSync(join(out, 'renewed')).mode & 0o777, 0o666)
  assert.equal(fs.statSync(out).uid, nobody.uid)
})

test('acme without the right to give files away: told, folders stay his', async (t) => {
  if (!needs(t, 'root')) return
  const { roots, command } = await makeHostile(t)
  layState(roots.state)
  assert.equal((await command('fix-permissions')).status, 0)
  const key = join(roots.state, cert, 'renewed')
  fs.chownSync(key, 0, 0)
  fs.writeFileSync(join(roots.state, cert, 'own'), '', { mode: 0o600 })
  fs.chownSync(join(roots.state, cert, 'own'), acme.uid, acme.gid)
  const { status, stderr } = await command('fix-permissions', 0, asUser(acme, []))
  assert.equal(status, 0)
  assert.match(stderr, /not allowed to mend 2 files and folders in /)
  const { [`${cert}/renewed`]: renewed, ...others } = looks(roots.state)
  const { [`${cert}/renewed`]: _, ...wanted } = layout
  assert.deepEqual([others, renewed], [wanted, '640 root:root'])
  // Read by group acme before the group is web's: no.
  assert.equal(fs.statSync(join(roots.state, cert, 'own')).mode & 0o777, 0o600)
  assert.equal(web.gid, fs.statSync(join(roots.state, cert)).gid)
})
