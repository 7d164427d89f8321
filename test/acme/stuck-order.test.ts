// An order that the CA has lost and only fails at: it is let go after an hour, and a new one placed; one of a CA that is
// down as a whole is kept.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { Fault } from '../ca/faults.ts'
import type { RequestKind } from '../ca/routes.ts'
import { linesWith, type Scene, scene } from './interrupted.ts'
import { failureOf } from './request.ts'

const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()

/** Not repeated in the same run, for the sake of time. */
const broken: Fault = { do: 'answer', status: 500, headers: { 'Retry-After': '60' } }

const stored = (s: Scene) => s.order() as { readonly failedAt?: string; readonly orderUrl: string; key?: string }

/** The first order, and nothing of any other, fails. */
function lose(s: Scene, kind: RequestKind, fault: Fault): void {
  s.ca.fault(kind, { ...fault, times: 1 })
}

/** With an order that is left before it is finalised. */
async function interrupted(t: TestContext): Promise<Scene> {
  const s = await scene(t)
  await s.interrupt('finalize')
  return s
}

const losses: readonly (readonly [string, left: RequestKind, at: RequestKind, fault: Fault])[] = [
  ['500 for its URL', 'finalize', 'order', broken],
  ['a page for its URL', 'finalize', 'order', { do: 'html' }],
  ['500 for its finalisation', 'finalize', 'finalize', broken],
  ['500 for an authorization', 'authz', 'authz', broken],
  ['500 for its certificate', 'certificate', 'certificate', broken],
]

for (const [name, left, at, fault] of losses)
  test(`${name}: kept for an hour, then let go for a new one in the same run`, async (t) => {
    const s = await scene(t)
    await s.interrupt(left)
    const { orderUrl, key } = stored(s)
    for (const failedAt of [undefined, hoursAgo(0.9)]) {
      s.order({ failedAt })
      lose(s, at, fault)
      assert.equal((await failureOf(issue(s.req))).kind, 'unavailable')
      assert.equal(s.ca.stats.orders, 1)
      assert.deepEqual([stored(s).orderUrl, stored(s).key], [orderUrl, key ?? stored(s).key])
      assert.ok(Date.parse(stored(s).failedAt ?? '') <= Date.now())
    }
    s.order({ failedAt: hoursAgo(1.1) })
    lose(s, at, fault)
    const { issued } = await s.next()
    assert.equal(s.ca.stats.orders, 2)
    assert.match(
      linesWith(s, 'ordering anew').join('\n'),
      /^info: the CA has only failed at the order of .* for more than/,
    )
    assert.equal(stored(s).key, issued.keyPem)
    assert.equal(stored(s).failedAt, undefined)
  })

test('no answer at all for its URL; and a clock that was set back does not make the hour longer', async (t) => {
  const s = await interrupted(t)
  s.order({ failedAt: hoursAgo(-2) })
  s.ca.fault('order', { do: 'drop', when: 'before', times: 4 })
  await s.next()
  assert.equal(s.ca.stats.orders, 2)
})

test('a CA that is down as a whole, or gives no nonces, lets no order be forgotten', async (t) => {
  const s = await interrupted(t)
  const { orderUrl } = stored(s)
  // The first nonce serves the question for the order; its answer brings none.
  for (const [kind, skip] of [
    ['*', 0],
    ['newNonce', 1],
  ] as const)
    for (const failedAt of [undefined, hoursAgo(30)]) {
      s.order({ failedAt })
      s.ca.reset()
      s.ca.fault(kind, { ...broken, skip })
      s.ca.fault('order', broken)
      assert.equal((await failureOf(issue(s.req))).kind, 'unavailable')
      assert.deepEqual([stored(s).orderUrl, stored(s).failedAt], [orderUrl, failedAt])
    }
  s.ca.reset()
  await s.next()
  assert.equal(s.ca.stats.orders, 1)
})

test('it stays where the CA fails at the new one, too: whichever it finds again first is gone on with', async (t) => {
  const s = await interrupted(t)
  const { orderUrl } = stored(s)
  s.order({ failedAt: hoursAgo(30) })
  s.ca.fault('order', broken)
  s.ca.fault('newOrder', broken)
  assert.equal((await failureOf(issue(s.req))).kind, 'unavailable')
  assert.equal(stored(s).orderUrl, orderUrl)
  s.ca.reset()
  await s.next()
  assert.equal(s.ca.stats.orders, 1)
})

test('what the CA says of it meanwhile, be it a limit, begins the hour anew', async (t) => {
  const s = await interrupted(t)
  s.order({ failedAt: hoursAgo(2) })
  s.ca.fault('finalize', { do: 'problem', type: 'rateLimited', status: 429, times: 1 })
  assert.equal((await failureOf(issue(s.req))).kind, 'later')
  assert.equal(stored(s).failedAt, undefined)
  lose(s, 'order', broken)
  assert.equal((await failureOf(issue(s.req))).kind, 'unavailable')
  assert.equal(s.ca.stats.orders, 1)
})
