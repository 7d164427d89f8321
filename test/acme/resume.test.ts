// An order that an earlier run left is gone on with from every state.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { RequestKind } from '../ca/routes.ts'
import { linesWith, type Scene, scene } from './interrupted.ts'

/** What has to be said, once, of an order that is taken up in this state. */
function assertTakenUp(s: Scene, state: string): void {
  assert.equal(linesWith(s, 'taking up').length, 1, s.log.lines.join('\n'))
  assert.match(
    linesWith(s, 'taking up')[0] ?? '',
    new RegExp(`^info: taking up the order of 20[-0-9T:]+Z, .*'${state}'`),
  )
  assert.deepEqual(linesWith(s, 'ordering anew'), [])
  assert.deepEqual([s.ca.stats.orders, s.ca.stats.certificates], [1, 1])
}

const finish: readonly RequestKind[] = ['finalize', 'certificate']

test('pending, not answered: the authorizations go on, the same challenges are answered', async (t) => {
  const s = await scene(t)
  const { kind } = await s.interrupt('challenge')
  assert.equal(kind, 'later')
  assert.deepEqual(s.challengeFiles(), [])
  const { asked } = await s.next()
  assert.deepEqual(asked.slice(0, 6).sort(), ['authz', 'authz', 'challenge', 'challenge', 'order', 'order'])
  assert.deepEqual(asked.slice(6), finish)
  assert.deepEqual(s.challengeFiles(), [])
  assertTakenUp(s, 'pending')
})

test('pending, answered: the CA is not told twice', async (t) => {
  const s = await scene(t, { polls: { authz: 2 } })
  await s.interrupt('order')
  const { asked } = await s.next()
  assert.ok(!asked.includes('challenge'), asked.join(' '))
  assertTakenUp(s, 'pending')
})

test('pending, stopped before the authorizations are known: they are there for the next run', async (t) => {
  const s = await scene(t)
  await s.interrupt('authz')
  await s.next()
  assertTakenUp(s, 'pending')
})

test('ready: finalised with the key that is stored', async (t) => {
  const s = await scene(t)
  await s.interrupt('finalize')
  const { key } = s.order()
  const { issued, asked } = await s.next()
  assert.equal(issued.keyPem, key)
  assert.deepEqual(asked, ['order', ...finish])
  assertTakenUp(s, 'ready')
})

test('ready, no key yet: one is made, and stored before the CA is asked to sign', async (t) => {
  const s = await scene(t)
  await s.interrupt('finalize')
  s.order({ key: undefined })
  s.ca.fault('finalize', ({ next }) => {
    assert.match(String(s.order().key), /PRIVATE KEY/)
    return next()
  })
  const { issued } = await s.next()
  assert.equal(s.order().key, issued.keyPem)
  assertTakenUp(s, 'ready')
})

test('processing: the CA is asked until it is done, at its pace', async (t) => {
  const s = await scene(t, { polls: { certificate: 3 } })
  await s.interrupt('finalize', 'after')
  const { issued, asked } = await s.next()
  assert.equal(issued.keyPem, s.order().key)
  assert.ok(!asked.includes('finalize'))
  assertTakenUp(s, 'processing')
})

test('valid: the certificate is downloaded, with patience, and nothing else is asked', async (t) => {
  const s = await scene(t)
  await s.interrupt('finalize', 'after')
  s.ca.fault('certificate', { do: 'problem', type: 'malformed', status: 404, times: 1 })
  const { issued, asked } = await s.next()
  assert.equal(issued.keyPem, s.order().key)
  assert.deepEqual(asked, ['order', 'certificate', 'certificate'])
  assertTakenUp(s, 'valid')
})

test('the order stays until the certificate is stored, then it is gone', async (t) => {
  const s = await scene(t)
  const { issued } = await s.next()
  const { mode } = statSync(s.orderFile)
  assert.equal(mode & 0o777, 0o600)
  issued.stored()
  assert.ok(!existsSync(s.orderFile))
  issued.stored()
})

test('a dry run leaves an order alone', async (t) => {
  const s = await scene(t)
  await s.interrupt('finalize')
  const before = readFileSync(s.orderFile, 'utf8')
  assert.equal(await issue({ ...s.req, dryRun: true }), undefined)
  assert.equal(readFileSync(s.orderFile, 'utf8'), before)
})

test('challenges that a killed run left are taken away, whatever becomes of its order', async (t) => {
  for (const edit of [{}, { names: ['other.example'] }]) {
    const s = await scene(t)
    await s.interrupt('certificate')
    s.order(edit)
    const folder = join(s.webroot, '.well-known', 'acme-challenge')
    for (const token of ['one', 'two', 'of-somebody-else']) writeFileSync(join(folder, token), '')
    const traces = ['one', 'two'].map((token) => ({ kind: 'file', path: join(folder, token) }))
    writeFileSync(s.req.ledger.path, JSON.stringify({ version: 1, traces }), { mode: 0o600 })
    await s.next()
    assert.deepEqual(s.challengeFiles(), ['of-somebody-else'])
    assert.ok(!existsSync(s.req.ledger.path))
  }
})

test('the names in another order are the same order; no predecessor is no other', async (t) => {
  const s = await scene(t)
  await s.interrupt('finalize')
  s.order({ replaces: 'a.b' })
  await s.next({ names: [...s.req.names].reverse() })
  assertTakenUp(s, 'ready')
})
