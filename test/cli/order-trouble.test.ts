// Certificates of 160 hours at a CA with which orders are in trouble: each is renewed in time, and what may have been
// placed is counted.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Fault } from '../ca/faults.ts'
import { cert, makeWorld, type World } from '../support/world.ts'

const hour = 3_600_000

/** With a certificate of 160 hours; `at` is the host's clock, hours from when it is due. */
async function shortLived(t: TestContext) {
  const world = await makeWorld(t, {
    way: 'in-process',
    ca: {
      renewalInfo: { retryAfter: 21_600 },
      lifetime: { seconds: 160 * 3600 },
      alreadyReplaced: { status: 409, type: 'alreadyReplaced' },
    },
  })
  await world.issueAll()
  const due = Date.now() + 108 * hour
  return { world, at: (hours: number) => ({ now: () => new Date(due + hours * hour) }) }
}

const counted = (world: World): number => JSON.parse(readFileSync(world.paths().memory, 'utf8')).orders.length
const serial = (world: World): string =>
  new X509Certificate(readFileSync(join(world.paths().out, 'fullchain.pem'))).serialNumber

const page = { 'Content-Type': 'text/html' }

/** What happens to orders; how many the CA has in the end, and how many are counted, the first certificate's included. */
const refusals: readonly (readonly [string, Fault, placed: number, counted: number, isRenewed: boolean])[] = [
  ['replaces, 409 and a page', { do: 'answer', status: 409, headers: page, having: 'replaces' }, 2, 2, true],
  [
    'replaces, 500 and a problem',
    { do: 'problem', type: 'serverInternal', status: 500, detail: 'Error creating new order', having: 'replaces' },
    2,
    2,
    true,
  ],
  ['the first order, an answer that is lost', { do: 'drop', when: 'after', times: 1 }, 2, 2, false],
  ['the first order, 503', { do: 'answer', status: 503, times: 1 }, 2, 2, true],
  ['every order, 503', { do: 'answer', status: 503 }, 1, 1, false],
  ['every order, 504 when it was placed', { do: 'answer', status: 504, headers: page, when: 'after' }, 3, 3, false],
]

for (const [name, fault, placed, count, isRenewed] of refusals)
  test(`${name}: ${placed - 1} placed and ${count - 1} counted by the run`, async (t) => {
    const { world, at } = await shortLived(t)
    const before = serial(world)
    world.ca.fault('newOrder', fault)
    const said = await world.nixacme(['renew', cert], at(0))
    assert.equal(said.status, 0, said.stderr)
    assert.deepEqual([world.ca.stats.orders, counted(world)], [placed, count])
    assert.equal(serial(world) !== before, isRenewed)
  })

for (const args of [[], ['--now']])
  test(`an order that the CA has lost, and answers with 500: a new one in time, renew ${args.join(' ')}`, async (t) => {
    const { world, at } = await shortLived(t)
    const before = serial(world)
    const end = world.ca.fault('authz', { do: 'answer', status: 503, headers: { 'Retry-After': '60' } })
    await world.nixacme(['renew', cert], at(0))
    end()
    const file = world.paths().pendingOrder
    const order = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(file, JSON.stringify({ ...order, expires: at(7 * 24).now() }), { mode: 0o600 })
    world.ca.fault('order', async ({ url, next }) =>
      order.orderUrl.endsWith(url) ? { status: 500, headers: { 'Retry-After': '60' }, body: '{}', bare: true } : next(),
    )
    let hours = 1
    for (; serial(world) === before && hours < 16; hours += 0.5) {
      await world.nixacme(['renew', ...args, cert], at(hours))
      assert.equal(existsSync(file), serial(world) === before)
    }
    assert.ok(hours > 2 && hours < 5, `let go after ${hours} h`)
    assert.deepEqual([world.ca.stats.orders, counted(world)], [3, 3])
  })
