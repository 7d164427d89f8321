// The proof of DESIGN §4: whatever is killed when, readers find one whole set, and the next run completes. The process that
// stores and installs is killed with SIGKILL before each of its changes of the disk, one process a change.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Worker } from 'node:worker_threads'
import { issuePreliminary, makeLocalCa, type PreliminarySet } from '../../src/certificate/local-ca.ts'
import { compare, installedNames, installPreliminary } from '../../src/renewal/install.ts'
import { dropMarker, isPending, openOut, takeMarker } from '../../src/renewal/signal.ts'
import { readState, type StoredSet } from '../../src/renewal/state.ts'
import { day, makeSet } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { run } from '../support/process.ts'
import { bundle } from './support/bundle.ts'
import type { ReaderData, ReaderResult } from './support/reader.ts'
import {
  foreignGid,
  hashes,
  installIn,
  layPlain,
  makeWorld,
  modes,
  names,
  putIn,
  seen,
  storedOf,
  temporaries,
  type World,
} from './support/world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'nixacme-kill-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

interface Scenario {
  readonly name: string
  /** Makes what is there before; `older` is what readers then see, where they see anything. */
  readonly prepare: (world: World, older: StoredSet) => void
  readonly shownBefore: boolean
  readonly storedBefore: boolean
  readonly gid: number | undefined
}

const scenarios: Scenario[] = [
  {
    name: 'first certificate, empty out/',
    prepare: () => {},
    shownBefore: false,
    storedBefore: false,
    gid: foreignGid,
  },
  {
    name: 'certificate in place of an older one',
    // Three older generations: the oldest but one is there to be removed.
    prepare: (world, older) => {
      putIn(world, oldest)
      putIn(world, older)
    },
    shownBefore: true,
    storedBefore: true,
    gid: undefined,
  },
  {
    name: 'take-over of plain files',
    prepare: (world, older) => layPlain(world, older),
    shownBefore: true,
    storedBefore: false,
    gid: undefined,
  },
  {
    name: 'first certificate in place of a self-signed one',
    prepare: ({ paths, gid }) => assert.ok(installPreliminary(paths.out, preliminary, gid)),
    shownBefore: true,
    storedBefore: false,
    gid: undefined,
  },
]

let driver: string
let reader: string
let oldest: StoredSet
let older: StoredSet
let newer: StoredSet
let preliminary: PreliminarySet

before(async () => {
  const from = (days: number) => ({ names, notBefore: new Date(Date.now() - days * day) })
  preliminary = await issuePreliminary(await makeLocalCa(new Date()), names, new Date())
  ;[driver, reader, oldest, older, newer] = await Promise.all([
    bundle('install-driver', scratch),
    bundle('reader', scratch),
    makeSet(from(80)),
    makeSet(from(60)),
    makeSet(from(1)),
  ])
})

let worlds = 0

/** A new world with what the scenario says is there before, its hook run; and the driver's command line. */
function setUp({ prepare, gid }: Scenario): { world: World; plan: string; dir: string } {
  const dir = join(scratch, `world-${++worlds}`)
  const world = makeWorld(dir, gid)
  prepare(world, older)
  tellAll(world)
  const plan = join(dir, 'plan.json')
  writeFileSync(plan, JSON.stringify({ dir, gid, set: newer }))
  return { world, plan, dir }
}

/** What post-run does; gives how many times a hook runs. */
function tellAll({ roots }: World): number {
  const out = openOut(roots.state, 'x.test')
  assert.ok(out)
  try {
    if (!takeMarker(out)) return 0
    dropMarker(out)
    return 1
  } finally {
    out.close()
  }
}

/** What must hold at every moment. */
function assertWhole(world: World, { shownBefore, storedBefore }: Scenario): void {
  const { current, full, names: byName } = seen(world, { older, newer, preliminary: storedOf(preliminary) })
  if (shownBefore) {
    assert.ok(full && byName, 'a name is missing')
    for (const name of installedNames) statSync(join(world.paths.out, name))
  }
  if (full === 'newer' || current === 'newer' || byName === 'newer')
    assert.ok(isPending(world.paths.out), 'the new set is shown and no marker is up')
  const { candidate, domainHash } = readState(world.paths)
  if (candidate.kind === 'usable') {
    const { key, fullchain, issuers } = candidate.set
    const stored = [older, newer].find((set) => set.key === key)
    assert.deepEqual({ fullchain, issuers }, { fullchain: stored?.fullchain, issuers: stored?.issuers })
    assert.equal(domainHash, hashes.domainHash)
  } else {
    assert.equal(candidate.kind, 'missing')
    assert.ok(!storedBefore, 'what was stored is gone')
  }
}

/** What must hold after the next run. */
function assertComplete(world: World, reference: Record<string, string>): void {
  assert.equal(compare(world.paths.out, newer, world.gid), 'none')
  assert.deepEqual(temporaries(world.roots.state), [])
  assert.deepEqual(seen(world, { newer }), { current: 'newer', full: 'newer', names: 'newer' })
  assert.ok(isPending(world.paths.out))
  assert.deepEqual(modes(world), reference)
  assert.equal(tellAll(world), 1)
  assert.ok(!isPending(world.paths.out))
}

const changesOf = (stdout: string): number => (JSON.parse(stdout) as { changes: number }).changes

