// When the CA may be asked again, to the millisecond: after failures, after kills, and within the limits that CAs have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameSet } from '../../src/job/limits.ts'
import { emptyMemory, type Failure, type FailureKind, type Memory } from '../../src/renewal/memory.ts'
import { heldBack, pauseAfter, retryAt, standingFailure, turnOf, type Wish } from '../../src/renewal/schedule.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const now = new Date('2026-09-01T12:00:00Z')
const after = (ms: number) => new Date(now.getTime() + ms)
const names = ['b.example', 'a.example']
const wish = (change: Partial<Wish> = {}): Wish => ({ names, config: 'as it is', notAfter: after(60 * day), ...change })

const failure = (change: Partial<Failure> = {}): Failure => ({
  kind: 'network',
  problem: 'unavailable',
  message: 'cannot reach the CA',
  details: [],
  links: [],
  count: 1,
  first: after(-hour),
  last: now,
  retryAt: after(minute),
  config: 'as it is',
  ...change,
})

const memory = (change: Partial<Memory>): Memory => ({ ...emptyMemory, ...change })
const ordersAt = (...ages: number[]) => ages.map((age) => ({ at: after(-age), names: nameSet(names) }))
const limits = { orders: 5, validations: 5 }
const known = (m: Memory) => ({ memory: m, elsewhere: emptyMemory, limits, hasOrder: false })
const until = (m: Memory, w = wish(), at = now) => heldBack(known(m), w, at)?.until

test('what a clock that was ahead wrote down holds nothing back, a few minutes aside', () => {
  const year = 365 * day
  const failureOf = (ms: number) => failure({ last: after(ms), retryAt: after(ms + minute) })
  const ahead = (ms: number): Memory => ({
    server: '',
    failure: failureOf(ms),
    attempt: { since: after(ms), crashes: 3 },
    orders: ordersAt(-ms, -ms, -ms, -ms, -ms),
    unproven: Array.from({ length: 5 }, () => ({ at: after(ms), name: 'a.example' })),
  })
  for (const ms of [10 * minute, day, 9 * year]) assert.equal(until(ahead(ms)), undefined, `${ms} ms`)
  assert.deepEqual(until(ahead(2 * minute)), after(2 * minute + 7 * day))
  assert.deepEqual(until(memory({ failure: failureOf(2 * minute) })), after(3 * minute))
})

test('the pauses: 1, 10, 100 minutes, by chance a quarter more, then once a day', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 400].map((count) => pauseAfter(count, 0)),
    [minute, 10 * minute, 100 * minute, 21 * hour, 21 * hour, 21 * hour],
  )
  assert.deepEqual(
    [1, 2, 3, 4, 400].map((count) => pauseAfter(count, 1)),
    [1.25 * minute, 12.5 * minute, 125 * minute, day, day],
  )
})

test("the CA's own Retry-After counts where it is longer, 34 hours too, and a month at most", () => {
  assert.deepEqual(retryAt(now, 1, 10, 0), after(minute))
  assert.deepEqual(retryAt(now, 1, 34 * 3600, 0), after(34 * hour))
  assert.deepEqual(retryAt(now, 4, 3600, 1), after(day))
  assert.deepEqual(retryAt(now, 1, 4e9, 0), after(30 * day))
  assert.ok(retryAt(now, 1, 34 * 3600, 1) > after(34 * hour))
})

test('a wildcard is counted at the name where the CA validates it; with that name they are two that may fail', () => {
  const unproven = (count: number) => Array.from({ length: count }, () => ({ at: after(-minute), name: 'a.example' }))
  for (const [names, most] of [
    [['*.a.example'], 5],
    [['a.example', '*.a.example'], 4],
  ] as const) {
    assert.equal(until(memory({ unproven: unproven(most - 1) }), wish({ names })), undefined)
    assert.deepEqual(until(memory({ unproven: unproven(most) }), wish({ names })), after(hour - minute))
  }
})

