// A month with a real CA beside the simulated ones, whose CA half is modelled: two certificates of the same names, the
// command as it is, bad days, and what the CA was asked for, counted there.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Fault } from '../ca/faults.ts'
import type { RequestKind } from '../ca/routes.ts'
import { cert, makeWorld } from '../support/world.ts'

const hour = 3_600_000
const lifetime = 160 * hour
const certs = ['first.example', 'second.example']
/** Hours from and to, and what goes wrong then. */
const badDays: readonly (readonly [from: number, to: number, kind: RequestKind, fault: Fault])[] = [
  [100, 118, 'directory', { do: 'answer', status: 503 }],
  [210, 228, 'newOrder', { do: 'problem', type: 'rateLimited', status: 429, retryAfter: 10 * 3600 }],
  [320, 345, 'finalize', { do: 'drop', when: 'after' }],
  [425, 440, 'certificate', { do: 'problem', type: 'malformed', status: 404, retryAfter: 0, skip: 0 }],
  [585, 600, 'newOrder', { do: 'problem', type: 'serverInternal', status: 500 }],
]

test('a month of two certificates of the same names, at a CA that has bad days', async (t) => {
  const names = { domain: 'example.com' }
  const world = await makeWorld(t, {
    way: 'in-process',
    ca: {
      renewalInfo: { retryAfter: 21_600 },
      alreadyReplaced: { status: 409, type: 'alreadyReplaced' },
    },
    certs: Object.fromEntries(certs.map((cert) => [cert, names])),
  })
  const start = Date.now()
  const placed: number[] = []
  for (let at = 0; at <= 30 * 24; at += 12) {
    const now = () => new Date(start + at * hour)
    // The CA's clock is the machine's.
    const notBeforeOffsetSeconds = Math.floor((now().getTime() - Date.now()) / 1000)
    world.ca.set({ lifetime: { notBeforeOffsetSeconds, seconds: lifetime / 1000 } })
    const ends = badDays
      .filter(([from, to]) => at >= from && at < to)
      .map(([, , kind, fault]) => world.ca.fault(kind, fault))
    const before = world.ca.stats.orders
    await world.nixacme(['renew', '--all'], { now })
    for (const end of ends) end()
    placed.push(...Array<number>(world.ca.stats.orders - before).fill(at))
    for (const cert of certs) {
      const { validTo } = new X509Certificate(readFileSync(join(world.paths(cert).out, 'fullchain.pem')))
      assert.ok(Date.parse(validTo) > now().getTime(), `'${cert}' has ended after ${at} h`)
    }
  }
  const { certificates, orders, requests } = world.ca.stats
  t.diagnostic(
    `${orders} orders, ${certificates} certificates, ${world.ca.count()} requests: ${JSON.stringify(requests)}`,
  )
  for (const from of placed) {
    const inAWeek = placed.filter((at) => at >= from && at < from + 7 * 24).length
    assert.ok(inAWeek <= 5, `${inAWeek} orders of one set of names within 7 days from hour ${from}`)
  }
  // A new one each 107 hours or so.
  assert.ok(certificates >= 12 && certificates <= 16, `${certificates} certificates`)
  assert.equal(requests.newAccount, 1)
})

test('certificates that live for a day are renewed twice a day, for as long as nobody fails', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const start = Date.now()
  for (let at = 0; at <= 9 * 24; at += 4) {
    const now = () => new Date(start + at * hour)
    const notBeforeOffsetSeconds = Math.floor((now().getTime() - Date.now()) / 1000)
    world.ca.set({ lifetime: { notBeforeOffsetSeconds, seconds: 86_400 } })
    await world.nixacme(['renew', cert], { now })
    const { validTo } = new X509Certificate(readFileSync(join(world.paths().out, 'fullchain.pem')))
    assert.ok(Date.parse(validTo) > now().getTime(), `it has ended after ${at} h`)
  }
  assert.ok(world.ca.stats.orders <= 19, `${world.ca.stats.orders} orders`)
})
