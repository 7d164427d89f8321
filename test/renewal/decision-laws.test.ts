// What holds of the decision whatever the dates and names are.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide, dueAt } from '../../src/renewal/decision.ts'
import { emptyMemory } from '../../src/renewal/memory.ts'
import type { Advice } from '../../src/renewal/renewal-info.ts'
import type { StoredState } from '../../src/renewal/state.ts'
import { day, decideAll, second } from './support/decision-table.ts'

const epoch = Date.UTC(2026, 0, 1)
const year = 365 * day

const name = fc.constantFrom('a.test', 'b.test', 'c.test', '*.a.test', 'xn--bcher-kva.test')
const instant = fc.integer({ min: epoch, max: epoch + 3 * year }).map((ms) => new Date(ms))
/** Dates in a certificate are whole seconds. */
const wholeSecond = fc.integer({ min: 0, max: (3 * year) / second }).map((s) => new Date(epoch + s * second))
const validMinDays = fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 400 }))

const facts = fc
  .record({
    notBefore: wholeSecond,
    lifetime: fc.oneof(fc.integer({ min: 1, max: 20 * 86_400 }), fc.integer({ min: 1, max: (2 * year) / second })),
    names: fc.uniqueArray(name, { minLength: 1 }),
  })
  .map(({ notBefore, lifetime, names }) => ({
    notBefore,
    notAfter: new Date(notBefore.getTime() + lifetime * second),
    names,
  }))

const set = { key: '', chain: [], fullchain: '', issuers: '' }
const anyText = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' '))

const advice = fc.option(
  fc.record({
    renewAt: instant,
    immediate: fc.boolean(),
    explanationUrl: fc.constantFrom(undefined, 'https://ca.test/why.'),
  }),
  { nil: undefined },
)

const state: fc.Arbitrary<StoredState> = fc.record({
  candidate: fc.oneof(
    anyText.map((what) => ({ kind: 'missing' as const, what })),
    anyText.map((reason) => ({ kind: 'unusable' as const, reason })),
    facts.map((f) => ({ kind: 'usable' as const, facts: f, set })),
  ),
  account: fc.constantFrom('registered', 'key', 'missing'),
  domainHash: fc.constantFrom('h', 'other', undefined),
  memory: fc.constant(emptyMemory),
  advice,
})
const policy = fc.record({ names: fc.uniqueArray(name, { minLength: 1 }), domainHash: fc.constant('h'), validMinDays })
const heldBack = fc.option(fc.record({ until: instant, why: fc.constant('failed') }), { nil: undefined })
const at = fc.record({ now: instant, builtAt: instant, atOnce: fc.boolean(), heldBack })

/** A certificate in order, so that only dates decide. */
const inOrder = fc.record({ facts, validMinDays, advice })

function judge(o: { facts: Facts; validMinDays: number | null; advice: Advice | undefined }, now: number) {
  return decide(
    {
      candidate: { kind: 'usable', facts: o.facts, set },
      account: 'registered',
      domainHash: 'h',
      memory: emptyMemory,
      advice: o.advice,
    },
    { names: o.facts.names, domainHash: 'h', validMinDays: o.validMinDays },
    { now: new Date(now), builtAt: new Date(0), atOnce: false },
  )
}
type Facts = typeof facts extends fc.Arbitrary<infer T> ? T : never

/** Freezes all that can be reached; a date cannot be frozen, so one that is set throws. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) {
    value.setTime = () => assert.fail('a date was changed')
    return value
  }
  for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}

test('decide changes nothing it is given and answers the same again', () => {
  fc.assert(
    fc.property(state, policy, at, (s, p, a) => {
      deepFreeze([s, p, a])
      assert.deepEqual(decideAll(s, p, a), decideAll(s, p, a))
    }),
  )
})

test('the reason is one line without a full stop at its end', () => {
  fc.assert(
    fc.property(state, policy, at, (s, p, a) => {
      const unusual = s.candidate.kind === 'unusable' || s.candidate.kind === 'missing'
      const { reason } = decideAll(s, p, a)
      assert.doesNotMatch(reason, /\n/)
      if (!unusual) assert.doesNotMatch(reason, /\.$/)
    }),
  )
})

test('a longer validity never turns skip into renew', () => {
  fc.assert(
    fc.property(inOrder, instant, fc.integer({ min: 1, max: 60 * 86_400 }), (o, now, more) => {
      if (judge(o, now.getTime()).kind !== 'skip') return
      const longer = { ...o.facts, notAfter: new Date(o.facts.notAfter.getTime() + more * second) }
      assert.equal(judge({ ...o, facts: longer }, now.getTime()).kind, 'skip')
    }),
    { numRuns: 1000 },
  )
})

test('once due stays due', () => {
  fc.assert(
    fc.property(inOrder, instant, fc.integer({ min: 0, max: year }), (o, now, later) => {
      if (judge(o, now.getTime()).kind !== 'renew') return
      assert.equal(judge(o, now.getTime() + later).kind, 'renew')
    }),
    { numRuns: 1000 },
  )
})

test('dueAt is the very instant: a clock that is believed never skips at it and always skips a millisecond before', () => {
  fc.assert(
    fc.property(inOrder, (o) => {
      const due = dueAt(o.facts, o.validMinDays, o.advice).getTime()
      assert.equal(judge(o, due).dueAt?.getTime(), due)
      // Before notBefore the clock is not believed.
      if (due >= o.facts.notBefore.getTime()) assert.equal(judge(o, due).kind, 'renew')
      assert.equal(judge(o, due - 1).kind, 'skip')
    }),
    { numRuns: 1000 },
  )
})

test('--now never waits and never skips', () => {
  fc.assert(
    fc.property(state, policy, at, (s, p, a) => {
      assert.match(decideAll(s, p, { ...a, atOnce: true }).kind, /^(run|renew|force-renew)$/)
    }),
  )
})

test('the order of the names changes at most whether the hash is stored anew', () => {
  fc.assert(
    fc.property(state, policy, at, (s, p, a) => {
      const turned = { ...p, names: p.names.toReversed() }
      assert.equal(decideAll(s, turned, a).kind, decideAll(s, p, a).kind)
    }),
  )
})
