// A certificate with two CAs, through the whole command: who is asked, what is told, and whose certificate is in use.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withSecondCa } from '../support/second-ca.ts'
import { cert, day, makeWorld, type World } from '../support/world.ts'

const planOf = async (world: World, now = new Date()) => {
  const { stdout, stderr, status } = await world.nixacme(['plan', '--json'], { now: () => now })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)[0]
}
const host = (url: string): string => new URL(url).host

test('the second CA is asked when the first refuses; each has its account; then the first is asked again', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', ca: { blocked: [cert] } })
  const second = await withSecondCa(t, world)
  assert.equal((await planOf(world)).asks, host(world.ca.directoryUrl))
  const { status, stdout, stderr } = await world.nixacme(['renew', '--json', cert])
  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout)[0].server, second.directoryUrl)
  assert.match(stderr, /warning: example\.com: the CA refused/)
  assert.match(stderr, new RegExp(`hint: asking the next CA, '${second.directoryUrl}'`))
  assert.deepEqual([world.ca.stats.orders, second.stats.orders], [0, 1])

  const after = await planOf(world)
  assert.deepEqual([after.action, after.server, after.asks], ['skip', second.directoryUrl, null])
  // When it is due, the first has its turn; held back, the second.
  const due = new Date(Date.now() + 61 * day * 1000)
  const then = await planOf(world, due)
  assert.deepEqual([then.action, then.asks], ['renew', host(world.ca.directoryUrl)])
  assert.equal((await world.nixacme(['renew', cert], { now: () => due })).status, 0)
  assert.deepEqual([world.ca.stats.orders, second.stats.orders], [0, 2])
})

test('both refuse: --now asks each once', async (t) => {
  const blocked = { blocked: [cert] }
  const world = await makeWorld(t, { way: 'in-process', ca: blocked })
  const second = await withSecondCa(t, world, blocked)
  for (let i = 1; i <= 3; i++) {
    const { status } = await world.nixacme(['renew', '--now', cert])
    assert.equal(status, 76)
    assert.deepEqual([world.ca.count('newOrder'), second.count('newOrder')], [i, i])
  }
})

test('the plan says in words who would be asked', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await withSecondCa(t, world)
  const { stdout } = await world.nixacme(['plan'])
  assert.match(stdout, new RegExp(`run .*; asks '${host(world.ca.directoryUrl)}'\n`))
})
