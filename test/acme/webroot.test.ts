import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Trace } from '../../src/acme/challenges/ledger.ts'
import { removeChallenge, webrootSolver } from '../../src/acme/challenges/webroot.ts'
import { NixacmeError } from '../../src/errors.ts'
import { folder, keptLog } from './request.ts'

const isRoot = process.geteuid?.() === 0

function solver(t: TestContext, groupGid?: number) {
  const webroot = join(folder(t), 'srv', 'www')
  const log = keptLog()
  const now = () => new Date()
  const challenges = join(webroot, '.well-known', 'acme-challenge')
  return { webroot, challenges, log, ...webrootSolver({ webroot, groupGid, groupName: 'web', now, log }) }
}

const presentation = (token: string) => ({
  name: 'a.example',
  token,
  keyAuthorization: `${token}.thumb`,
  accountUrl: undefined,
})
const presentations = (...tokens: string[]) => tokens.map(presentation)

test('missing folders are made readable for all, whatever the umask, and the probe is gone', (t) => {
  const s = solver(t)
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  s.prepare()
  s.present(presentations('abc'), () => undefined)
  for (const dir of [s.webroot, join(s.webroot, '.well-known'), s.challenges])
    assert.equal(statSync(dir).mode & 0o7777, 0o755)
  assert.deepEqual(readdirSync(s.challenges), ['abc'])
  assert.equal(statSync(join(s.challenges, 'abc')).mode & 0o7777, 0o644)
  assert.equal(readFileSync(join(s.challenges, 'abc'), 'utf8'), 'abc.thumb')
})

test('new folders get the group, old ones keep theirs', { skip: !isRoot && 'needs root' }, (t) => {
  const s = solver(t, 4242)
  mkdirSync(s.webroot, { recursive: true, mode: 0o750 })
  s.prepare()
  assert.equal(statSync(s.challenges).gid, 4242)
  assert.notEqual(statSync(s.webroot).gid, 4242)
  assert.equal(statSync(s.webroot).mode & 0o777, 0o750)
})

test('each is noted before any is shown, by its path', (t) => {
  const s = solver(t)
  s.prepare()
  const noted: Trace[] = []
  s.present(presentations('one', 'two'), (traces) => {
    assert.deepEqual(readdirSync(s.challenges), [])
    noted.push(...traces)
  })
  assert.deepEqual(
    noted,
    ['one', 'two'].map((token) => ({ kind: 'file', path: join(s.challenges, token) })),
  )
  assert.deepEqual(readdirSync(s.challenges).sort(), ['one', 'two'])
})

test('a challenge is removed, twice too; nothing else is', (t) => {
  const s = solver(t)
  s.prepare()
  s.present(presentations('one', 'two'), () => undefined)
  for (let i = 0; i < 2; i++) removeChallenge(join(s.challenges, 'one'))
  assert.deepEqual(readdirSync(s.challenges), ['two'])
  const victim = join(s.webroot, 'index.html')
  writeFileSync(victim, '')
  for (const path of [
    victim,
    join(s.challenges, '..', '..', 'index.html'),
    `${s.challenges}/../../index.html`,
    '/etc/passwd',
  ])
    assert.throws(() => removeChallenge(path), { kind: 'config' })
  assert.ok(existsSync(victim))
})

test('a file where a folder should be: cannot write, with the hint', (t) => {
  const s = solver(t)
  mkdirSync(join(s.webroot, '..'))
  writeFileSync(s.webroot, '')
  assert.throws(
    () => s.prepare(),
    (e) => {
      assert.ok(e instanceof NixacmeError && e.kind === 'write')
      assert.match(e.hints.join('\n'), /acme-challenge' exists and .* group 'web' may write there/)
      return true
    },
  )
})

test('a folder that may not be written: permission', (t) => {
  const s = solver(t)
  mkdirSync(s.challenges, { recursive: true })
  chmodSync(s.challenges, 0o555)
  // Root may write anywhere.
  if (isRoot) process.seteuid?.(65_534)
  try {
    assert.throws(() => s.prepare(), { kind: 'permission' })
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('one that cannot be written is told, and one that cannot be removed', (t) => {
  const s = solver(t)
  s.prepare()
  mkdirSync(join(s.challenges, 'two'))
  assert.throws(() => s.present(presentations('two'), () => undefined), { kind: 'write' })
  assert.throws(() => removeChallenge(join(s.challenges, 'two')), { kind: 'write' })
})

test('unfinished files of killed runs go after an hour, those of runs beside this one stay', (t) => {
  const s = solver(t)
  s.prepare()
  const old = new Date(Date.now() - 2 * 3_600_000)
  for (const name of ['.probe.1-2.tmp', '.token.1-3.tmp', 'token', '.htaccess', '.young.1-4.tmp'])
    writeFileSync(join(s.challenges, name), '')
  mkdirSync(join(s.challenges, '.folder.1-5.tmp'))
  for (const name of readdirSync(s.challenges))
    if (!name.includes('young')) utimesSync(join(s.challenges, name), old, old)
  s.prepare()
  assert.deepEqual(readdirSync(s.challenges).sort(), ['.folder.1-5.tmp', '.htaccess', '.young.1-4.tmp', 'token'])
})
