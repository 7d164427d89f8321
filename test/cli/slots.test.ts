// Slots as people meet them: the executable, the lock files in --runtime-dir, what is said and how it ends.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { slotPath } from '../../src/job/paths.ts'
import { holderWords, holdSlot } from '../renewal/support/lock-hold.ts'
import { cert, errorsIn, makeWorld } from '../support/world.ts'

test('nothing due and the slot busy: done at once, with 0 and no request', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  holdSlot(t, world.roots)
  const said = await world.nixacme(['renew', cert])
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /skipping renewal/)
  assert.doesNotMatch(said.stderr, /waiting/)
  assert.equal(world.ca.count(), 0)
})

test('work due and the slot busy: says which, who and since when; --no-wait and --wait 1 end with 75', async (t) => {
  const world = await makeWorld(t)
  holdSlot(t, world.roots)
  const before = readFileSync(slotPath(world.roots, 1), 'utf8')
  const never = await world.nixacme(['renew', '--no-wait', cert])
  const aSecond = await world.nixacme(['renew', '--wait', '1', cert])
  for (const said of [never, aSecond]) assert.equal(said.status, 75, said.stderr)
  assert.deepEqual(errorsIn(never), ['example.com: slot 1 is busy'])
  assert.doesNotMatch(never.stderr, /waiting/)
  assert.deepEqual(errorsIn(aSecond), ['example.com: gave up waiting for slot 1 after 1 seconds'])
  const waiting = `nixacme: example.com: waiting for slot 1: '${slotPath(world.roots, 1)}' is ${holderWords}\n`
  assert.ok(aSecond.stderr.includes(waiting), aSecond.stderr)
  assert.equal(world.ca.count(), 0)
  assert.equal(readFileSync(slotPath(world.roots, 1), 'utf8'), before, 'the words of the holder stay')
})

test('a slot that gets free while it is waited for: the work is done', async (t) => {
  const world = await makeWorld(t)
  const held = holdSlot(t, world.roots)
  const run = world.spawn(['renew', cert])
  await run.stderrMatch(/waiting for slot 1/)
  held.release()
  const { status, stderr } = await run.finished
  assert.equal(status, 0, stderr)
  assert.equal(world.ca.stats.certificates, 1)
})

test('SIGTERM while waiting: 75, a sentence with the signal, nothing asked of the CA', async (t) => {
  const world = await makeWorld(t)
  holdSlot(t, world.roots)
  const run = world.spawn(['renew', cert])
  await run.stderrMatch(/waiting for slot 1/)
  const { status, stderr } = await run.end('SIGTERM')
  assert.equal(status, 75, stderr)
  assert.match(stderr, /error: example\.com: stopped by SIGTERM$/m)
  assert.equal(world.ca.count(), 0)
})

test('a holder that is killed leaves a free slot', async (t) => {
  const world = await makeWorld(t)
  // The CA never answers the first run: it is killed with its slot held.
  world.ca.fault('newOrder', { do: 'mute', times: 1 })
  const first = world.spawn(['renew', cert])
  await first.stderrMatch(/ordering/)
  assert.match(readFileSync(slotPath(world.roots, 1), 'utf8'), new RegExp(`^${cert} ${first.pid} `))
  const second = await world.nixacme(['renew', '--no-wait', cert])
  assert.equal(second.status, 75, second.stderr)
  await first.end('SIGKILL')
  const third = await world.nixacme(['renew', '--no-wait', cert])
  assert.equal(third.status, 0, third.stderr)
})

test('two runs of one certificate at once: one order, both end well', async (t) => {
  const world = await makeWorld(t)
  const both = await Promise.all([world.nixacme(['renew', cert]), world.nixacme(['renew', cert])])
  for (const { status, stderr } of both) assert.equal(status, 0, stderr)
  assert.deepEqual([world.ca.stats.certificates, world.ca.stats.orders, world.ca.stats.accounts], [1, 1, 1])
})

test('--all under one slot: each gets its turn, never two at once', async (t) => {
  const world = await makeWorld(t, {
    global: { maxConcurrentRenewals: 1 },
    certs: { 'a.example': {}, 'b.example': {}, 'c.example': {} },
  })
  const said = await world.nixacme(['renew', '--all'])
  assert.equal(said.status, 0, said.stderr)
  const order = world.ca.requests.filter(({ kind }) => kind === 'newOrder' || kind === 'certificate').map((r) => r.kind)
  assert.deepEqual(order, ['newOrder', 'certificate', 'newOrder', 'certificate', 'newOrder', 'certificate'])
})
