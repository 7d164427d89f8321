// What a new order asks for, and what it does without when the CA refuses: at a CA that does what the test tells it.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { Diary, IssueRequest } from '../../src/acme/request.ts'
import { NixacmeError } from '../../src/errors.ts'
import { at, type Behaviour, directory, html, problem, type Reply, startFakeCa } from './fake-ca.ts'
import { bench, failureOf } from './request.ts'

const replaces = 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE'
const now = () => new Date('2026-11-22T10:00:00.500Z')

interface Meta {
  readonly renewalInfo?: boolean
  readonly profiles?: object
}

const withMeta = ({ renewalInfo = true, profiles }: Meta): Behaviour =>
  at('/dir', (call) => ({
    body: {
      ...directory(call),
      ...(renewalInfo && { renewalInfo: call.url('/renewal-info') }),
      ...(profiles && { meta: { profiles } }),
    },
  }))

interface Scene {
  readonly changes?: Partial<IssueRequest>
  readonly meta?: Meta
  /** What the CA says to the first orders; it takes the one after them. */
  readonly refusals?: readonly (Reply | 'reset')[]
  /** How many orders may be placed, as far as is remembered. */
  readonly most?: number
}

/** Runs an order as far as this CA goes. */
async function order(t: TestContext, { changes = {}, meta = {}, refusals = [], most = 5 }: Scene) {
  let counted = 0
  const diary: Diary = {
    ordering() {
      if (counted === most) throw new NixacmeError('later', 'no new order')
      counted++
    },
    notOrdered: () => counted--,
    answering() {},
    offers() {},
  }
  const ca = await startFakeCa(t, (call) => {
    if (call.path === '/order') return refusals[call.count - 1]
    return withMeta(meta)(call)
  })
  const b = bench(t, ca.directoryUrl, { now, diary, ...changes })
  const failure = await failureOf(issue(b.req))
  const payloads = ca.calls.flatMap(({ path, payload }) => (path === '/order' ? [payload as object] : []))
  const isTaken = ca.calls.some(({ path }) => path === '/finalize')
  return { payloads, isTaken, failure, counted, lines: b.log.lines }
}

const names = (...values: string[]) => ({ identifiers: values.map((value) => ({ type: 'dns', value })) })
const both = names('a.example', 'b.example')

test('names and addresses are typed, addresses in the one form of RFC 5952', async (t) => {
  const { payloads } = await order(t, { changes: { names: ['a.example', '192.0.2.7', '2001:db8::1'] } })
  const identifiers = [
    { type: 'dns', value: 'a.example' },
    { type: 'ip', value: '192.0.2.7' },
    { type: 'ip', value: '2001:db8::1' },
  ]
  assert.deepEqual(payloads, [{ identifiers }])
})

test('an end is asked for by the second, counted from now', async (t) => {
  const { payloads } = await order(t, { changes: { notAfter: 86_400 } })
  assert.deepEqual(payloads, [{ ...both, notAfter: '2026-11-23T10:00:00Z' }])
})

test("'replaces' is sent where the CA has renewal information, and only there", async (t) => {
  const there = await order(t, { changes: { replaces } })
  assert.deepEqual(there.payloads, [{ ...both, replaces }])
  const absent = await order(t, { changes: { replaces }, meta: { renewalInfo: false } })
  assert.deepEqual(absent.payloads, [both])
})

const page = (status: number): Reply => ({ ...html, status })

const refusals: readonly [string, Reply][] = [
  ['409 alreadyReplaced', { ...problem('alreadyReplaced', 'it has a replacement'), status: 409 }],
  ['403 unauthorized', problem('unauthorized', 'the account did not request it')],
  ['404 malformed', { ...problem('malformed', 'no such certificate'), status: 404 }],
  ['400 malformed', { ...problem('malformed', 'no identifier is shared'), status: 400 }],
  ['409 with a page', page(409)],
  ['404 with a page', page(404)],
]

for (const [name, refusal] of refusals)
  test(`${name} to an order with 'replaces': ordered once more without, with a line, and counted as one`, async (t) => {
    const { payloads, isTaken, counted, lines } = await order(t, { changes: { replaces }, refusals: [refusal] })
    assert.deepEqual(payloads, [{ ...both, replaces }, both])
    assert.ok(isTaken)
    assert.equal(counted, 1)
    assert.equal(lines.filter((line) => /^info: .*ordering without 'replaces'$/.test(line)).length, 1)
  })