/** Runs `action` for 1…n, a few at a time. */
async function forEachOf(n: number, action: (i: number) => Promise<void>): Promise<void> {
  let next = 1
  const lane = async () => {
    while (next <= n) await action(next++)
  }
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, lane))
}

for (const scenario of scenarios)
  test(`killed at every change: ${scenario.name}`, async (t) => {
    const whole = setUp(scenario)
    const { status, stdout } = await run(process.execPath, [driver, whole.plan, '0'])
    assert.equal(status, 0)
    const reference = modes(whole.world)
    assertComplete(whole.world, reference)
    const changes = changesOf(stdout)
    assert.ok(changes > 60, `${changes} changes only`)
    t.diagnostic(`${changes} changes`)
    await forEachOf(changes, async (killAt) => {
      const { world, plan, dir } = setUp(scenario)
      const { signal } = await run(process.execPath, [driver, plan, String(killAt)])
      try {
        assert.equal(signal, 'SIGKILL')
        assertWhole(world, scenario)
        putIn(world, newer)
        assertComplete(world, reference)
      } catch (e) {
        throw new Error(`killed before change ${killAt} of ${changes}`, { cause: e })
      }
      rmSync(dir, { recursive: true })
    })
  })

test('killed again in the run that follows a kill', async () => {
  const scenario = scenarios[2]
  assert.ok(scenario)
  const whole = setUp(scenario)
  await run(process.execPath, [driver, whole.plan, '0'])
  const reference = modes(whole.world)
  await forEachOf(24, async (i) => {
    const { world, plan } = setUp(scenario)
    const kills = [40 + ((i * 7) % 80), 1 + ((i * 11) % 100), 20 + ((i * 13) % 60)]
    for (const killAt of kills) {
      await run(process.execPath, [driver, plan, String(killAt)])
      assertWhole(world, { ...scenario, storedBefore: readState(world.paths).candidate.kind === 'usable' })
    }
    const { status } = await run(process.execPath, [driver, plan, '0'])
    assert.equal(status, 0, `killed before the changes ${kills.join(', ')}`)
    assertComplete(world, reference)
  })
})

/** The same by the kernel's hand, so that nothing rests on how the fault layer kills. */
test('killed by strace in system calls', async (t) => {
  if (!needs(t, 'strace')) return
  const scenario = scenarios[1]
  assert.ok(scenario)
  const whole = setUp(scenario)
  await run(process.execPath, [driver, whole.plan, '0'])
  const reference = modes(whole.world)
  const points = [
    ['^rename', [1, 4, 7, 8, 9]],
    ['^symlink', [1, 2]],
    ['^unlink|^rmdir', [1, 3]],
    ['^mkdir', [1, 2]],
    ['^fsync', [6, 14]],
  ] as const
  for (const [call, times] of points)
    for (const when of times) {
      const { world, plan } = setUp(scenario)
      const inject = ['-o', '/dev/null', '-e', `trace=/${call}`, '-e', `inject=/${call}:signal=KILL:when=${when}`]
      const { signal, stderr } = await run('strace', [...inject, process.execPath, driver, plan, '0'])
      assert.equal(signal, 'SIGKILL', `${call} ${when}: ${stderr}`)
      assertWhole(world, scenario)
      putIn(world, newer)
      assertComplete(world, reference)
    }
})

const filesOf = (set: StoredSet) => ({
  'key.pem': set.key,
  'fullchain.pem': set.fullchain,
  'chain.pem': set.issuers,
  'cert.pem': set.fullchain,
  'full.pem': set.key + set.fullchain,
})

/** Runs `work` with a reader beside it, which must find nothing wrong. */
async function withReader(world: World, sets: readonly StoredSet[], work: (begin: () => void) => void) {
  const shared = new Int32Array(new SharedArrayBuffer(12))
  const data: ReaderData = { out: world.paths.out, names: installedNames, sets: sets.map(filesOf), shared }
  const worker = new Worker(reader, { workerData: data })
  const result = new Promise<ReaderResult>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  try {
    const aRound = async () => {
      const before = Atomics.load(shared, 2)
      while (Atomics.load(shared, 2) < before + 2) await new Promise(setImmediate)
    }
    await aRound()
    work(() => Atomics.add(shared, 0, 1))
    await aRound()
  } finally {
    Atomics.store(shared, 1, 1)
  }
  const { rounds, overtaken, seen: counts, faults } = await result
  assert.deepEqual(faults, [])
  assert.ok(rounds > overtaken, `${rounds} rounds, ${overtaken} overtaken`)
  return counts
}

test('a reader beside many installations always finds a whole set and every name', async () => {
  const world = makeWorld(join(scratch, 'flips'))
  const sets = [oldest, older, newer]
  installIn(world, oldest)
  const counts = await withReader(world, sets, (begin) => {
    for (let i = 0; i < 150; i++) {
      begin()
      const set = sets[(i + 1) % 3]
      assert.ok(set)
      installIn(world, set, { fresh: true })
    }
  })
  for (const [i, count] of counts.entries()) assert.ok(count > 0, `set ${i} was never seen`)
})

test('a reader beside the take-over of plain files always finds a whole set and every name', async () => {
  for (let i = 0; i < 8; i++) {
    const world = makeWorld(join(scratch, `take-over-${i}`))
    layPlain(world, older)
    const [, count] = await withReader(world, [older, newer], (begin) => {
      begin()
      installIn(world, newer)
    })
    assert.ok(count, 'the new set was never seen')
  }
})
