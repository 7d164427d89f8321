// Must-staple at a CA that ignores it: one certificate is paid for, and no other one before somebody changes something.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cert, makeWorld } from '../support/world.ts'

const day = 86_400_000
/** Beyond every pause after failures, and beyond the week in which orders are counted. */
const after = (days: number) => ({ now: () => new Date(Date.now() + days * day) })

test('a CA without OCSP is asked for one certificate, until the config changes', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', defaults: { ocspMustStaple: true } })
  const first = await world.nixacme(['renew', cert])
  assert.equal(first.status, 76)
  assert.match(first.stderr, /names no OCSP responder/)
  assert.match(first.stderr, /nothing more is ordered from this CA/)
  const { orders } = world.ca.stats
  assert.equal(orders, 1)

  for (const days of [2, 8, 14]) {
    const again = await world.nixacme(['renew', cert], after(days))
    assert.equal(again.status, 76, again.stderr)
    assert.match(again.stderr, /no new order, as that of 20\S+ was in vain: .* names no OCSP responder/)
  }
  assert.equal(world.ca.stats.orders, 1)
  assert.equal(JSON.parse(readFileSync(world.paths().memory, 'utf8')).failure.count, 4)
  const { stdout } = await world.nixacme(['plan', cert], after(14))
  assert.match(stdout, /no new order, as that of 20.* names no OCSP responder/)

  const now = await world.nixacme(['renew', '--now', cert], after(60))
  assert.match(now.stderr, /cannot be used: the certificate asks/)
  assert.equal(world.ca.stats.orders, 2)

  world.configure({ defaults: { ocspMustStaple: false } })
  assert.equal((await world.nixacme(['renew', cert], after(60))).status, 0)
  assert.equal(world.ca.stats.orders, 3)
})

test('other names are another order, which is remembered in its own right', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', defaults: { ocspMustStaple: true } })
  await world.nixacme(['renew', cert])
  const paths = world.paths()
  world.configure({ certs: { [cert]: {} } })
  const other = await world.nixacme(['renew', cert], after(1))
  assert.match(other.stderr, /cannot be used: the certificate asks/)
  assert.equal(world.ca.stats.orders, 2)
  assert.equal(world.paths().memory, paths.memory)
  const again = await world.nixacme(['renew', cert], after(9))
  assert.match(again.stderr, /no new order/)
  assert.equal(world.ca.stats.orders, 2)
})