test('a refusal that stays is told, after one order more', async (t) => {
  const no = problem('rejectedIdentifier', 'not this one')
  const { payloads, failure } = await order(t, { changes: { replaces }, refusals: [no, no, no] })
  assert.equal(payloads.length, 2)
  assert.equal(failure.exitStatus, 76)
  assert.match(failure.message, /rejectedIdentifier: not this one/)
})

test('a page that stays is no order, and told with its status', async (t) => {
  const { payloads, counted, failure } = await order(t, { refusals: [page(403)] })
  assert.deepEqual([payloads.length, counted, failure.exitStatus], [1, 0, 69])
  assert.match(failure.message, /status 403 with 'text\/html' instead of a problem document/)
})

const failures: readonly [string, Reply, mayBePlaced: number][] = [
  ['a 500 of words that say nothing', { ...problem('serverInternal', 'Error creating new order'), status: 500 }, 0],
  ['a 504 with a page', page(504), 1],
]

for (const [name, reply, mayBePlaced] of failures) {
  test(`${name} to an order with 'replaces': once more without`, async (t) => {
    const { payloads, isTaken, counted, lines } = await order(t, { changes: { replaces }, refusals: [reply] })
    assert.deepEqual(payloads, [{ ...both, replaces }, both])
    assert.ok(isTaken)
    assert.equal(counted, 1 + mayBePlaced)
    assert.equal(lines.filter((line) => /^info: the CA failed at .*ordering without 'replaces'$/.test(line)).length, 1)
  })

  for (const [wanted, orders] of [
    [replaces, 2],
    [undefined, 1],
  ] as const)
    test(`${name} that stays, ${wanted ? 'with' : 'without'} 'replaces': ${orders}, counted where they may be placed`, async (t) => {
      const { payloads, counted, failure } = await order(t, {
        changes: { replaces: wanted },
        refusals: Array(5).fill(reply),
      })
      assert.deepEqual([payloads.length, counted, failure.exitStatus], [orders, orders * mayBePlaced, 69])
      assert.match(failure.message, /^the CA failed at the order of/)
    })
}

test('a lost answer is left to the next run, and counted', async (t) => {
  const { payloads, counted, failure } = await order(t, { changes: { replaces }, refusals: ['reset', 'reset'] })
  assert.deepEqual([payloads.length, counted, failure.exitStatus], [1, 1, 69])
})

test('a 503 was looked at by nobody: repeated as it is, and counted once, or not at all where it stays', async (t) => {
  const away = { ...problem('serverInternal', 'come back'), status: 503 }
  const one = await order(t, { changes: { replaces }, refusals: [away] })
  assert.deepEqual(
    [one.payloads, one.counted],
    [
      [
        { ...both, replaces },
        { ...both, replaces },
      ],
      1,
    ],
  )
  const all = await order(t, { changes: { replaces }, refusals: Array(9).fill(away) })
  assert.deepEqual([all.payloads.length, all.counted, all.failure.exitStatus], [4, 0, 69])
})

test('where no second order may be placed, the failure of the first is what is told', async (t) => {
  for (const reply of [page(500), 'reset'] as const) {
    const { payloads, counted, failure } = await order(t, { changes: { replaces }, refusals: [reply, reply], most: 1 })
    assert.deepEqual([payloads.length, counted, failure.exitStatus], [1, 1, 69])
    assert.match(failure.message, reply === 'reset' ? /connection was reset/ : /status 500/)
  }
})

test('a CA that gives no nonce was asked for no order', async (t) => {
  const told: string[] = []
  const diary: Diary = { offers() {}, ordering: () => told.push('ordering'), notOrdered() {}, answering() {} }
  const ca = await startFakeCa(t, (call) => {
    // Without a nonce, for once, so that one must be asked for.
    const headers = { location: call.url('/account/1'), 'replay-nonce': '' }
    if (call.path === '/account') return { status: 201, headers, body: { status: 'valid' } }
    return call.path === '/nonce' && call.count > 1 ? { status: 503, headers: { 'retry-after': '60' } } : undefined
  })
  const e = await failureOf(issue(bench(t, ca.directoryUrl, { diary }).req))
  assert.match(e.message, /the CA failed at the request for a nonce: status 503/)
  assert.deepEqual(told, [])
})

