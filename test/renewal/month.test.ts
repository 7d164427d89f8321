// Simulated months: no limit of the CA is exceeded, and no certificate is lost that a patient operator would have saved,
// whatever the CA does and however often runs are started or killed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { day, hour, liveThrough, type MonthOptions, randomSpells } from './support/month.ts'

const calm = { seed: 1, days: 30, spells: [], kills: 0 }

/** All that may be wrong with a month. */
async function assertWell(t: Parameters<typeof liveThrough>[0], options: MonthOptions) {
  const month = await liveThrough(t, options)
  assert.deepEqual(month.beyondLimits, [], JSON.stringify(options))
  assert.deepEqual(month.lost, [], JSON.stringify(options))
  return month
}

test('a calm month: one order for each renewal, and no request besides', async (t) => {
  const { orders, issued, requests } = await assertWell(t, { ...calm, lifetime: 160 * hour })
  assert.deepEqual([orders, issued], [9, 9])
  assert.equal(requests, 9 * 11)
})

test('a month in which names cannot be proven: at most five orders a week, and the certificate comes when they can', async (t) => {
  const life = { ...calm, lifetime: 45 * day, days: 46 }
  const broken = (to: number) => [{ from: 0, to, weather: 'unproven' as const }]
  const { orders, issued } = await assertWell(t, { ...life, days: 44, spells: broken(45 * day) })
  assert.equal(issued, 0)
  assert.ok(orders >= 8 && orders <= 11, `${orders} orders`)
  assert.equal((await assertWell(t, { ...life, spells: broken(40 * day) })).issued, 1)
})

test('a crash loop of 10,000 starts while a renewal is due', async (t) => {
  const at = 15.5 * day
  const { starts, orders, issued } = await assertWell(t, {
    ...calm,
    lifetime: 45 * day,
    days: 34,
    crashLoop: { at: at + 15 * day, starts: 10_000 },
    spells: [{ from: 29 * day, to: 30.6 * day, weather: 'away' }],
  })
  assert.ok(starts > 13_000, `${starts} starts`)
  assert.ok(orders >= 1 && orders <= 5, `${orders} orders`)
  assert.equal(issued, 1)
})

for (const [name, lifetime] of [
  ['160 hours', 160 * hour],
  ['45 days', 45 * day],
] as const)
  test(`random months of certificates that live ${name}, with outages, kills and restarts`, async (t) => {
    for (let seed = 1; seed <= 2; seed++)
      await assertWell(t, { seed, lifetime, days: 30, spells: randomSpells(seed, 30), kills: 0.2 })
  })
