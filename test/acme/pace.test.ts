import assert from 'node:assert/strict'
import test from 'node:test'
import { bound, clampPoll, jittered, pause, retryAfterSeconds } from '../../src/acme/pace.ts'
import { NixacmeError } from '../../src/errors.ts'

const now = new Date('2026-11-21T12:00:00Z')

for (const [header, seconds] of [
  ['3', 3],
  ['0', 0],
  [' 86400 ', 86400],
  ['Sat, 21 Nov 2026 12:00:30 GMT', 30],
  ['Sat, 21 Nov 2026 11:59:00 GMT', 0],
  ['-5', undefined],
  ['soon', undefined],
  ['99999999999', undefined],
  [undefined, undefined],
] as const)
  test(`Retry-After ${header}: ${seconds}`, () => assert.equal(retryAfterSeconds(header, now), seconds))

for (const [seconds, clamped] of [
  [0, 1],
  [1, 1],
  [59, 59],
  [60, 60],
  [86400, 60],
] as const)
  test(`a poll after ${seconds} s waits ${clamped} s`, () => assert.equal(clampPoll(seconds), clamped))

test('jitter is a quarter at most', () => {
  for (let i = 0; i < 1000; i++) assert.ok(Math.abs(jittered(4) - 4) <= 1)
})

test('a pause ends with the reason of the signal', async () => {
  const reason = new NixacmeError('later', 'enough')
  await assert.rejects(pause(3600, AbortSignal.abort(reason)), reason)
})

test('a deadline that is longer than a timer of Node is far away all the same', async () => {
  const { signal, end } = bound(new AbortController().signal, 40 * 86_400, 'the order')
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(!signal.aborted)
  end()
})

test('the outer signal and the deadline have their own statuses', async () => {
  const outer = new AbortController()
  const stopped = bound(outer.signal, 3600, 'the work')
  outer.abort('SIGTERM')
  assert.equal((stopped.signal.reason as NixacmeError).exitStatus, 75)
  stopped.end()

  const late = bound(new AbortController().signal, 0.01, 'the work')
  await assert.rejects(pause(3600, late.signal), { kind: 'unavailable', message: 'the work took longer than 0.01 s' })
  late.end()
})

test('a bound that ended is not aborted any more', () => {
  const outer = new AbortController()
  const { signal, end } = bound(outer.signal, 3600, 'the work')
  end()
  outer.abort('SIGTERM')
  assert.equal(signal.aborted, false)
})