for (const [name, refusal, status] of [
  ['a rate limit', { ...problem('rateLimited', 'too many'), status: 429 }, 75],
  ['a rate limit in a 403', problem('rateLimited', 'too many'), 75],
  ['a 500', { ...problem('serverInternal', 'broken'), status: 500, headers: { 'retry-after': '600' } }, 69],
] as const)
  test(`${name} is not due to 'replaces': told, not repeated`, async (t) => {
    const { payloads, failure } = await order(t, { changes: { replaces }, refusals: [refusal, refusal] })
    assert.equal(payloads.length, 1)
    assert.equal(failure.exitStatus, status)
  })

test("a CA without 'notAfter': ordered without, with a warning; 'replaces' stays", async (t) => {
  const refused = { ...problem('malformed', 'NotBefore and NotAfter are not supported'), status: 400 }
  const { payloads, isTaken, lines } = await order(t, {
    changes: { replaces, notAfter: 60 },
    refusals: [refused],
  })
  assert.deepEqual(payloads, [
    { ...both, notAfter: '2026-11-22T10:01:00Z', replaces },
    { ...both, replaces },
  ])
  assert.ok(isTaken)
  assert.equal(lines.filter((line) => /^warning: .*ordering without 'notAfter'/.test(line)).length, 1)
})

test('a refusal of a name does not cost the end that was asked for', async (t) => {
  const { payloads } = await order(t, {
    changes: { notAfter: 60 },
    refusals: [problem('rejectedIdentifier', 'not this one')],
  })
  assert.equal(payloads.length, 1)
})

test('the first profile that the CA offers is ordered, and the CA is asked for no other', async (t) => {
  const meta = { profiles: { classic: '', tlsserver: '', shortlived: '' } }
  const { payloads } = await order(t, { changes: { profiles: ['gone', 'tlsserver', 'classic'] }, meta })
  assert.deepEqual(payloads, [{ ...both, profile: 'tlsserver' }])
})

test('a profile that the CA then refuses is told: another one would be another certificate', async (t) => {
  const refused = { ...problem('invalidProfile', 'not for you'), status: 400 }
  const meta = { profiles: { classic: '', tlsserver: '' } }
  const { payloads, failure } = await order(t, {
    changes: { profiles: ['tlsserver', 'classic'] },
    meta,
    refusals: [refused],
  })
  assert.equal(payloads.length, 1)
  assert.match(failure.message, /invalidProfile: not for you/)
})

for (const dryRun of [false, true])
  test(`no profile that will do: refused before anything is made at the CA${dryRun ? ', dry run' : ''}`, async (t) => {
    const ca = await startFakeCa(t, withMeta({ profiles: { classic: '' } }))
    const e = await failureOf(issue(bench(t, ca.directoryUrl, { profiles: ['tlsserver'], dryRun }).req))
    assert.equal(e.exitStatus, 76)
    assert.match(e.message, /^the CA offers no profile 'tlsserver', only 'classic'$/)
    assert.deepEqual(ca.log(), ['GET /dir'])
  })

test('what is remembered: the offer, each order before it is sent, the names before they are answered', async (t) => {
  const told: string[] = []
  const diary: Diary = {
    offers: ({ profiles }) => told.push(`offers ${profiles}`),
    ordering: () => told.push('ordering'),
    notOrdered: () => told.push('not ordered'),
    answering: (which) => told.push(`answering ${which}`),
  }
  const meta = withMeta({ profiles: { classic: '', ['x'.repeat(101)]: 'longer than anybody would ask for' } })
  const ca = await startFakeCa(t, (call) => {
    if (call.method === 'POST' && /order$|challenge/.test(call.path)) told.push(call.path)
    return call.path === '/order' && call.count === 1 ? problem('unauthorized', 'not yours') : meta(call)
  })
  await failureOf(issue(bench(t, ca.directoryUrl, { diary, replaces }).req))
  const challenges = told.splice(7)
  assert.deepEqual(told, [
    'offers classic',
    'ordering',
    '/order',
    'not ordered',
    'ordering',
    '/order',
    'answering a.example,b.example',
  ])
  assert.deepEqual(challenges.sort(), ['/challenge/0', '/challenge/1'])
})

test('valid authorizations need no answer: none is remembered', async (t) => {
  const answered: string[] = []
  const diary: Diary = { offers() {}, ordering() {}, notOrdered() {}, answering: (which) => answered.push(...which) }
  const ca = await startFakeCa(
    t,
    at('/authz/0', (call) => ({
      body: { status: 'valid', identifier: { type: 'dns', value: 'a.example' }, challenges: [], url: call.url('/') },
    })),
  )
  await failureOf(issue(bench(t, ca.directoryUrl, { diary }).req))
  assert.deepEqual(answered, ['b.example'])
})
