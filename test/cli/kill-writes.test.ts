// SIGKILL of the real command before every change of the disk of an issuance, from the folders to the stored certificate:
// the next run ends with the certificate that the CA has issued, and never orders one that is there.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bundle } from '../renewal/support/bundle.ts'
import { temporaryDir } from '../support/process.ts'
import { cert, makeWorld, type World } from '../support/world.ts'
import { assertFinished, forEach } from './kill.ts'

const hour = 3_600_000
/** The memory of a killed run asks for a wait; nothing else is older by this. */
const later = { now: () => new Date(Date.now() + 2 * hour) }

test('killed before every change', async (t) => {
  const preload = await bundle('kill-at-change', temporaryDir(t))
  const makePlace = (): Promise<World> => makeWorld(t, { way: 'in-process' })
  const runOn = (world: World, env: Record<string, string>) =>
    world.spawn(['renew', cert], { env: { NODE_OPTIONS: `--require=${preload}`, ...env } }).finished

  const whole = await makePlace()
  const countFile = join(whole.dir, 'count')
  const { status, stderr } = await runOn(whole, { KILL_COUNT: countFile })
  assertFinished(whole, { status, stdout: '', stderr }, 1)
  const changes = Number(readFileSync(countFile, 'utf8'))
  assert.ok(changes > 100, `${changes} changes only`)
  t.diagnostic(`${changes} changes`)

  const all = Array.from({ length: changes }, (_, i) => i + 1)
  const seen = { lost: 0, takenUp: 0, done: 0 }
  let stored = changes
  await forEach(all, async (killAt) => {
    // What comes then is the installation, which install-kill.test.ts proves for each of its changes.
    if (killAt > stored && killAt % 5 > 0) return
    const world = await makePlace()
    const killed = await runOn(world, { KILL_AT: String(killAt) })
    const { pendingOrder, certificate } = world.paths()
    const { orders, certificates } = world.ca.stats
    const hasOrder = existsSync(pendingOrder)
    const isStored = existsSync(certificate)
    if (isStored && !hasOrder) stored = Math.min(stored, killAt)
    const said = await world.nixacme(['renew', '--no-wait', cert], later)
    try {
      assert.equal(killed.signal, 'SIGKILL')
      // An order that the CA has placed and that was not yet written down is placed again; nothing was issued for it.
      const isLost = orders === 1 && certificates === 0 && !hasOrder
      assertFinished(world, said, isLost ? 2 : 1)
      if (isLost) seen.lost++
      if (/taking up the order/.test(said.stderr)) seen.takenUp++
      if (hasOrder && isStored) seen.done += await assertDone(world)
    } catch (e) {
      throw new Error(`killed before change ${killAt} of ${changes}: ${said.stderr}${String(e)}`, { cause: e })
    }
  })
  t.diagnostic(JSON.stringify(seen))
  // The file of the order takes a few changes to come into being, and a few to go.
  assert.ok(seen.lost > 0 && seen.lost < 15 && seen.takenUp > 30 && seen.done > 0, JSON.stringify(seen))
})

/** The order whose certificate is stored is never taken up again; the next one gets a new certificate. */
async function assertDone(world: World): Promise<number> {
  const { pendingOrder, key } = world.paths()
  if (!existsSync(pendingOrder)) return 0
  assert.equal(JSON.parse(readFileSync(pendingOrder, 'utf8')).key, readFileSync(key, 'utf8'))
  const { status, stderr } = await world.nixacme(['renew', '--now', cert], later)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /the order of .* is done, ordering anew/)
  assert.equal(world.ca.stats.certificates, 2)
  assert.ok(!existsSync(pendingOrder))
  return 1
}
