// RFC 9773 §4: what follows from a CA's suggestion, or from getting none. Each MUST and SHOULD that is this file's to keep has
// a test of its name; clock and chance are arguments, so nothing here waits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  adviceOn,
  firstInfo,
  isDue,
  isToAsk,
  type RenewalInfo,
  renewalInstant,
  type Suggestion,
  suggested,
  unanswered,
  unsupported,
  type Window,
  wakeEvery,
} from '../../src/renewal/renewal-info.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const now = new Date('2026-08-01T12:00:00Z')
const at = (ms: number): Date => new Date(now.getTime() + ms)
const windowOf = (start: number, end: number): Window => ({ start: at(start), end: at(end) })

const fresh: RenewalInfo = firstInfo(
  {
    certificate: 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
    server: 'https://ca.test/dir',
    plainHttp: false,
    caCertificates: [],
    account: 'https://ca.test/acct/1',
    notAfter: at(60 * day),
    followed: true,
  },
  now,
)
const suggestion = (window: Window, more: Partial<Suggestion> = {}): Suggestion => ({
  window,
  explanationUrl: undefined,
  retryAfter: 6 * 3600,
  ...more,
})
const told = (window: Window, chance = 0.5, info = fresh, when = now) =>
  suggested(info, suggestion(window), when, chance)
const timeout = { what: 'no answer', isTemporary: true, retryAfter: undefined }
const refused = { what: 'connection refused', isTemporary: false, retryAfter: undefined }
const pauseOf = ({ nextPoll }: RenewalInfo, from = now) => nextPoll.getTime() - from.getTime()

test('§4.2 step 2: the instant is drawn from all of the window, evenly, its start included and its end not', () => {
  const window = windowOf(day, 3 * day)
  assert.deepEqual(told(window, 0).selected, at(day))
  assert.deepEqual(told(window, 0.5).selected, at(2 * day))
  const last = told(window, 1 - Number.EPSILON).selected ?? now
  assert.ok(last < at(3 * day) && last > at(3 * day - minute))
  // Sixty draws for each tenth of the window, give or take what chance does.
  const tenths = new Array(10).fill(0)
  for (let i = 0; i < 6000; i++) {
    const selected = told(window, (i * 0.618_033_988_749) % 1).selected ?? now
    tenths[Math.floor((selected.getTime() - at(day).getTime()) / ((2 * day) / 10))]++
  }
  for (const count of tenths) assert.ok(count > 500 && count < 700, String(tenths))
})

test('§4.2: the instant drawn stays as long as the window does, and is drawn anew from another one', () => {
  const first = told(windowOf(day, 3 * day), 0.1)
  assert.deepEqual(told(windowOf(day, 3 * day), 0.9, first, at(hour)).selected, first.selected)
  for (const other of [windowOf(day, 3 * day + 1), windowOf(day - 1, 3 * day)])
    assert.notDeepEqual(told(other, 0.9, first, at(hour)).selected, first.selected)
})

test('§4.2 step 3: an instant in the past is due at once', () => {
  const info = told(windowOf(-hour, day), 0.01)
  assert.ok((info.selected ?? now) < now)
  assert.equal(isDue({ info }, now), true)
})

test('§4.2 step 4: before the instant nothing is due, from then on it is', () => {
  const info = told(windowOf(day, 3 * day), 0.25)
  assert.equal(isDue({ info }, at(1.5 * day - 1)), false)
  assert.equal(isDue({ info }, at(1.5 * day)), true)
})

test('§4.2 step 5: whatever was drawn and whenever wake-ups come, one of them renews inside the window', () => {
  const spacing = wakeEvery + minute
  const cases = fc.record({
    start: fc.integer({ min: 0, max: 40 * day }),
    length: fc.integer({ min: spacing + minute, max: 2 * day }),
    chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    phase: fc.integer({ min: 0, max: spacing }),
  })
  fc.assert(
    fc.property(cases, ({ start, length, chance, phase }) => {
      const window = windowOf(start, start + length)
      const info = told(window, chance)
      // The first wake-up that finds it due.
      const instant = (renewalInstant(info) ?? now).getTime() - now.getTime()
      const wake = phase + Math.ceil(Math.max(0, instant - phase) / spacing) * spacing
      assert.ok(wake >= start && wake < start + length, `${wake} is not in ${start} … ${start + length}`)
    }),
    { numRuns: 3000 },
  )
})

test('a window shorter than the time between two wake-ups is acted on from its start', () => {
  const info = told(windowOf(hour, hour + minute), 0.9)
  assert.deepEqual(renewalInstant(info), at(hour))
})

test('§4.2: a window moved into the past is due at once, whether the config follows windows or not', () => {
  const before = told(windowOf(20 * day, 21 * day))
  const revoked = told(windowOf(-hour, -minute), 0.5, before)
  assert.equal(revoked.immediate, true)
  for (const followed of [true, false]) assert.equal(isDue({ info: { ...revoked, followed } }, now), true)
  // Asked again, the CA gives another window just as past.
  assert.equal(told(windowOf(-minute, -second), 0.5, revoked).immediate, true)
  assert.equal(told(windowOf(-hour, -minute), 0.5, revoked, at(hour)).immediate, true)
})

