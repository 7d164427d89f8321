// An order of an earlier run that is for something else, or with which nothing can come of it any more, is let go; one that
// only could not be gone on with stays.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { IssueRequest } from '../../src/acme/request.ts'
import type { Hook } from '../ca/faults.ts'
import type { RequestKind } from '../ca/routes.ts'
import { linesWith, scene } from './interrupted.ts'
import { failureOf } from './request.ts'

const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()

/** Orders that are let go without a question to the CA. */
const others: Readonly<Record<string, [edit: object, why: RegExp, changes?: Partial<IssueRequest>]>> = {
  'another CA': [{ directoryUrl: 'https://other.example/dir' }, /was placed at another CA/],
  'another account': [{ accountUrl: 'https://ca.example/account/7' }, /is that of another account/],
  'other names': [{ names: ['a.example'] }, /is for other names/],
  'another profile': [{ profile: 'shortlived' }, /is for another profile/],
  'another lifetime': [{ notAfter: 86_400 }, /is for another lifetime/],
  'a key of another kind': [{ keySource: 'keep' }, /is for another key/],
  'another predecessor': [{ replaces: 'a.b' }, /replaces another certificate/, { replaces: 'a.c' }],
  'eight days old': [{ placedAt: ago(8 * 24) }, /has expired/],
  'made in a far future': [{ placedAt: ago(-8 * 24) }, /has expired/],
  'expired at the CA': [{ expires: ago(0) }, /has expired/],
}

for (const [name, [edit, why, changes]] of Object.entries(others))
  test(`not taken up: ${name}`, async (t) => {
    const s = await scene(t)
    await s.interrupt('finalize')
    s.order(edit)
    const { issued, asked } = await s.next(changes)
    assert.equal(asked[0], 'newOrder')
    assert.match(linesWith(s, 'ordering anew').join('\n'), why)
    assert.equal(s.ca.stats.orders, 2)
    assert.equal(s.order().key, issued.keyPem)
  })

test('an order whose key is that of the stored certificate is done', async (t) => {
  const s = await scene(t)
  const { issued } = await s.next()
  const present = { key: issued.keyPem, leaf: issued.chain[0] ?? '' }
  const again = await s.next({ present })
  assert.equal(again.asked[0], 'newOrder')
  assert.notEqual(again.issued.keyPem, issued.keyPem)
  assert.match(linesWith(s, 'ordering anew').join('\n'), /is done/)
})

test('a kept key tells nothing: an order is done when its certificate is the stored one', async (t) => {
  const s = await scene(t)
  const { keyPem } = (await s.next()).issued
  const key = { kind: 'keep', pem: keyPem } as const
  const first = await s.next({ key })
  const present = { key: keyPem, leaf: first.issued.chain[0] ?? '' }
  const { issued, asked } = await s.next({ key, present })
  assert.deepEqual(asked.slice(0, 3), ['order', 'certificate', 'newOrder'])
  assert.equal(issued.keyPem, keyPem)
  assert.notEqual(issued.chain[0], present.leaf)
})

/** What the CA says of an order with which nothing can come of it. */
const ends: Readonly<Record<string, [left: RequestKind, kind: RequestKind, fault: Hook | object, orders: number]>> = {
  invalid: ['finalize', 'order', { do: 'patch', json: { status: 'invalid' }, times: 1 }, 2],
  'not known': ['finalize', 'order', { do: 'problem', type: 'malformed', status: 404, times: 1 }, 2],
  'of another account': ['finalize', 'order', { do: 'problem', type: 'unauthorized', status: 403, times: 1 }, 2],
  '404 from a bare web server': ['finalize', 'order', { do: 'answer', status: 404, times: 1 }, 2],
  'an authorization that is gone': [
    'challenge',
    'authz',
    { do: 'problem', type: 'malformed', status: 404, times: 1 },
    2,
  ],
  'an authorization that failed': ['challenge', 'authz', { do: 'patch', json: { status: 'invalid' }, times: 1 }, 2],
  'a certificate for another key': [
    'certificate',
    'certificate',
    { do: 'certificate', flaw: 'other-key', times: 1 },
    2,
  ],
}

