// The pool passes nonces on, fetches more only when many wait, and never loses a lane.
import assert from 'node:assert/strict'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { NoncePool } from '../../src/acme/nonces.ts'
import { pause } from '../../src/acme/pace.ts'

const quiet = new AbortController().signal

function counting() {
  const fetched = { count: 0 }
  const pool = new NoncePool(async () => `fetched-${++fetched.count}`)
  return { fetched, pool }
}

test('one after the other: one fetch for all', async () => {
  const { fetched, pool } = counting()
  for (const i of [1, 2, 3]) {
    const nonce = await pool.take(quiet)
    assert.equal(nonce, i === 1 ? 'fetched-1' : `answer-${i - 1}`)
    pool.give(`answer-${i}`)
  }
  assert.equal(fetched.count, 1)
})

test('one that came with another answer is used before any is fetched', async () => {
  const fetched = { count: 0 }
  const pool = new NoncePool(async () => `fetched-${++fetched.count}`, 'first')
  assert.equal(await pool.take(quiet), 'first')
  pool.give(undefined)
  assert.equal(await pool.take(quiet), 'fetched-1')
})

test('two at once: the second waits for the nonce of the first', async () => {
  const { fetched, pool } = counting()
  await pool.take(quiet)
  const second = pool.take(quiet)
  pool.give('passed')
  assert.equal(await second, 'passed')
  assert.equal(fetched.count, 1)
})

for (const [requests, most] of [
  [3, 1],
  [10, 4],
  [1000, 8],
] as const)
  test(`${requests} at once: at most ${most} fetches, every request gets a nonce of its own`, async () => {
    const { fetched, pool } = counting()
    const used = new Set<string>()
    let underWay = 0
    const one = async () => {
      const nonce = await pool.take(quiet)
      assert.ok(++underWay <= 8)
      assert.ok(!used.has(nonce))
      used.add(nonce)
      await turn()
      underWay--
      pool.give(`after-${used.size}-${nonce}`)
    }
    await Promise.all(Array.from({ length: requests }, one))
    assert.equal(used.size, requests)
    assert.ok(fetched.count <= most, `${fetched.count} fetched`)
  })

test('an answer without a nonce: who waits fetches one', async () => {
  const { fetched, pool } = counting()
  await pool.take(quiet)
  const second = pool.take(quiet)
  pool.give(undefined)
  assert.equal(await second, 'fetched-2')
  assert.equal(fetched.count, 2)
})

test('a fetch that fails is thrown, and the next one is tried', async () => {
  let fail = true
  const pool = new NoncePool(async () => {
    if (fail) throw new Error('no nonce')
    return 'nonce'
  })
  await assert.rejects(pool.take(quiet), /no nonce/)
  fail = false
  assert.equal(await pool.take(quiet), 'nonce')
})

test('who waits is let go by the signal, and the nonce goes to the next', async () => {
  const { pool } = counting()
  await pool.take(quiet)
  const stop = new AbortController()
  const waiting = pool.take(stop.signal)
  const next = pool.take(quiet)
  stop.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  pool.give('passed')
  assert.equal(await next, 'passed')
})

test('a hundred may wait for nonces, or for time: Node has nothing to warn about', async (t) => {
  const warnings: Error[] = []
  const keep = (warning: Error) => void warnings.push(warning)
  process.on('warning', keep)
  t.after(() => process.off('warning', keep))
  const stop = new AbortController()
  const { pool } = counting()
  const many = Array.from({ length: 100 }, () => [pool.take(stop.signal), pause(60, stop.signal)]).flat()
  await turn()
  stop.abort(new Error('enough'))
  await Promise.allSettled(many)
  assert.deepEqual(warnings, [])
})
