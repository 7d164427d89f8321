// A run that makes the local CA and a self-signed certificate is killed before each of its changes of the disk: what it
// leaves is whole or nothing, and the next run completes it.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { flawOfLocalCa } from '../../src/certificate/local-ca-check.ts'
import { readInstalled } from '../../src/renewal/installed.ts'
import { isPending } from '../../src/renewal/signal.ts'
import { repository, run } from '../support/process.ts'
import { bundle } from './support/bundle.ts'
import { makeStart, type Start } from './support/preliminary.ts'
import { temporaries } from './support/world.ts'

const scratch = fs.mkdtempSync(join(tmpdir(), 'nixacme-selfsign-kill-'))
after(() => fs.rmSync(scratch, { recursive: true, force: true }))

let driver: string
before(async () => {
  // The locks' native package is not bundled.
  fs.symlinkSync(join(repository, 'node_modules'), join(scratch, 'node_modules'))
  driver = await bundle('selfsign-driver', scratch)
})

interface Scenario {
  readonly name: string
  readonly isShownBefore: boolean
  readonly prepare: (start: Start) => unknown
}

const names = ['x.test', 'www.x.test']

const scenarios: readonly Scenario[] = [
  { name: 'no CA and no certificate', isShownBefore: false, prepare: () => {} },
  { name: 'a certificate with other names', isShownBefore: true, prepare: (start) => start.selfsign(['x.test']) },
]

let plans = 0
function drive({ roots }: Start, killAt: number) {
  const plan = join(scratch, `plan-${++plans}.json`)
  fs.writeFileSync(plan, JSON.stringify({ roots, names }))
  return run(process.execPath, [driver, plan, String(killAt)])
}

/** The CA's key where it is in place; it must then be a whole CA. */
function caKey({ ca }: Start): string | undefined {
  if (!fs.existsSync(ca.key)) return undefined
  const pair = { key: fs.readFileSync(ca.key, 'utf8'), certificate: fs.readFileSync(ca.certificate, 'utf8') }
  assert.equal(flawOfLocalCa(pair, new Date()), undefined)
  return pair.key
}

/** What must hold at every moment; gives the leaf that services find. */
function assertWhole({ paths: { out } }: Start, { isShownBefore }: Scenario): void {
  const current = join(out, 'current')
  if (fs.existsSync(current)) assert.equal(readInstalled(current).kind, 'whole')
  if (isShownBefore) {
    const installed = readInstalled(out)
    assert.ok(installed.kind === 'whole')
    if (installed.facts.names.length > 1) assert.ok(isPending(out), 'the new set is shown and no marker is up')
  } else if (fs.existsSync(current)) assert.ok(isPending(out), 'a set is shown and no marker is up')
}

for (const scenario of scenarios)
  test(`killed at every change: ${scenario.name}`, async (t) => {
    const whole = makeStart(t)
    await scenario.prepare(whole)
    const { status, stdout, stderr } = await drive(whole, 0)
    assert.equal(status, 0, stderr)
    const { changes } = JSON.parse(stdout) as { changes: number }
    assert.ok(changes > 30, `${changes} changes only`)
    t.diagnostic(`${changes} changes`)
    let next = 1
    const lane = async () => {
      while (next <= changes) {
        const killAt = next++
        const start = makeStart(t)
        await scenario.prepare(start)
        fs.rmSync(join(start.paths.out, 'renewed'), { force: true })
        const { signal } = await drive(start, killAt)
        try {
          assert.equal(signal, 'SIGKILL')
          assertWhole(start, scenario)
          const made = caKey(start)
          await start.selfsign(names)
          if (made !== undefined) assert.equal(caKey(start), made, 'a CA that was there was made anew')
          assertComplete(start)
        } catch (e) {
          throw new Error(`killed before change ${killAt} of ${changes}`, { cause: e })
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, lane))
  })

/** What must hold after the next run. */
function assertComplete(start: Start): void {
  const installed = readInstalled(start.paths.out)
  assert.ok(installed.kind === 'whole')
  assert.deepEqual(installed.facts.names, names)
  assert.deepEqual(fs.readdirSync(start.ca.folder).sort(), ['cert.pem', 'key.pem'])
  assert.deepEqual(temporaries(start.roots.state), [])
  assert.equal(start.shown('renewed'), 'selfsigned\n')
}
