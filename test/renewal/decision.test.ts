// The table of DESIGN §6: every combination against a second, independent reading of it, and the last instant before and
// the first instant of each boundary.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertificateFacts } from '../../src/certificate/read.ts'
import { type Decision, decide, dueAt, timeLeft } from '../../src/renewal/decision.ts'
import { emptyMemory } from '../../src/renewal/memory.ts'
import type { Advice } from '../../src/renewal/renewal-info.ts'
import {
  allCases,
  day,
  decideAll,
  expectedKind,
  firstDue,
  inputsOf,
  notAfter,
  rowOf,
  second,
  table,
} from './support/decision-table.ts'

const hour = 3600 * second

test('every combination of state, names, dates, memory and --now: what the table says, with all that belongs to it', () => {
  const met = new Map<string, number>()
  for (const c of allCases()) {
    const { state, policy, at } = inputsOf(c)
    const got = decideAll(state, policy, at)
    const about = JSON.stringify(c)
    const { row, kind } = rowOf(c)
    met.set(row, (met.get(row) ?? 0) + 1)
    assert.equal(got.kind, expectedKind(c), about)
    const dated = c.candidate === 'usable'
    assert.deepEqual([got.notAfter, got.dueAt], dated ? [notAfter, firstDue] : [null, null], about)
    if (got.kind === 'skip') {
      assert.equal(got.storeHash, c.hash !== 'equal', about)
      assert.equal(got.clockDoubt !== null, c.clock.startsWith('before'), about)
    }
    if (got.kind === 'wait') {
      assert.equal(got.action, kind, about)
      assert.deepEqual(got.until, at.heldBack?.until, about)
    }
    assert.match(got.reason, /^[^\n.][^\n]*[^\n.]$/, about)
  }
  assert.deepEqual([...met.keys()].sort(), table.map(({ row }) => row).sort(), 'each row was needed')
})

/** The decision for one healthy certificate that differs from the usual in what a boundary is about. */
function judge(o: {
  notBefore?: Date
  notAfter: Date
  now: Date
  validMinDays: number | null
  advice?: Advice
  retryAt?: Date
  builtAt?: Date
  atOnce?: boolean
}): Decision {
  const facts: CertificateFacts = {
    notBefore: o.notBefore ?? new Date(o.notAfter.getTime() - 90 * day),
    notAfter: o.notAfter,
    names: ['a.test'],
  }
  const set = { key: '', chain: [], fullchain: '', issuers: '' }
  return decideAll(
    {
      candidate: { kind: 'usable', facts, set },
      account: 'registered',
      domainHash: 'h',
      memory: emptyMemory,
      advice: o.advice,
    },
    { names: ['a.test'], domainHash: 'h', validMinDays: o.validMinDays },
    {
      now: o.now,
      builtAt: o.builtAt ?? new Date(0),
      atOnce: o.atOnce ?? false,
      heldBack: o.retryAt && { until: o.retryAt, why: 'failed' },
    },
  )
}

test('addresses are names like others: held, lacking and unwanted', () => {
  const dates = { notBefore: new Date('2026-06-01T00:00:00Z'), notAfter: new Date('2026-08-30T00:00:00Z') }
  const facts = { ...dates, names: ['a.test'], addresses: ['192.0.2.7', '2001:db8::1'] }
  const set = { key: '', chain: [], fullchain: '', issuers: '' }
  const [usual] = [...allCases()].filter(
    (c) => c.clock === 'not due' && rowOf(c).kind === 'skip' && expectedKind(c) === 'skip' && !c.atOnce,
  )
  assert.ok(usual)
  const { state, at } = inputsOf(usual)
  const decided = (names: readonly string[]) =>
    decide({ ...state, candidate: { kind: 'usable', facts, set } }, { names, domainHash: 'new', validMinDays: 30 }, at)
  assert.equal(decided(['2001:db8::1', 'a.test', '192.0.2.7']).kind, 'skip')
  assert.match(decided(['a.test', '192.0.2.7']).reason, /^the names changed: '2001:db8::1' removed$/)
  assert.match(decided(['a.test', '192.0.2.7', '2001:db8::1', '::1']).reason, /^the names changed: '::1' added$/)
})

