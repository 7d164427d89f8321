// The account and our own memory beside a certificate: what is ours is read, what is not is told apart from what is damaged.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { pathsOf } from '../../src/job/job.ts'
import type { CertPaths } from '../../src/job/paths.ts'
import { memoryVersion } from '../../src/renewal/memory.ts'
import { readState } from '../../src/renewal/state.ts'
import { temporaryDir } from '../support/process.ts'
import { makeJob } from './support/lock-job.ts'
import { accountJson, writeAccount, writeMemory } from './support/stored.ts'

/** An account in order, in a state of its own. */
function inOrder(t: TestContext): CertPaths {
  const dir = temporaryDir(t)
  const paths = pathsOf({ state: dir, runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }, makeJob())
  writeAccount(paths)
  writeMemory(paths, { version: memoryVersion })
  return paths
}

for (const [text, account] of [
  [accountJson('a@b.test'), 'registered'],
  [accountJson('a@b.test').replaceAll('\n', '\r\n'), 'registered'],
  ['', 'key'],
  [accountJson('a@b.test').slice(0, 60), 'key'],
  ['null', 'key'],
  ['[]', 'key'],
  ['"https://ca.test/acct/1"', 'key'],
  ['{"registration": null}', 'key'],
  ['{"registration": {"uri": ""}}', 'key'],
  ['{"registration": {"uri": 7}}', 'key'],
  ['{"registration": {"uri": "acct/1"}}', 'key'],
  ['{"id": "1", "status": "valid", "uri": "https://ca.test/acct/1"}', 'key'],
  ['\u0000\u0001', 'key'],
] as const)
  test(`account.json ${JSON.stringify(text.slice(0, 40))}: ${account}`, (t) => {
    const paths = inOrder(t)
    fs.writeFileSync(paths.accountJson, text)
    assert.equal(readState(paths).account, account)
  })

test('an account without its key, or with an empty one, is none', (t) => {
  const paths = inOrder(t)
  fs.writeFileSync(paths.accountKey, '')
  assert.equal(readState(paths).account, 'missing')
  fs.rmSync(paths.accountKey)
  assert.equal(readState(paths).account, 'missing')
  fs.rmSync(paths.accountJson)
  assert.equal(readState(paths).account, 'missing')
})

test('a key whose registration was not written is known for what it is', (t) => {
  const paths = inOrder(t)
  fs.rmSync(paths.accountJson)
  assert.equal(readState(paths).account, 'key')
})

const damaged = (paths: CertPaths) => (e: unknown) =>
  e instanceof NixacmeError && e.kind === 'data' && e.message.includes(`'${paths.memory}'`)

const failure = {
  kind: 'rateLimited',
  problem: 'rateLimited',
  message: 'too many orders',
  details: ['try later'],
  links: ['https://ca.example/limits'],
  count: 3,
  first: '2026-09-01T00:00:00.000Z',
  last: '2026-09-02T00:00:00.000Z',
  retryAfter: '2026-09-03T10:00:00.000Z',
  retryAt: '2026-09-03T10:01:00.000Z',
  config: '[]',
}

test('the memory: what is there and in order, as dates and texts; what is not is not remembered', (t) => {
  const paths = inOrder(t)
  const memoryOf = (value: unknown) => {
    writeMemory(paths, value)
    return JSON.parse(JSON.stringify(readState(paths).memory))
  }
  const nothing = { server: '', orders: [], unproven: [] }
  assert.deepEqual(memoryOf({ version: 1 }), nothing)
  const all = {
    server: 'https://ca.example/dir',
    failure,
    attempt: { since: '2026-09-01T00:00:00.000Z', crashes: 2 },
    orders: [{ at: '2026-09-01T00:00:00.000Z', names: 'a.example b.example' }],
    unproven: [{ at: '2026-09-01T00:00:00.000Z', name: 'a.example' }],
    offered: ['classic', 'shortlived'],
  }
  assert.deepEqual(memoryOf({ version: 1, ...all, more: {} }), all)
  assert.deepEqual(memoryOf({ version: 1, failure: { ...failure, last: '2026-09-02T02:00:00+02:00' } }), {
    ...nothing,
    failure,
  })
  assert.deepEqual(memoryOf({ version: 1, failure: { ...failure, retryAt: 'soon' } }), nothing)
  assert.deepEqual(memoryOf({ version: 1, failure: { ...failure, kind: 'fate' } }), nothing)
  assert.deepEqual(
    memoryOf({ version: 1, failure: 'yes', attempt: 1, orders: [1, { at: 1 }], unproven: {}, offered: 3 }),
    nothing,
  )
})

test('a memory of a newer nixacme is refused (65) and left alone', (t) => {
  const paths = inOrder(t)
  const text = `{"version": ${memoryVersion + 1}, "retryAt": {"at": []}}`
  fs.writeFileSync(paths.memory, text)
  assert.throws(
    () => readState(paths),
    (e) => damaged(paths)(e) && e instanceof NixacmeError && e.hints.some((hint) => hint.includes('newer nixacme')),
  )
  assert.equal(fs.readFileSync(paths.memory, 'utf8'), text)
})

for (const text of ['', '{', 'null', '[]', '{}', '{"version": "1"}', '{"version": null}'])
  test(`a memory of ${JSON.stringify(text)} is damaged (65)`, (t) => {
    const paths = inOrder(t)
    fs.writeFileSync(paths.memory, text)
    assert.throws(() => readState(paths), damaged(paths))
  })