test('a failure holds the next try back to its last millisecond, and says what it was', () => {
  const m = memory({ failure: failure({ count: 3, message: 'the CA is away' }) })
  assert.deepEqual(until(m, wish(), after(minute - 1)), after(minute))
  assert.equal(until(m, wish(), after(minute)), undefined)
  assert.equal(heldBack(known(m), wish(), now)?.why, 'failed 3 times since 2026-09-01T11:00Z: the CA is away')
})

test('another config may have healed it: no waiting', () => {
  assert.equal(until(memory({ failure: failure() }), wish({ config: 'another' })), undefined)
})

test('one kill is no reason to wait; from the second on it is, as after failures', () => {
  const killed = (crashes: number) => until(memory({ attempt: { since: now, crashes } }))
  assert.equal(killed(0), undefined)
  assert.deepEqual([1, 2, 3, 4, 9].map(killed), [minute, 10 * minute, 100 * minute, 21 * hour, 21 * hour].map(after))
})

test('five orders of one exact set of names in seven days, not six, in whatever order the names are', () => {
  const five = ordersAt(day, 2 * day, 3 * day, 4 * day, 5 * day)
  assert.deepEqual(until(memory({ orders: five })), after(2 * day))
  assert.deepEqual(until(memory({ orders: five }), wish({ names: [...names].reverse() })), after(2 * day))
  assert.equal(until(memory({ orders: five.slice(1) })), undefined)
  assert.equal(until(memory({ orders: five }), wish({ names: ['a.example'] })), undefined, 'other names')
  assert.equal(
    until(memory({ orders: ordersAt(day, 2 * day, 3 * day, 4 * day, 7 * day) })),
    undefined,
    'one is too old',
  )
  assert.deepEqual(until(memory({ orders: five }), wish(), after(2 * day - 1)), after(2 * day))
  assert.equal(until(memory({ orders: five }), wish(), after(2 * day)), undefined)
})

test('certificates that live for a few days or less take more orders: as many as their lives need, and three', () => {
  const orders = ordersAt(...Array.from({ length: 16 }, (_, i) => (i + 1) * 10 * hour))
  const held = (lifetime: number | undefined, placed = orders) =>
    until(memory({ orders: placed, ...(lifetime && { lifetime: lifetime / second }) }), wish({ notAfter: undefined }))
  assert.equal(held(day), undefined)
  assert.deepEqual(held(day, [...orders, ...ordersAt(0)]), after(8 * hour))
  for (const lifetime of [undefined, 90 * day, 160 * hour]) assert.deepEqual(held(lifetime), after(118 * hour))
})

test('what nobody has followed up for a week is another story', () => {
  const m = memory({ failure: failure({ count: 4, retryAt: now }) })
  assert.equal(standingFailure(m, 'as it is', after(7 * day - 1))?.count, 4)
  assert.equal(standingFailure(m, 'as it is', after(7 * day)), undefined)
})

test('an order under way is gone on with, however many there were', () => {
  const five = memory({ orders: ordersAt(day, 2 * day, 3 * day, 4 * day, 5 * day) })
  assert.equal(heldBack({ ...known(five), hasOrder: true }, wish(), now), undefined)
})

test('the last orders before the certificate ends are spread evenly over the time that is left', () => {
  // A certificate of 160 hours, due at half: of the two before, one counts until after its end.
  const end = wish({ notAfter: after(80 * hour) })
  const placed = (...ages: number[]) => until(memory({ orders: ordersAt(...ages, 80 * hour, 160 * hour) }), end)
  assert.deepEqual(placed(0), after(20 * hour))
  assert.equal(placed(), undefined, 'the first renewal is not held back')
  const later = (hours: number, ...ages: number[]) => {
    const orders = [80, 160, ...ages].map((age) => ({ at: after(-age * hour), names: nameSet(names) }))
    return until(memory({ orders }), end, after(hours * hour))
  }
  assert.deepEqual(later(20, 0, -20), after(40 * hour))
  assert.deepEqual(later(40, 0, -20, -40), after(60 * hour))
  const four = memory({ orders: ordersAt(0, minute, 2 * minute, 3 * minute) })
  assert.equal(until(four, wish({ notAfter: after(8 * day) })), undefined, 'there is time for more')
  assert.equal(until(four, wish({ notAfter: undefined })), undefined, 'no certificate to save')
  assert.equal(until(four, wish({ notAfter: after(-hour) })), undefined, 'it has ended')
})

