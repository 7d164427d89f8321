// An apply is killed between its changes of the disk, at points spread over all of them: the next one finishes the work.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../support/process.ts'
import { loader, runnable } from '../support/program.ts'
import { type ApplyWorld, type Certs, makeApplyWorld } from './apply-world.ts'

const driver = runnable(fileURLToPath(new URL('apply-driver.ts', import.meta.url)))
const drive = ({ root }: ApplyWorld, killAt: number) => run(process.execPath, [...loader, driver, root, String(killAt)])

const points = 8

interface Scenario {
  readonly name: string
  readonly before: Certs | undefined
  readonly after: Certs
}

const scenarios: readonly Scenario[] = [
  { name: 'the first apply', before: undefined, after: { 'a.example': {}, 'b.example': {} } },
  {
    name: 'a certificate goes, one comes, one changes',
    before: { 'a.example': {}, 'b.example': {} },
    after: { 'b.example': { group: 'www' }, 'c.example': {} },
  },
  { name: 'the last certificate goes', before: { 'a.example': {} }, after: {} },
]

async function start(t: TestContext, { before, after }: Scenario): Promise<ApplyWorld> {
  const world = makeApplyWorld(t)
  if (before) {
    world.configure(before)
    assert.equal((await world.apply()).status, 0)
  }
  world.configure(after)
  return world
}

/** A file that was being written when the process died: hidden, and read by nobody. */
const isTemporary = (name: string) => /(^|\/)\.[^/]*\.tmp$/.test(name)

/** Path in the root → text, for all files. */
const contents = ({ root }: ApplyWorld) =>
  new Map(
    readdirSync(root, { recursive: true, withFileTypes: true, encoding: 'utf8' })
      .filter((entry) => entry.isFile() && !isTemporary(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(root.length), readFileSync(path, 'utf8')]),
  )

for (const scenario of scenarios)
  test(`killed on the way: ${scenario.name}`, async (t) => {
    const whole = await start(t, scenario)
    const { status, stdout, stderr } = await drive(whole, 0)
    assert.equal(status, 0, stderr)
    const { changes } = JSON.parse(stdout) as { changes: number }
    assert.ok(changes > 20, `${changes} changes only`)
    for (let point = 0; point < points; point++) {
      const killAt = 1 + Math.floor((point * (changes - 1)) / (points - 1))
      const world = await start(t, scenario)
      assert.equal((await drive(world, killAt)).signal, 'SIGKILL')
      // What stands there is known to be nixacme's, or is whole already.
      for (const [path, text] of contents(world)) if (path.startsWith('/etc/systemd/')) assert.match(text, /\n$/, path)
      const next = await world.apply()
      assert.equal(next.status, 0, `killed before change ${killAt} of ${changes}: ${next.stderr}`)
      assert.deepEqual(contents(world), contents(whole), `killed before change ${killAt} of ${changes}`)
      const settled = world.tree()
      assert.match((await world.apply()).stdout, /^0 added, 0 changed, 0 removed, \d unchanged\n$/)
      assert.deepEqual(world.changes(settled), [])
      assert.ok(existsSync(world.in('/var/lib/nixacme/files')))
    }
  })