const end = new Date('2026-09-01T12:00:00Z')
const before = (ms: number): Date => new Date(end.getTime() - ms)

// Whole days left, as openssl and `date +%s` of the module's script count them: in seconds of a clock cut to seconds.
for (const [left, validMinDays, kind] of [
  [31 * day, 30, 'skip'],
  [31 * day - 1, 30, 'skip'],
  [31 * day - second + 1, 30, 'skip'],
  [31 * day - second, 30, 'renew'],
  [30 * day + 23 * hour, 30, 'renew'],
  [30 * day, 30, 'renew'],
  [0, 30, 'renew'],
  [-day, 30, 'renew'],
  [day, 0, 'skip'],
  [day - second + 1, 0, 'skip'],
  [day - second, 0, 'renew'],
  [-400 * day, 0, 'renew'],
  [91 * day, 90, 'skip'],
  [90 * day, 90, 'renew'],
] as const)
  test(`${left / second} s left, ${validMinDays} days required: ${kind}`, () => {
    const got = judge({ notAfter: end, now: before(left), validMinDays, notBefore: before(500 * day) })
    assert.equal(got.kind, kind)
  })

// Without validMinDays: a third of the lifetime, half of one under ten days (contract 2.5).
for (const [lifetime, left, what] of [
  [90 * day, 30 * day, 'a third of 90 days'],
  [45 * day, 15 * day, 'a third of 45 days'],
  [10 * day, (10 * day) / 3, 'a third of 10 days'],
  [10 * day - second, (10 * day - second) / 2, 'half of a second less than 10 days'],
  [160 * hour, 80 * hour, 'half of 160 hours'],
  [6 * day, 3 * day, 'half of 6 days'],
] as const) {
  const notBefore = before(lifetime)
  test(`no validMinDays, ${what} left: due then and not a millisecond before`, () => {
    const at = (now: Date) => judge({ notBefore, notAfter: end, now, validMinDays: null }).kind
    assert.equal(at(before(Math.floor(left))), 'renew')
    assert.equal(at(before(Math.floor(left) + 1)), 'skip')
    assert.deepEqual(dueAt({ notBefore, notAfter: end }, null), before(Math.floor(left)))
  })
}

const advise = (renewAt: Date, more: Partial<Advice> = {}): Advice => ({
  renewAt,
  immediate: false,
  explanationUrl: undefined,
  ...more,
})

test("the CA's instant counts instead of a share of the lifetime, sooner or later, and not where validMinDays is set", () => {
  for (const renewAt of [before(80 * day), before(10 * day)]) {
    const at = (now: Date, validMinDays: number | null = null) =>
      judge({ notAfter: end, now, validMinDays, advice: advise(renewAt) })
    assert.equal(at(new Date(renewAt.getTime() - 1)).kind, 'skip')
    assert.equal(at(renewAt).kind, 'renew')
    assert.match(at(renewAt).reason, /renewal time of the CA/)
  }
  const early = judge({ notAfter: end, now: before(50 * day), validMinDays: 30, advice: advise(before(80 * day)) })
  assert.equal(early.kind, 'skip')
})

test('a CA that would have it renewed too late, or after its end, is not followed into the last tenth of the lifetime', () => {
  for (const renewAt of [before(9 * day - 1), before(-100 * day)]) {
    const at = (now: Date) => judge({ notAfter: end, now, validMinDays: null, advice: advise(renewAt) }).kind
    assert.equal(at(before(9 * day + 1)), 'skip')
    assert.equal(at(before(9 * day)), 'renew')
  }
})

test('what the CA wants replaced at once is renewed at once, with validMinDays too, and says why', () => {
  const explanationUrl = 'https://ca.test/incident'
  for (const validMinDays of [null, 30]) {
    const advice = advise(before(80 * day), { immediate: true, explanationUrl })
    const got = judge({ notAfter: end, now: before(79 * day), validMinDays, advice })
    assert.equal(got.kind, 'renew')
    assert.equal(
      got.reason,
      `79 days left, the CA wants it replaced at once, perhaps it is revoked; the CA explains it at '${explanationUrl}'`,
    )
  }
})

