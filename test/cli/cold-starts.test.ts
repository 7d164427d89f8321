// Fifty certificates of one account, each in a process of its own, all started at once on a machine that has nothing yet:
// the CA sees one registration (contract 1.9: upstream needs a unit's dependencies for that).
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeWorld } from '../support/world.ts'

const number = 50
const names = Array.from({ length: number }, (_, i) => `c${i}.example.com`)

test(`${number} first runs at once: one registration, ${number} certificates`, { timeout: 300_000 }, async (t) => {
  const world = await makeWorld(t, {
    global: { maxConcurrentRenewals: 0 },
    certs: Object.fromEntries(names.map((name) => [name, {}])),
  })
  // Each run is watched for the end of this process.
  process.setMaxListeners(number + process.listenerCount('exit') + 10)
  // The registration is not answered before a crowd stands at its door.
  const isWaiting = ({ stderr }: { stderr: string }) => /another run registers the account/.test(stderr)
  world.ca.fault('newAccount', async ({ next }) => {
    while (runs.filter(isWaiting).length < number / 5) await sleep(20)
    return next()
  })
  const runs = names.map((name) => world.spawn(['renew', name], { timeoutMs: 240_000 }))
  for (const { status, stderr } of await Promise.all(runs.map(({ finished }) => finished)))
    assert.equal(status, 0, stderr)
  const created = world.ca.requests.filter(({ kind, status }) => kind === 'newAccount' && status === 201)
  assert.equal(created.length, 1)
  assert.equal(world.ca.count('newAccount'), 1, 'nobody else even asked')
  const { accounts, orders, certificates } = world.ca.stats
  assert.deepEqual([accounts, orders, certificates], [1, number, number])
  for (const name of names) assert.ok(existsSync(join(world.roots.state, name, 'full.pem')), name)
})
