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
import { webrootSolver } from '../../src/acme/challenges/webroot.ts'
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

const presentation = (token: string) => ({ name: 'a.example', token, keyAuthorization: `${token}.thumb` })

test('missing folders are made readable for all, whatever the umask, and the probe is gone', (t) => {
  const s = solver(t)
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  s.prepare()
  s.present(presentation('abc'))
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

test('clean-up removes what was presented and nothing else, and can be done twice', (t) => {
  const s = solver(t)
  s.prepare()
  writeFileSync(join(s.challenges, 'foreign'), '')
  s.present(presentation('one'))
  s.present(presentation('two'))
  s.cleanUp()
  s.cleanUp()
  assert.deepEqual(readdirSync(s.challenges), ['foreign'])
})

for (const token of ['../../x', 'a/b', '', '.', 'a b', 'x'.repeat(300), 'a\n'])
  test(`token ${JSON.stringify(token.slice(0, 10))} never becomes a path: refused`, (t) => {
    const s = solver(t)
    s.prepare()
    assert.throws(
      () => s.present(presentation(token)),
      (e) => e instanceof NixacmeError && e.exitStatus === 76,
    )
    s.cleanUp()
    assert.deepEqual(readdirSync(s.challenges), [])
    assert.ok(!existsSync(join(s.webroot, 'x')))
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

test('a present that failed half-way is cleaned up, what cannot be removed is warned about', (t) => {
  const s = solver(t)
  s.prepare()
  s.present(presentation('one'))
  mkdirSync(join(s.challenges, 'two'))
  assert.throws(() => s.present(presentation('two')), { kind: 'write' })
  s.cleanUp()
  assert.deepEqual(readdirSync(s.challenges), ['two'])
  assert.match(s.log.lines.join('\n'), /^warning: cannot remove '.*two': .*, ignoring$/)
})

test('what an earlier run presented goes with the clean-up; nothing outside of the folder does', (t) => {
  const s = solver(t)
  s.prepare()
  for (const name of ['left', 'other']) writeFileSync(join(s.challenges, name), '')
  const victim = join(s.webroot, 'index.html')
  writeFileSync(victim, '')
  s.inherit(['left', 'gone', '../../index.html'])
  s.cleanUp()
  assert.deepEqual(readdirSync(s.challenges), ['other'])
  assert.ok(existsSync(victim))
  assert.deepEqual(s.log.lines, [])
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