for (const [name, [left, kind, fault, orders]] of Object.entries(ends))
  test(`let go, a new one is placed: ${name}`, async (t) => {
    const s = await scene(t)
    await s.interrupt(left)
    s.ca.fault(kind, fault as Hook)
    const { issued } = await s.next()
    assert.equal(s.ca.stats.orders, orders)
    assert.equal(linesWith(s, 'ordering anew').length, 1)
    assert.equal(s.order().key, issued.keyPem)
  })

test('undecided for more than a day: a new one is placed', async (t) => {
  const s = await scene(t, { polls: { certificate: 1000 } })
  await s.interrupt('finalize', 'after')
  s.order({ placedAt: ago(25) })
  s.ca.set({ polls: { certificate: 0 } })
  await s.next()
  assert.match(linesWith(s, 'ordering anew').join('\n'), /is still 'processing' at the CA/)
})

test('an account that the CA does not know: registered again, ordered anew, once', async (t) => {
  const s = await scene(t)
  await s.interrupt('finalize')
  s.ca.forget()
  await s.next()
  assert.deepEqual([s.ca.stats.orders, s.ca.stats.accounts], [1, 1])
  assert.equal(linesWith(s, 'registering again').length, 1)
})

/** Failures of the run that takes an order up: whether the order stays for the one after. */
const failures: Readonly<Record<string, [left: RequestKind, kind: RequestKind, fault: object, stays: boolean]>> = {
  'too many requests': ['finalize', 'finalize', { do: 'problem', type: 'rateLimited', status: 429 }, true],
  'a CA at fault': ['finalize', 'order', { do: 'answer', status: 503, headers: { 'Retry-After': '60' } }, true],
  nonsense: ['finalize', 'order', { do: 'html' }, true],
  'a refused request': ['finalize', 'finalize', { do: 'problem', type: 'badCSR' }, false],
  'a refused challenge': ['challenge', 'challenge', { do: 'problem', type: 'unauthorized', status: 403 }, false],
}

for (const [name, [left, kind, fault, stays]] of Object.entries(failures))
  test(`${name}: the order ${stays ? 'stays' : 'goes'}, none is placed in the same run`, async (t) => {
    const s = await scene(t)
    await s.interrupt(left)
    s.ca.fault(kind, fault as Hook)
    await failureOf(issue(s.req))
    assert.equal(existsSync(s.orderFile), stays)
    assert.equal(s.ca.stats.orders, 1)
  })

test('names that fail: the order goes, in the first run and in one that takes it up', async (t) => {
  const s = await scene(t, { validate: 'never' })
  assert.equal((await failureOf(issue(s.req))).kind, 'refused')
  assert.ok(!existsSync(s.orderFile))
  await s.interrupt('challenge')
  assert.ok(existsSync(s.orderFile))
  assert.equal((await failureOf(issue(s.req))).kind, 'refused')
  assert.ok(!existsSync(s.orderFile))
  assert.equal(s.ca.stats.orders, 2)
})

test('a deadline leaves the order, and says so', async (t) => {
  const s = await scene(t, { polls: { ready: 1000 }, retryAfter: { seconds: 30, as: 'seconds' } })
  const e = await failureOf(issue({ ...s.req, deadlineSeconds: 1 }))
  assert.equal(e.kind, 'unavailable')
  assert.match(e.hints.join('\n'), /takes up the order/)
  assert.ok(existsSync(s.orderFile))
})

test('an order that cannot be written down ends the run before the CA is asked to do more', async (t) => {
  const s = await scene(t)
  const order = { ...s.req.order, path: join(s.dir, 'missing', '.order.json') }
  assert.equal((await failureOf(issue({ ...s.req, order }))).kind, 'write')
  assert.equal(s.ca.count('authz'), 0)
})
