// A session: one login for all that is asked at the same time, a new one when it is over, and no login without end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Session, SessionOver } from '../../src/acme/dns/session.ts'
import { NixacmeError } from '../../src/errors.ts'

const refusal = new NixacmeError('refused', 'the session is over')

test('session: what is asked side by side logs in once, when the session runs out as well', async () => {
  let logins = 0
  const session = new Session(async () => ++logins)
  const ask = () =>
    session.use(async (id) => {
      await new Promise(setImmediate)
      if (id === 1) throw new SessionOver(refusal)
      return id
    })
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [2, 2, 2])
  assert.equal(logins, 2)
})

test('session: when a new one does not help, the refusal is told after two tries', async () => {
  let logins = 0
  const session = new Session(async () => ++logins)
  await assert.rejects(
    session.use(async () => {
      throw new SessionOver(refusal)
    }),
    (e) => e === refusal,
  )
  assert.equal(logins, 2)
})

test('session: a login that failed is tried again by the next request, other failures are no reason for one', async () => {
  let logins = 0
  const session = new Session(async () => {
    if (++logins === 1) throw new Error('no login')
    return logins
  })
  await assert.rejects(
    session.use(async (id) => id),
    /no login/,
  )
  await assert.rejects(
    session.use(async () => {
      throw new Error('something else')
    }),
    /something else/,
  )
  assert.equal(await session.use(async (id) => id), 2)
})
