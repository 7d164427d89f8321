// The account's key is changed while a certificate is being got, or the CA makes a change that it seemed not to have heard
// of: the work goes on with the key that the CA has, on the same order.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { fetchAccount, recoverAccount, rollOverKey } from '../../src/acme/account-work.ts'
import { issue } from '../../src/acme/issue.ts'
import type { RequestKind } from '../ca/routes.ts'
import { linesWith, scene } from './interrupted.ts'
import { failureOf } from './request.ts'

const keyIn = (path: string) => readFileSync(path, 'utf8')

for (const kind of ['newOrder', 'authz', 'challenge', 'finalize', 'certificate'] as const satisfies RequestKind[])
  test(`rolled over while '${kind}' is on its way: read anew, and gone on with`, async (t) => {
    const s = await scene(t)
    const end = s.ca.fault(kind, async ({ next }) => {
      end()
      await rollOverKey(s.req)
      return next()
    })
    const { issued } = await s.next()
    assert.equal(linesWith(s, "the account's key was changed meanwhile").length, 1, s.log.lines.join('\n'))
    assert.deepEqual([s.ca.stats.orders, s.ca.stats.certificates, s.ca.stats.accounts], [1, 1, 1])
    issued.stored()
    assert.ok(!existsSync(s.orderFile))
    assert.deepEqual(s.challengeFiles(), [])
  })

for (const kind of ['order', 'challenge', 'certificate'] as const)
  test(`rolled over while '${kind}' of an order of an earlier run is on its way: it is not ordered anew`, async (t) => {
    const s = await scene(t)
    await s.interrupt(kind === 'certificate' ? kind : 'challenge')
    const end = s.ca.fault(kind, async ({ next }) => {
      end()
      await rollOverKey(s.req)
      return next()
    })
    await s.next()
    assert.equal(linesWith(s, "the account's key was changed meanwhile").length, 1, s.log.lines.join('\n'))
    assert.deepEqual(linesWith(s, 'ordering anew'), [])
    assert.deepEqual([s.ca.stats.orders, s.ca.stats.certificates], [1, 1])
  })

test('a refusal that is not about the key is told as it is, once, without the lock of the account', async (t) => {
  let locks = 0
  const withAccountLock = <T>(work: () => Promise<T>): Promise<T> => {
    locks++
    return work()
  }
  const s = await scene(t, {}, { withAccountLock })
  s.ca.fault('newOrder', { do: 'problem', type: 'malformed', status: 400, detail: 'no' })
  const e = await failureOf(issue(s.req))
  assert.match(e.message, /malformed: no$/)
  assert.deepEqual([s.ca.count('newOrder'), s.ca.count('newAccount'), locks], [1, 1, 1])
})

/** A change that the CA makes only after it was asked what has become of it: the new key was put aside by then. */
async function lateChange(t: TestContext) {
  const s = await scene(t)
  const { issued } = await s.next()
  issued.stored()
  const { key } = s.req.account
  const old = keyIn(key)
  await rollOverKey(s.req)
  const late = keyIn(key)
  renameSync(key, `${key}.unused`)
  writeFileSync(key, old, { mode: 0o600 })
  return { s, key, late }
}

test('a change that the CA makes late: the next certificate finds the key that was put aside', async (t) => {
  const { s, key, late } = await lateChange(t)
  const { issued } = await s.next()
  issued.stored()
  assert.deepEqual([keyIn(key), existsSync(`${key}.unused`), s.ca.stats.accounts], [late, false, 1])
  assert.match(linesWith(s, 'seemed not to have reached it')[0] ?? '', /^notice: /)
})

for (const [name, look] of [
  ['a look at the account', fetchAccount],
  ['recover', recoverAccount],
] as const)
  test(`and so does ${name}`, async (t) => {
    const { s, key, late } = await lateChange(t)
    const { status } = await look(s.req)
    assert.deepEqual([status, keyIn(key), existsSync(`${key}.unused`)], ['valid', late, false])
  })

test('a key that was put aside and that the CA does not know stays aside', async (t) => {
  const { s, key, late } = await lateChange(t)
  renameSync(`${key}.unused`, key)
  await rollOverKey(s.req)
  const now = keyIn(key)
  writeFileSync(`${key}.unused`, late)
  s.ca.fault('newOrder', { do: 'problem', type: 'malformed', status: 400, times: 1 })
  await failureOf(issue(s.req))
  assert.deepEqual([keyIn(key), keyIn(`${key}.unused`)], [now, late])
})