test('five failed validations of one name in an hour, not six', () => {
  const failed = (name: string, ...ages: number[]) => ages.map((age) => ({ at: after(-age * minute), name }))
  const five = failed('a.example', 0, 10, 20, 30, 50)
  assert.deepEqual(until(memory({ unproven: five })), after(10 * minute))
  assert.equal(until(memory({ unproven: five.slice(1) })), undefined)
  assert.equal(until(memory({ unproven: [...five.slice(1), ...failed('b.example', 1, 2, 3)] })), undefined)
  assert.equal(until(memory({ unproven: failed('a.example', 0, 10, 20, 30, 60) })), undefined)
  assert.match(heldBack(known(memory({ unproven: five })), wish(), now)?.why ?? '', /'a\.example'.*5 times/)
})

test('where others share the names, fewer orders and fewer failed validations', () => {
  const shared = (m: Memory) => heldBack({ ...known(m), limits: { orders: 2, validations: 1 } }, wish(), now)?.until
  assert.deepEqual(shared(memory({ orders: ordersAt(day, 3 * day) })), after(4 * day))
  assert.equal(shared(memory({ orders: ordersAt(3 * day) })), undefined)
  const unproven = [{ at: after(-minute), name: 'a.example' }]
  assert.deepEqual(shared(memory({ unproven })), after(59 * minute))
})

test('of several reasons the one that lasts longest counts', () => {
  const m = memory({ failure: failure(), attempt: { since: now, crashes: 2 } })
  assert.deepEqual(until(m), after(10 * minute))
})

/** Whose turn it is when the first CA failed so. */
const turnAfter = (change: Partial<Failure>, second: Memory = emptyMemory) =>
  turnOf([memory({ failure: failure({ retryAt: after(day), ...change }) }), second].map(known), wish(), now)

const definite: readonly (readonly [FailureKind, Partial<Failure>, boolean])[] = [
  ['network', { count: 3 }, false],
  ['network', { count: 4 }, true],
  ['rateLimited', { count: 1, retryAfter: after(10 * minute) }, false],
  ['rateLimited', { count: 1 }, false],
  ['rateLimited', { count: 1, retryAfter: after(34 * hour) }, true],
  ['refused', {}, true],
  ['validation', { count: 9 }, false],
  ['local', { count: 9 }, false],
]
for (const [kind, change, isNextAsked] of definite)
  test(`the next CA ${isNextAsked ? 'is' : 'is not'} asked after ${kind} ${JSON.stringify(change)}`, () => {
    const turn = turnAfter({ kind, ...change })
    assert.equal(turn.server, isNextAsked ? 1 : 0)
    assert.equal(turn.heldBack === undefined, isNextAsked)
  })

test('the next CA is asked where the first could not be reached and its orders are used up for days', () => {
  const orders = ordersAt(0, 0, 0, 0, 0)
  const turn = (kind: FailureKind, placed = orders) =>
    turnOf([memory({ failure: failure({ kind, count: 3 }), orders: placed }), emptyMemory].map(known), wish(), now)
  assert.equal(turn('network').server, 1)
  assert.equal(turn('network', orders.slice(1)).server, 0)
  for (const kind of ['validation', 'local'] as const) assert.equal(turn(kind).server, 0)
})

test('the first CA is asked again as soon as it may be', () => {
  assert.equal(turnAfter({ kind: 'refused', retryAt: now }).server, 0)
})

test('where both wait, it is the turn of the one that is free first', () => {
  const second = memory({ failure: failure({ kind: 'refused', retryAt: after(hour) }) })
  assert.deepEqual(turnAfter({ kind: 'refused' }, second).heldBack?.until, after(hour))
  assert.equal(turnAfter({ kind: 'refused' }, second).server, 1)
  const late = memory({ failure: failure({ kind: 'refused', retryAt: after(2 * day) }) })
  assert.equal(turnAfter({ kind: 'refused' }, late).server, 0)
})
