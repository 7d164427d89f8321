// A compromise that is killed, at whatever step: the old key is never taken again once it is under quarantine, services
// always have a whole certificate, none that we have had revoked, and the next run does the rest.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fingerprintsOf, keyFingerprint } from '../../src/certificate/fingerprint.ts'
import { readInstalled } from '../../src/renewal/installed.ts'
import { bundle } from '../renewal/support/bundle.ts'
import { spawnCli, temporaryDir } from '../support/process.ts'
import { cert, makeWorld, type World } from '../support/world.ts'

const command = ['compromise', cert, '--yes']

interface Scene {
  readonly world: World
  /** The certificate that the key was stolen of, PEM. */
  readonly old: string
  readonly oldKey: string
}

/** Everything forgotten but the CA; then a first certificate, whose hook has run. */
async function fresh(world: World): Promise<Scene> {
  rmSync(world.roots.state, { recursive: true, force: true })
  await world.issueAll()
  const read = (name: string) => readFileSync(join(world.paths().out, name), 'utf8')
  return { world, old: read('fullchain.pem'), oldKey: read('key.pem') }
}

/** What must hold at every moment. Gives what services have. */
function assertSafe({ world, old }: Scene): string {
  const installed = readInstalled(world.paths().out)
  assert.ok(installed.kind === 'whole', JSON.stringify(installed))
  assert.equal(world.ca.revocationOf(installed.leaf), undefined, 'services have a revoked certificate')
  const isOld = fingerprintsOf(installed.leaf).certificate === fingerprintsOf(old).certificate
  if (world.ca.revocationOf(old) !== undefined) assert.ok(!isOld)
  return installed.leaf
}

/** What a run of a timer, and then the operator's second try, make of what the kill left. */
async function assertFinished(scene: Scene, isQuarantined: boolean): Promise<void> {
  const { world, old, oldKey } = scene
  assertSafe(scene)
  const timer = await world.nixacme(['renew', '--now', cert])
  assert.equal(timer.status, 0, timer.stderr)
  const between = assertSafe(scene)
  if (isQuarantined) assert.notEqual(fingerprintsOf(between).key, keyFingerprint(oldKey))
  const again = await world.nixacme(command)
  assert.equal(again.status, 0, again.stderr)
  const now = assertSafe(scene)
  assert.equal(world.ca.revocationOf(old), 1)
  assert.notEqual(fingerprintsOf(now).key, keyFingerprint(oldKey))
  assert.ok(!existsSync(join(world.paths().out, 'renewed')))
}

test('killed at its calls to the disk', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const preload = await bundle('kill-at-call', temporaryDir(t))
  const counter = join(world.dir, 'count')
  const run = async (killAt: number) =>
    spawnCli(command, {
      env: {
        ...world.env,
        NODE_OPTIONS: `--require=${preload}`,
        KILL_AT: String(killAt),
        KILL_UNDER: join(world.roots.state, '.lego', cert),
        KILL_COUNT: counter,
      },
    }).finished
  const whole = await fresh(world)
  const { status, stderr } = await run(0)
  assert.equal(status, 0, stderr)
  assert.equal(world.ca.revocationOf(whole.old), 1)
  const calls = Number(readFileSync(counter, 'utf8'))
  assert.ok(calls > 100, `${calls} calls only`)
  t.diagnostic(`${calls} calls`)
  // Every call would take minutes: these fall into all of its steps.
  const step = calls / 16
  for (let i = 0; i < 16; i++) {
    const killAt = Math.floor(i * step) + 1
    const scene = await fresh(world)
    const { signal, stderr } = await run(killAt)
    try {
      assert.equal(signal, 'SIGKILL', stderr)
      await assertFinished(scene, stderr.includes('count as compromised'))
    } catch (e) {
      throw new Error(`killed before call ${killAt} of ${calls}`, { cause: e })
    }
  }
})

for (const when of ['before', 'after'] as const)
  test(`killed at each request, ${when} the CA has done it`, async (t) => {
    const world = await makeWorld(t, { way: 'in-process' })
    const whole = await fresh(world)
    assert.equal((await spawnCli(command, { env: world.env }).finished).status, 0)
    assert.equal(world.ca.revocationOf(whole.old), 1)
    const requests = world.ca.count()
    assert.ok(requests >= 10, `${requests} requests only`)
    for (let killAt = 1; killAt <= requests; killAt++) {
      const scene = await fresh(world)
      const running = spawnCli(command, { env: world.env })
      let n = 0
      const end = world.ca.fault('*', async (exchange) => {
        if (++n !== killAt) return exchange.next()
        if (when === 'after') await exchange.next()
        running.child.kill('SIGKILL')
        return { status: 0, headers: {}, body: '', bare: true, transport: 'drop' }
      })
      const { signal, stderr } = await running.finished
      end()
      try {
        assert.equal(signal, 'SIGKILL', stderr)
        await assertFinished(scene, true)
      } catch (e) {
        throw new Error(`killed at request ${killAt} of ${requests}`, { cause: e })
      }
    }
  })

test('killed again and again, never twice at one place', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const scene = await fresh(world)
  for (const kind of ['newOrder', 'challenge', 'finalize', 'certificate', 'revokeCert'] as const) {
    const running = spawnCli(command, { env: world.env })
    const end = world.ca.fault(kind, () => {
      running.child.kill('SIGKILL')
      return { status: 0, headers: {}, body: '', bare: true, transport: 'drop' }
    })
    assert.equal((await running.finished).signal, 'SIGKILL', kind)
    end()
    assertSafe(scene)
  }
  await assertFinished(scene, true)
})
