import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { webrootSolver } from '../../src/acme/challenges/webroot.ts'
import { NixacmeError } from '../../src/errors.ts'
import { folder, keptLog } from './request.ts'

const isRoot = process.geteuid?.() === 0

function solver(t: TestContext, groupGid?: number) {
  const webroot = join(folder(t), 'srv', 'www')
  const log = keptLog()
  const challenges = join(webroot, '.well-known', 'acme-challenge')
  return { webroot, challenges, log, ...webrootSolver({ webroot, groupGid, groupName: 'web', log }) }
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
