// Files that cannot be read or written: a full disk, a read-only one, somebody else's folders. Told before the CA is asked
// for anything, and nothing of what is there changes.
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { asUser, copyProgram, nobody, runUnderMounts } from '../support/other-user.ts'
import { run } from '../support/process.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World } from '../support/world.ts'
import { assertSentence } from './bad-input.ts'

interface Trouble {
  readonly name: string
  /** Prepares the world as root, after a certificate was issued. */
  make?(world: World): void
  /** Shell commands in the mount namespace. */
  readonly mounts?: (world: World) => string
  /** Who runs nixacme; default: root. */
  readonly as?: typeof nobody
  readonly args?: readonly string[]
  readonly status: number
  readonly error: RegExp
  readonly hint: RegExp | null
  /** Default: nothing. */
  readonly stdout?: string
}

const quoted = (path: string) => `'${path}'`

/** Gives the folders of the state to nobody, so that he may renew. */
function giveState({ roots, webroot }: World, except: readonly string[] = []): void {
  const give = (path: string) => {
    if (!except.includes(path)) chownSync(path, nobody.uid, nobody.gid)
  }
  for (const root of [roots.state, roots.runtime, webroot]) {
    give(root)
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true }))
      if (!entry.isSymbolicLink()) give(join(entry.parentPath, entry.name))
  }
}

const challengeFolder = (world: World) => join(world.webroot, '.well-known', 'acme-challenge')

const troubles: readonly Trouble[] = [
  {
    name: 'a full disk',
    // The state is copied to a small disk of its own, which is then filled to the last byte.
    mounts: ({ roots: { state }, dir }) =>
      `cp -a ${quoted(state)} ${quoted(join(dir, 'copy'))}
       mount -t tmpfs -o size=1m,mode=755 none ${quoted(state)}
       cp -a ${quoted(join(dir, 'copy'))}/. ${quoted(state)}
       head -c 2m /dev/zero > ${quoted(join(state, 'filler'))} 2>/dev/null || true`,
    status: 73,
    error: /cannot write '.*': no space left on device/,
    hint: /free some space/,
  },
  {
    name: 'a read-only state',
    mounts: ({ roots: { state } }) =>
      `mount --bind ${quoted(state)} ${quoted(state)}
       mount -o remount,bind,ro ${quoted(state)}`,
    status: 73,
    error: /cannot write '.*': read-only file system/,
    hint: null,
  },
  {
    name: 'a read-only webroot',
    mounts: ({ webroot }) =>
      `mount --bind ${quoted(webroot)} ${quoted(webroot)}
       mount -o remount,bind,ro ${quoted(webroot)}`,
    status: 73,
    error: /cannot write '.*acme-challenge': read-only file system/,
    hint: /group 'nogroup' may write there/,
  },
  {
    name: "somebody else's state",
    as: nobody,
    make(world) {
      chmodSync(world.roots.state, 0o755)
      for (const root of [world.roots.runtime, world.webroot]) chownSync(root, nobody.uid, nobody.gid)
    },
    status: 77,
    error: /cannot (read|write) '.*': permission denied/,
    hint: null,
  },
  {
    name: "somebody else's webroot",
    as: nobody,
    make: (world) => giveState(world, [world.webroot, challengeFolder(world)]),
    status: 77,
    error: /cannot write '.*acme-challenge': permission denied/,
    hint: /make sure that '.*acme-challenge' exists and that user 'acme' or group 'nogroup' may write there/,
  },
  {
    name: 'a lock folder of somebody else',
    as: nobody,
    make: (world) => giveState(world, [world.roots.runtime, join(world.roots.runtime, '1.lock')]),
    status: 71,
    error: /cannot take the lock '.*1\.lock': permission denied/,
    hint: /--runtime-dir/,
  },
  {
    name: "somebody else's config",
    as: nobody,
    make(world) {
      giveState(world)
      chmodSync(world.configFile, 0o600)
    },
    status: 77,
    error: /config\.toml: the file cannot be read: permission denied/,
    hint: /give this user access/,
  },
  {
    name: 'jobs of somebody else',
    as: nobody,
    make(world) {
      mkdirSync(world.roots.jobs, { mode: 0o755 })
    },
    args: ['apply'],
    status: 77,
    error: /cannot write '.*jobs': permission denied/,
    hint: /--jobs-dir/,
    // What would change is shown before it is written.
    stdout: `+ ${cert}\n`,
  },
]

async function tryOut(t: TestContext, trouble: Trouble): Promise<void> {
  const { as, mounts, args = ['renew', '--now', cert] } = trouble
  const world = await makeWorld(t, { defaults: { group: 'nogroup' } })
  chmodSync(world.dir, 0o755)
  await world.issueAll()
  trouble.make?.(world)
  const program = copyProgram(world.dir)
  const before = world.tree()
  const command = [process.execPath, program, ...args]
  const said = await runUnderMounts(mounts?.(world) ?? '', as ? asUser(as, command) : command, { env: world.env })
  assert.equal(said.status, trouble.status, said.stderr)
  const errors = errorsIn(said)
  assert.equal(errors.length, 1, said.stderr)
  assert.match(errors[0] ?? '', trouble.error)
  assertSentence(errors[0] ?? '')
  if (trouble.hint) assert.match(said.stderr, new RegExp(`^nixacme: hint: .*${trouble.hint.source}`, 'm'))
  assert.equal(said.stdout, trouble.stdout ?? '')
  assert.equal(world.ca.count('newOrder'), 0, 'no order was placed')
  assert.deepEqual(changesBetween(before, world.tree()), [])
}

describe('disk', { concurrency: 2 }, () => {
  for (const trouble of troubles)
    test(trouble.name, async (t) => {
      if (needs(t, 'root')) await tryOut(t, trouble)
    })
})

test('a skip needs no writing at all: a read-only state with nothing due is fine', async (t) => {
  if (!needs(t, 'root')) return
  const world = await makeWorld(t)
  await world.issueAll()
  const { state } = world.roots
  const mounts = `mount --bind ${quoted(state)} ${quoted(state)}\nmount -o remount,bind,ro ${quoted(state)}`
  const { status, stderr } = await runUnderMounts(mounts, [process.execPath, copyProgram(world.dir), 'renew', cert], {
    env: world.env,
  })
  assert.equal(status, 0, stderr)
  assert.match(stderr, /skipping renewal/)
})

test('a webroot that is a file: told with its path, no order', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  rmSync(world.webroot, { recursive: true })
  const { status, stderr } = await run('cp', [world.configFile, world.webroot])
  assert.equal(status, 0, stderr)
  const said = await world.nixacme(['renew', '--now', cert])
  assert.equal(said.status, 73, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /cannot write '.*acme-challenge': not a directory/)
  assert.equal(world.ca.count('newOrder'), 0)
})