test('a window that went by in time is no wish to replace it at once: validMinDays goes on to decide', () => {
  const before = told(windowOf(hour, 2 * hour), 0.5, { ...fresh, followed: false })
  const after = told(windowOf(hour, 2 * hour), 0.5, before, at(day))
  assert.equal(after.immediate, false)
  assert.equal(isDue({ info: after }, at(day)), false)
  assert.equal(isDue({ info: { ...after, followed: true } }, at(day)), true)
})

test('§4.3.2: the CA is asked again after its Retry-After, clamped to a minute and a day', () => {
  const pause = (retryAfter: number | undefined) =>
    pauseOf(suggested(fresh, suggestion(windowOf(day, 2 * day), { retryAfter }), now, 0))
  assert.equal(pause(3600), hour)
  assert.equal(pause(60), minute)
  for (const seconds of [0, 1, 59]) assert.equal(pause(seconds), minute)
  for (const seconds of [86_400, 86_401, 1e9]) assert.equal(pause(seconds), day)
})

test('§4.3.3: an answer without a Retry-After counts, and is asked for again after six hours', () => {
  const info = suggested(fresh, suggestion(windowOf(day, 2 * day), { retryAfter: undefined }), now, 0)
  assert.deepEqual(info.window, windowOf(day, 2 * day))
  assert.equal(pauseOf(info), 6 * hour)
})

test('§4.3.3: temporary errors back off exponentially, a capped number of times, then as long ones do: six hours', () => {
  let info = fresh
  const pauses = Array.from({ length: 7 }, () => {
    info = unanswered(info, timeout, now)
    return pauseOf(info) / minute
  })
  assert.deepEqual(pauses, [15, 30, 60, 120, 360, 360, 360])
})

test('§4.3.3: after a long-term error the next request comes after six hours', () => {
  for (const info of [fresh, unanswered(fresh, timeout, now)])
    assert.equal(pauseOf(unanswered(info, refused, now)), 6 * hour)
})

test('§4.3.2: backing off takes priority over a Retry-After, unless that asks for more; more than a day is a day', () => {
  assert.equal(pauseOf(unanswered(fresh, { ...refused, retryAfter: 60 }, now)), 6 * hour)
  assert.equal(pauseOf(unanswered(fresh, { ...timeout, retryAfter: 7200 }, now)), 2 * hour)
  assert.equal(pauseOf(unanswered(fresh, { ...refused, retryAfter: 34 * 3600 }, now)), day)
})

test('failures are counted with their first and last time, leave what was known, and an answer ends them', () => {
  const known = told(windowOf(day, 2 * day))
  const failed = unanswered(unanswered(known, timeout, at(hour)), refused, at(2 * hour))
  assert.deepEqual(failed.failures, { count: 2, first: at(hour), last: at(2 * hour), what: 'connection refused' })
  assert.deepEqual([failed.window, failed.selected], [known.window, known.selected])
  const healed = told(windowOf(day, 2 * day), 0.9, failed, at(8 * hour))
  assert.equal('failures' in healed, false)
  assert.deepEqual(healed.selected, known.selected)
})

test('§4.3: not asked for before its time, nor once the certificate has expired', () => {
  const info = told(windowOf(day, 2 * day))
  assert.equal(isToAsk(info, at(6 * hour - 1)), false)
  assert.equal(isToAsk(info, at(6 * hour)), true)
  assert.equal(isToAsk(info, at(60 * day - 1)), true)
  assert.equal(isToAsk(info, at(60 * day)), false)
})

test('a pause longer than any that was meant is over: the clock that wrote it down was ahead', () => {
  const info = { ...fresh, nextPoll: at(3 * 24 * hour) }
  assert.equal(isToAsk(info, now), true)
  assert.equal(isToAsk(info, at(2 * 24 * hour)), false)
})

test('§4.3: asked for at once after issuance', () => assert.equal(isToAsk(fresh, now), true))

test('a CA that has no renewal information is asked for its directory once a day, and a window of before is forgotten', () => {
  const info = unsupported(unanswered(told(windowOf(-hour, -minute)), timeout, now), now)
  assert.equal(pauseOf(info), day)
  assert.deepEqual(
    [info.window, info.selected, info.immediate, info.failures],
    [undefined, undefined, false, undefined],
  )
  assert.equal(isDue({ info }, at(50 * day)), false)
})

test('advice is for the certificate that it was given for, and there is none without a suggestion', () => {
  const info = suggested(fresh, suggestion(windowOf(day, 3 * day), { explanationUrl: 'https://ca.test/why' }), now, 0.5)
  assert.deepEqual(adviceOn(fresh.certificate, { info }), {
    renewAt: at(2 * day),
    immediate: false,
    explanationUrl: 'https://ca.test/why',
  })
  assert.equal(adviceOn('another.one', { info }), undefined)
  assert.equal(adviceOn(undefined, { info }), undefined)
  assert.equal(adviceOn(fresh.certificate, { info: fresh }), undefined)
  assert.equal(adviceOn(fresh.certificate, {}), undefined)
})

test('§4.2: renewals are subject to the back-off after failures: not before its end, and then due whatever the window', () => {
  const due = told(windowOf(-hour, hour), 0)
  assert.equal(isDue({ info: due, retryAt: at(hour) }, now), false)
  assert.equal(isDue({ info: due, retryAt: at(hour) }, at(hour)), true)
  assert.equal(isDue({ info: told(windowOf(day, 2 * day)), retryAt: at(hour) }, at(hour)), true)
  assert.equal(isDue({ retryAt: now }, now), true)
  assert.equal(isDue({}, now), false)
})