test('RFC 9773 §4.2: the explanationURL is told to the operator, before and when it is due', () => {
  const advice = advise(before(30 * day), { explanationUrl: 'https://ca.test/why' })
  for (const [now, kind] of [
    [before(40 * day), 'skip'],
    [before(30 * day), 'renew'],
  ] as const) {
    const got = judge({ notAfter: end, now, validMinDays: null, advice })
    assert.equal(got.kind, kind)
    assert.match(got.reason, /due by the renewal time of the CA 2026-08-02T12:00Z; .*https:\/\/ca\.test\/why'$/)
  }
})

test('the failure memory holds to its last millisecond, and --now does not ask it', () => {
  const retryAt = before(10 * day)
  const at = (now: Date, atOnce = false) => judge({ notAfter: end, now, validMinDays: 30, retryAt, atOnce }).kind
  assert.equal(at(new Date(retryAt.getTime() - 1)), 'wait')
  assert.equal(at(retryAt), 'renew')
  assert.equal(at(new Date(retryAt.getTime() - 1), true), 'renew')
})

test('the clock is believed from notBefore and from the build on', () => {
  const notBefore = before(90 * day)
  const at = (now: Date, builtAt: Date) => {
    const got = judge({ notBefore, notAfter: end, now, validMinDays: 90, builtAt })
    return got.kind === 'skip' ? got.clockDoubt : got.kind
  }
  assert.match(String(at(new Date(notBefore.getTime() - 1), new Date(0))), /notBefore/)
  assert.equal(at(notBefore, new Date(0)), 'renew')
  assert.match(String(at(new Date(end.getTime() - 1), end)), /built/)
  assert.equal(at(end, end), 'renew')
  const now = judge({ notBefore, notAfter: end, now: new Date(0), validMinDays: 30, builtAt: end, atOnce: true })
  assert.equal(now.kind, 'renew', '--now: dates do not count')
})

test('the reason names what changed, the days left and where the date comes from', () => {
  const reason = (o: Partial<Parameters<typeof judge>[0]>) =>
    judge({ notAfter: end, now: before(40 * day), validMinDays: 30, ...o }).reason
  assert.equal(reason({}), '40 days left, 30 days required')
  assert.equal(reason({ now: before(25 * day) }), '25 days left, 30 days required')
  assert.equal(reason({ now: before(-day) }), 'expired since 2026-09-01, 30 days required')
  assert.match(reason({ validMinDays: null }), /^40 days left, due from 2026-08-02T12:00Z$/)
  assert.match(reason({ validMinDays: 1, now: before(day) }), /^24 hours left, 1 day required$/)
  assert.equal(reason({ atOnce: true }), 'asked for with --now')
  assert.match(reason({ retryAt: end, now: before(day) }), /, 30 days required; not before 2026-09-01T12:00Z: failed$/)
})

for (const [left, words] of [
  [2 * day, '2 days left'],
  [2 * day - 1, '47 hours left'],
  [2 * hour, '2 hours left'],
  [2 * hour - 1, '119 minutes left'],
  [120 * second, '2 minutes left'],
  [120 * second - 1, '119 seconds left'],
  [second, '1 second left'],
  [1, '0 seconds left'],
  [0, 'expired since 2026-09-01'],
] as const)
  test(`${left} ms left are '${words}'`, () => assert.equal(timeLeft(end, before(left)), words))

test('names are told apart from their order: what is added and what goes is named', () => {
  const { state, policy, at } = inputsOf({
    candidate: 'usable',
    account: 'registered',
    hash: 'differs',
    names: 'both',
    clock: 'not due',
    retryAt: 'none',
    atOnce: false,
  })
  assert.equal(decide(state, policy, at).reason, "the names changed: 'c.test' added, 'b.test' removed")
})
