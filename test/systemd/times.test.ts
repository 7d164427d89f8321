// Times of the timer: what the config takes, systemd takes too, and means.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as syntax from '../../src/config/syntax.ts'
import { needs } from '../support/needs.ts'
import { run } from '../support/process.ts'

const units = [
  '',
  'us',
  'usec',
  'ms',
  'msec',
  's',
  'sec',
  'second',
  'seconds',
  'm',
  'min',
  'minute',
  'minutes',
  'h',
  'hr',
]
const longer = ['hour', 'hours', 'd', 'day', 'days', 'w', 'week', 'weeks', 'M', 'month', 'months', 'y', 'year', 'years']

const part = fc
  .tuple(
    fc.constantFrom('0', '1', '1.5', '07', '90', '12345'),
    fc.constantFrom('', ' '),
    fc.constantFrom(...units, ...longer),
  )
  .map((some) => some.join(''))
const span = fc
  .tuple(fc.array(part, { minLength: 1, maxLength: 3 }), fc.constantFrom('', ' '))
  .map(([parts, space]) => parts.join(space))

const inSystemd = (words: readonly string[]) => run('systemd-analyze', [...words])

test('every time span that the config takes is one of systemd', async (t) => {
  if (!needs(t, 'systemd')) return
  const spans = fc.sample(span, 300).filter((one) => syntax.timeSpan(one) === undefined)
  assert.ok(spans.length > 30)
  const { status, stderr } = await inSystemd(['timespan', '--', ...spans])
  assert.deepEqual([status, stderr], [0, ''])
})

test('the longest time span is a year', async (t) => {
  if (!needs(t, 'systemd')) return
  for (const [one, microseconds] of [
    ['365d', 365 * 86_400e6],
    ['52w 23h 59m 3s', (364 * 86_400 + 86_343) * 1e6],
  ] as const) {
    assert.equal(syntax.timeSpan(one), undefined)
    assert.match((await inSystemd(['timespan', one])).stdout, new RegExp(`^ *[μµ]s: ${microseconds}$`, 'm'))
  }
})

test('calendar expressions as people write them hold in both', async (t) => {
  if (!needs(t, 'systemd')) return
  const expressions = ['daily', 'Mon..Fri 04:00', '*-*-* 00/6:00:00', 'Sat *-*~07/1', '*:0/15', '2027-01-01 00:00 UTC']
  for (const one of expressions) assert.equal(syntax.calendar(one), undefined, one)
  const { status, stderr } = await inSystemd(['calendar', '--', ...expressions])
  assert.deepEqual([status, stderr], [0, ''])
})
