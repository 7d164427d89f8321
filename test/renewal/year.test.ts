// A simulated year by the rules of RFC 9773: every renewal is ordered while its window is open.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { day, hour } from './support/month.ts'
import { liveYear, type YearOptions } from './support/year.ts'

const some: YearOptions = { seed: 1, certificates: 40, lifetime: 160 * hour, days: 40, faults: 0, slots: 5 }

for (const [name, changes] of [
  ['160 hours, and windows of three hours', {}],
  ['160 hours, at a CA that leaves every third question without an answer', { faults: 0.33 }],
  ['160 hours, a hundred of them and one slot', { certificates: 100, slots: 1 }],
  ['45 days', { lifetime: 45 * day, days: 120 }],
  ['90 days', { lifetime: 90 * day, days: 200 }],
] as const)
  test(`certificates of ${name}: all are renewed inside their windows`, () => {
    const { renewals, inside, lost, questions } = liveYear({ ...some, ...changes })
    assert.ok(renewals >= 40, `${renewals} renewals`)
    assert.deepEqual({ inside, lost }, { inside: renewals, lost: 0 })
    // Every six hours, after a fault sooner.
    const { certificates, days, faults } = { ...some, ...changes }
    assert.ok(questions / certificates / days < (faults > 0 ? 8 : 4.5), `${questions} questions`)
  })

test('a window that is shorter than the time between two wake-ups is missed now and then, and no certificate is lost', () => {
  const { renewals, inside, lost } = liveYear({ ...some, lifetime: 10 * hour, days: 10 })
  assert.ok(inside < renewals, `${inside} of ${renewals}`)
  assert.equal(lost, 0)
})
