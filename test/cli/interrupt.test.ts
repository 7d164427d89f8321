// A signal in the middle of an order: the challenge goes away, the status is 75, the old certificate stays, and the next
// run takes up the work.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { RequestKind } from '../ca/routes.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, makeWorld } from '../support/world.ts'

/** The first request of this kind is left without an answer; resolves when it is there. */
function hangAt(world: Awaited<ReturnType<typeof makeWorld>>, kind: RequestKind): Promise<void> {
  return new Promise((arrived) => {
    const end = world.ca.fault(kind, () => {
      end()
      arrived()
      return { status: 0, headers: {}, body: '', bare: true, transport: 'mute' }
    })
  })
}

describe('signals', { concurrency: 3 }, () => {
  for (const [signal, kind] of [
    ['SIGTERM', 'newOrder'],
    ['SIGTERM', 'challenge'],
    ['SIGINT', 'order'],
    ['SIGHUP', 'finalize'],
    ['SIGTERM', 'certificate'],
  ] as const)
    test(`${signal} while the CA does not answer at '${kind}'`, async (t) => {
      const world = await makeWorld(t)
      await world.issueAll()
      const before = world.tree()
      const hanging = hangAt(world, kind)
      const running = world.spawn(['renew', '--now', cert])
      await hanging
      const challenges = join(world.webroot, '.well-known', 'acme-challenge')
      if (kind === 'challenge') assert.equal(readdirSync(challenges).length, 2, 'the challenges are there by then')
      const { status, stdout, stderr } = await running.end(signal)
      assert.deepEqual([status, stdout], [75, ''], stderr)
      assert.match(stderr, new RegExp(`^nixacme: error: ${cert}: stopped by ${signal}$`, 'm'))
      assert.match(stderr, /^nixacme: hint: nothing is lost/m)
      assert.deepEqual(readdirSync(challenges), [])
      const left = kind === 'newOrder' ? [] : [`+${world.paths().pendingOrder}`]
      assert.deepEqual(changesBetween(before, world.tree()), left)
      assert.equal(readFileSync(join(world.roots.runtime, '1.lock'), 'utf8'), '', 'the slot is free')

      const again = await world.nixacme(['renew', '--now', cert])
      assert.equal(again.status, 0, again.stderr)
    })
})

test('SIGTERM as soon as the run has written down that it begins: it ends by itself, and the next one may begin', async (t) => {
  const world = await makeWorld(t)
  const { memory } = world.paths()
  const running = world.spawn(['renew', cert])
  while (!existsSync(memory)) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.match(readFileSync(memory, 'utf8'), /"attempt"/)
  const { status, stderr } = await running.end('SIGTERM')
  assert.equal(status, 75, stderr)
  assert.match(stderr, /stopped by SIGTERM/)
  assert.doesNotMatch(readFileSync(memory, 'utf8'), /"attempt"/)
})

test('SIGKILL in the middle of an order: the next run needs no repair', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  const installed = readFileSync(join(world.paths().out, 'full.pem'), 'utf8')
  const hanging = hangAt(world, 'finalize')
  const running = world.spawn(['renew', '--now', cert])
  await hanging
  await running.end('SIGKILL')
  assert.equal(readFileSync(join(world.paths().out, 'full.pem'), 'utf8'), installed)
  const { status, stderr } = await world.nixacme(['renew', '--now', '--no-wait', cert])
  assert.equal(status, 0, stderr)
  assert.notEqual(readFileSync(join(world.paths().out, 'full.pem'), 'utf8'), installed)
})
