// A renewal, which names the certificate that it replaces, ended half-way: the CA may hold an order for it that nobody here
// knows of, and refuse the next one. The work is gone on with, or done once more, and never a third time.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { CaOptions } from '../ca/ca.ts'
import { cert, day, makeWorld, type World } from '../support/world.ts'
import { challenges, type Kill, killAt } from './kill.ts'

const hour = 3_600_000
const conflict = { status: 409, type: 'alreadyReplaced' }
const withoutReplaces =
  /^nixacme: example.com: the CA refused the order as a replacement .* ordering without 'replaces'$/gm

const ordersRemembered = (world: World): number => JSON.parse(readFileSync(world.paths().memory, 'utf8')).orders.length

for (const alreadyReplaced of [
  conflict,
  { status: 403, type: 'unauthorized' },
  { status: 404, type: 'malformed' },
  { status: 400, type: 'malformed' },
])
  test(`a CA that has a replacement says ${alreadyReplaced.status}: a certificate of 160 h is renewed in time`, async (t) => {
    const ca: CaOptions = { renewalInfo: { retryAfter: 21_600 }, lifetime: { seconds: 160 * 3600 }, alreadyReplaced }
    const world = await makeWorld(t, { way: 'in-process', ca })
    await world.issueAll()
    world.ca.set({ lifetime: { seconds: 90 * day } })
    const issuedAt = Date.now()
    const renewAt = (hours: number) => world.nixacme(['renew', cert], { now: () => new Date(issuedAt + hours * hour) })
    const end = world.ca.fault('newOrder', { do: 'drop', when: 'after' })
    await renewAt(109)
    end()
    assert.deepEqual([world.ca.stats.orders, ordersRemembered(world)], [2, 2])

    // The orders that are left are spread over the 51 hours that are left.
    const { status, stderr } = await renewAt(123)
    assert.equal(status, 0, stderr)
    assert.equal(stderr.match(withoutReplaces)?.length, 1, stderr)
    assert.deepEqual([world.ca.stats.orders, world.ca.stats.certificates], [3, 2])
    // The refused one is none.
    assert.deepEqual([world.ca.count('newOrder'), ordersRemembered(world)], [3, 3])
  })

/** Whether the order that the killed run placed is not known to the next one. */
const kills: readonly (readonly [Kill, isLost: boolean])[] = [
  [{ kind: 'newOrder', n: 1, when: 'before' }, false],
  [{ kind: 'newOrder', n: 1, when: 'after' }, true],
  [{ kind: 'finalize', n: 1, when: 'after' }, false],
  [{ kind: 'certificate', n: 1, when: 'before' }, false],
]

for (const [kill, isLost] of kills)
  test(`a renewal that is killed ${kill.when} '${kill.kind}': renewed by the next run, with one certificate`, async (t) => {
    // Issued long ago: its window is over.
    const aged = { notBeforeOffsetSeconds: -80 * day, seconds: 90 * day }
    const ca: CaOptions = { renewalInfo: { retryAfter: 21_600 }, lifetime: aged, alreadyReplaced: conflict }
    const world = await makeWorld(t, { way: 'in-process', ca })
    await world.issueAll()
    world.ca.set({ lifetime: { notBeforeOffsetSeconds: 0 } })
    const before = readFileSync(world.paths().certificate, 'utf8')
    await killAt(world, kill, [])
    assert.equal(existsSync(world.paths().pendingOrder), kill.kind !== 'newOrder')

    const { status, stderr } = await world.nixacme(['renew', '--no-wait', cert])
    assert.equal(status, 0, stderr)
    assert.notEqual(readFileSync(world.paths().certificate, 'utf8'), before)
    assert.equal(stderr.match(withoutReplaces)?.length ?? 0, isLost ? 1 : 0, stderr)
    assert.equal(/taking up the order/.test(stderr), kill.kind !== 'newOrder')
    assert.deepEqual([world.ca.stats.orders, world.ca.stats.certificates], [isLost ? 3 : 2, 2])
    assert.ok(!existsSync(world.paths().pendingOrder))
    assert.deepEqual(challenges(world), [])
    assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
  })
