// SIGKILL of the real command at every request of an issuance, before the CA has done its part and after: the next run
// goes on with the order, and what the CA has issued is fetched rather than issued again.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { CaOptions } from '../ca/ca.ts'
import type { RequestKind } from '../ca/routes.ts'
import { cert, makeWorld } from '../support/world.ts'
import { assertFinished, forEach, killAt } from './kill.ts'

/** The CA takes its time with everything, so that each state is seen. */
const slow: CaOptions = { polls: { authz: 1, ready: 1, certificate: 1 } }

async function kinds(t: TestContext): Promise<RequestKind[]> {
  const world = await makeWorld(t, { ca: slow })
  const { status, stderr } = await world.nixacme(['renew', '--now', cert])
  assert.equal(status, 0, stderr)
  return world.ca.requests.map(({ kind }) => kind)
}

test('killed at every request', async (t) => {
  const requests = await kinds(t)
  for (const kind of ['newAccount', 'newOrder', 'authz', 'challenge', 'order', 'finalize', 'certificate'] as const)
    assert.ok(requests.includes(kind), requests.join(' '))
  const points = requests.flatMap((_, i) => (['before', 'after'] as const).map((when) => [i + 1, when] as const))
  t.diagnostic(`${points.length} points`)
  const taken = new Set<string>()
  await forEach(points, async ([n, when]) => {
    const world = await makeWorld(t, { ca: slow, way: 'in-process' })
    const kind = await killAt(world, { n, when })
    const { pendingOrder } = world.paths()
    const isPlaced = existsSync(pendingOrder)
    const said = await world.nixacme(['renew', '--now', '--no-wait', cert])
    try {
      // Only an order that the CA has placed and could not tell us of is placed again.
      assertFinished(world, said, kind === 'newOrder' && when === 'after' ? 2 : 1)
      assert.equal(/taking up the order/.test(said.stderr), isPlaced)
      assert.ok(!existsSync(pendingOrder))
      if (isPlaced) taken.add(/which is '(\w+)'/.exec(said.stderr)?.[1] ?? '')
    } catch (e) {
      throw new Error(`killed ${when} request ${n} (${kind})`, { cause: e })
    }
  })
  assert.deepEqual([...taken].sort(), ['pending', 'processing', 'ready', 'valid'])
})

test('killed again and again: each run goes on where the one before was', async (t) => {
  const world = await makeWorld(t, { ca: slow })
  // Beyond the first requests, which each run sends again: one further each time.
  for (const [n, when] of [
    [5, 'after'],
    [6, 'after'],
    [8, 'after'],
    [5, 'before'],
    [4, 'after'],
  ] as const)
    await killAt(world, { n, when })
  assertFinished(world, await world.nixacme(['renew', '--now', cert]), 1)
})
