// The number of slots is lowered and raised again while jobs of the old configuration hold theirs, with real processes:
// one slot never has two holders, so the slots that both configurations know never carry more than there are of them.
import assert from 'node:assert/strict'
import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Roots, slotPath } from '../../src/job/paths.ts'
import { arrangeLockFiles } from '../../src/renewal/lock-files.ts'
import { makeJob } from './support/lock-job.ts'
import { groupBy, overlap, readIntervals } from './support/lock-meter.ts'
import { Workshop } from './support/lock-pool.ts'

/** maxConcurrentRenewals, one after the other, with the home slots of the jobs that start then. */
const switches = {
  '5 → 2 → 5': [
    [5, [5, 1]],
    [2, [1, 2]],
    [5, [5, 2]],
  ],
  '2 → 1 → 3': [
    [2, [2, 1]],
    [1, [1]],
    [3, [2, 3]],
  ],
} as const
type Switch = readonly (readonly [slots: number, homes: readonly number[]])[]

const crew = 6
const rounds = 25
const holdMs = 40

const workshop = new Workshop()

type Arrange = (roots: Roots, slots: number) => unknown

/** Plays a switch; each job has a certificate of its own, and another name in each round. Gives what was held when. */
async function play(name: string, steps: Switch, count: number, arrange: Arrange) {
  const roots = workshop.rootsIn(name)
  const events = join(workshop.dir, `${name}.events`)
  const pool = workshop.pool(crew)
  try {
    for (let round = 0; round < count; round++) {
      const workers = [...(await pool.muster())]
      const ends: Promise<unknown>[] = []
      for (const [step, [slots, homes]] of steps.entries()) {
        arrange(roots, slots)
        for (const [i, home] of homes.entries()) {
          const policy = (round + i) % 3 === 0 ? 'any' : 'home'
          const cert = `r${round}-${step}-${i}.example`
          const job = makeJob({ name: cert, lockTimeout: 60 }, { home, slots, policy })
          const times = { delayMs: 0, holdMs, accountMs: undefined }
          const worker = workers.shift()
          assert.ok(worker)
          ends.push(
            worker.perform({ round, job, roots, events, ...times }, undefined).then((end) => {
              assert.ok(end.how === 'done' && end.status === 0, JSON.stringify(end))
            }),
          )
        }
        // Again and again, as units that start at any moment do.
        for (let i = 0; i < 8; i++) {
          await sleep(2)
          arrange(roots, slots)
        }
      }
      await Promise.all(ends)
    }
  } finally {
    await pool.dismiss()
  }
  return { roots, intervals: readIntervals(events, new Map()).filter(({ key }) => key.startsWith('slot')) }
}

type Intervals = Awaited<ReturnType<typeof play>>['intervals']

function assertBounds(steps: Switch, intervals: Intervals): void {
  for (const [key, users] of groupBy(intervals, ({ key }) => key))
    assert.equal(overlap(users), 1, `${key} has two holders`)
  const known = Math.min(...steps.map(([slots]) => slots))
  const ofBoth = intervals.filter(({ key }) => Number(key.slice(4)) <= known)
  assert.ok(overlap(ofBoth) <= known, `${overlap(ofBoth)} at once in the ${known} slots that all know`)
}

for (const [name, steps] of Object.entries(switches)) {
  test(`${name}: one holder a slot, and in the end the files of the last number`, { timeout: 120_000 }, async (t) => {
    const { roots, intervals } = await play(name, steps, rounds, arrangeLockFiles)
    t.diagnostic(`${intervals.length} jobs, at most ${overlap(intervals)} at once`)
    assert.equal(intervals.length, rounds * steps.flatMap(([, homes]) => homes).length)
    assertBounds(steps, intervals)
    assert.ok(overlap(intervals) >= 2, 'slots were used side by side')
    const last = steps.at(-1)?.[0] ?? 0
    assert.deepEqual(
      readdirSync(roots.runtime),
      Array.from({ length: last }, (_, i) => `${i + 1}.lock`),
    )
  })
}

test('the meter sees it: files removed under their holders give a slot two of them', { timeout: 60_000 }, async () => {
  const careless: Arrange = (roots, slots) => {
    for (let n = slots + 1; n <= 5; n++) {
      try {
        unlinkSync(slotPath(roots, n))
      } catch {
        // It is not there.
      }
    }
  }
  const steps = switches['5 → 2 → 5']
  // Which of the jobs meet is chance: on a busy machine it may take some turns.
  let seen: unknown
  for (let turn = 1; turn <= 12 && seen === undefined; turn++) {
    const { intervals } = await play(`careless ${turn}`, steps, 4, careless)
    try {
      assertBounds(steps, intervals)
    } catch (e) {
      seen = e
    }
  }
  assert.match(String(seen), /has two holders|at once in the 2 slots/)
})
