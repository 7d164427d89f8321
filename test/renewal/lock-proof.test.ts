// The promise of maxConcurrentRenewals with real processes: over hundreds of random schedules, with SIGKILLs of those who
// wait and of those who hold, never more than N at once, everybody who lives gets a turn, and no lock outlives its holder.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathsOf } from '../../src/job/job.ts'
import { type Roots, slotPath } from '../../src/job/paths.ts'
import { type Held, tryFolder, trySlot } from '../../src/renewal/lock.ts'
import { makeJob } from './support/lock-job.ts'
import { groupBy, type Interval, overlap, readIntervals } from './support/lock-meter.ts'
import { type Ended, type Pool, Worker, Workshop } from './support/lock-pool.ts'
import { randomFrom, randomSchedule, type Schedule } from './support/lock-schedule.ts'

const schedules = 240
/** Schedules that run side by side, each with folders and workers of its own. */
const lanes = 3
const crew = 5

const workshop = new Workshop()

const jobOf = ({ slots, policy }: Schedule, cert: string, home: number | null) =>
  makeJob({ name: cert, lockTimeout: 60 }, { home, slots, policy })

/** Runs one schedule; gives how each part ended. `privateLocks`: everybody has lock files of his own, so nothing excludes. */
async function play(
  round: number,
  schedule: Schedule,
  { pool, roots, events, privateLocks = false }: { pool: Pool; roots: Roots; events: string; privateLocks?: boolean },
): Promise<{ pid: number; ended: Ended }[]> {
  const crewNow = await pool.muster()
  const all = Promise.all(
    schedule.parts.map(async ({ cert, home, kill, ...times }, i) => {
      const worker = crewNow[i]
      assert.ok(worker)
      const job = jobOf(schedule, cert, home)
      const runtime = privateLocks ? join(roots.runtime, `${i}`) : roots.runtime
      const ended = await worker.perform({ round, job, roots: { ...roots, runtime }, events, ...times }, kill)
      return { pid: worker.pid, ended }
    }),
  )
  const limit = new AbortController()
  const late = sleep(40_000, 'late' as const, { signal: limit.signal, ref: false }).catch(() => 'late' as const)
  const ended = await Promise.race([all, late])
  limit.abort()
  assert.ok(ended !== 'late', `not everybody got a turn: ${JSON.stringify(schedule)}`)
  return ended
}

/** All that a schedule used can be had at once: nothing is locked by nobody. */
function assertNothingHeld(schedule: Schedule, roots: Roots): void {
  const held: (Held | undefined)[] = []
  try {
    for (let n = 1; n <= schedule.slots; n++) held.push(trySlot(slotPath(roots, n)))
    for (const cert of new Set(schedule.parts.map((part) => part.cert))) {
      const paths = pathsOf(roots, jobOf(schedule, cert, null))
      // A part that was killed before it began may have left no folder.
      if (schedule.parts.every(({ kill }) => kill === undefined)) held.push(tryFolder(paths.legoCert))
    }
    assert.ok(
      held.every((lock) => lock !== undefined),
      `a stale lock after ${JSON.stringify(schedule)}`,
    )
  } finally {
    for (const lock of held) lock?.release()
  }
}

function assertOrder(schedule: Schedule, of: readonly Interval[]): void {
  const about = JSON.stringify(schedule)
  const slots = of.filter(({ key }) => key.startsWith('slot'))
  if (schedule.slots > 0) {
    assert.ok(overlap(slots) <= schedule.slots, `${overlap(slots)} at once: ${about}`)
    for (const [key, users] of groupBy(slots, ({ key }) => key)) {
      const number = Number(key.slice(4))
      assert.ok(number >= 1 && number <= schedule.slots, `${key}: ${about}`)
      assert.equal(overlap(users), 1, `${key}: ${about}`)
    }
  }
  for (const [key, users] of groupBy(of, ({ key }) => key))
    if (!key.startsWith('slot')) assert.equal(overlap(users), 1, `${key}: ${about}`)
}

test(`${schedules} random schedules with SIGKILLs: never more than N at once, a turn for all, no stale lock`, {
  timeout: 180_000,
}, async (t) => {
  const seed = Number(process.env['LOCK_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
  t.diagnostic(`LOCK_SEED=${seed} plays the same schedules again`)
  const kills = { started: 0, waiting: 0, holding: 0 }
  let fullest = 0
  const lane = async (number: number) => {
    const random = randomFrom(seed + number)
    const pool = workshop.pool(crew)
    const roots = workshop.rootsIn(`lane${number}`)
    const events = join(workshop.dir, `lane${number}.events`)
    const deaths = new Map<string, bigint>()
    const played: Schedule[] = []
    try {
      for (let round = 0; round < schedules / lanes; round++) {
        const schedule = randomSchedule(random, crew)
        played.push(schedule)
        const ends = await play(round, schedule, { pool, roots, events })
        for (const { pid, ended } of ends) {
          if (ended.how === 'done') assert.equal(ended.status, 0, `${ended.message}: ${JSON.stringify(schedule)}`)
          else {
            kills[ended.state]++
            deaths.set(`${pid} ${round}`, ended.at)
          }
        }
        assertNothingHeld(schedule, roots)
      }
    } finally {
      await pool.dismiss()
    }
    const byRound = groupBy(readIntervals(events, deaths), ({ round }) => `${round}`)
    for (const [round, schedule] of played.entries()) {
      const intervals = byRound.get(`${round}`) ?? []
      assertOrder(schedule, intervals)
      fullest = Math.max(fullest, overlap(intervals.filter(({ key }) => key.startsWith('slot'))))
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, i) => lane(i)))
  t.diagnostic(`killed: ${JSON.stringify(kills)}; at most ${fullest} at once`)
  assert.ok(kills.waiting > 0 && kills.holding > 0, 'some were killed while waiting, some while holding')
  assert.ok(fullest >= 2, 'slots were used side by side')
})

test('the meter sees what no lock prevents: with lock files of their own, more than one at once', {
  timeout: 60_000,
}, async () => {
  const pool = workshop.pool(crew)
  const roots = workshop.rootsIn('control')
  const events = join(workshop.dir, 'control.events')
  const part = { home: 1, delayMs: 0, holdMs: 150, accountMs: undefined, kill: undefined }
  const parts = Array.from({ length: crew }, (_, i) => ({ cert: `c${i}.example`, ...part }))
  const schedule: Schedule = { slots: 1, policy: 'home', parts }
  try {
    await play(0, schedule, { pool, roots, events, privateLocks: true })
  } finally {
    await pool.dismiss()
  }
  const intervals = readIntervals(events, new Map())
  assert.ok(overlap(intervals.filter(({ key }) => key === 'slot1')) > 1)
  assert.throws(() => assertOrder(schedule, intervals), /at once/)
})

test('SIGTERM ends the wait for a slot within 100 ms of what ending a bare Node process takes', {
  timeout: 60_000,
}, async (t) => {
  const roots = workshop.rootsIn('sigterm')
  const schedule: Schedule = { slots: 1, policy: 'home', parts: [] }
  const tries = 7
  /** A worker that has an order for the slot, once it says `word` of it. */
  const atWork = async (cert: string, word: 'waiting' | 'holding') => {
    const worker = new Worker(workshop.workerPath)
    t.after(() => worker.dismiss())
    await worker.ready
    const times = { delayMs: 0, holdMs: 60_000, accountMs: undefined }
    const order = {
      round: 0,
      job: jobOf(schedule, cert, 1),
      roots,
      events: join(workshop.dir, 'sigterm.events'),
      ...times,
    }
    await new Promise<void>((resolve) => worker.order(order, ({ said }) => said === word && resolve()))
    return worker
  }
  const barePath = join(workshop.dir, 'bare.mjs')
  const bareScript = `process.once('SIGTERM', () => process.exit(75)).stdin.resume(); console.log('{"said":"ready"}')`
  writeFileSync(barePath, bareScript)
  const bare = async () => {
    const worker = new Worker(barePath)
    t.after(() => worker.dismiss())
    await worker.ready
    return worker
  }
  const several = (start: (i: number) => Promise<Worker>) =>
    Promise.all(Array.from({ length: tries }, (_, i) => start(i)))
  const measure = async (workers: readonly Worker[]) => {
    const took: number[] = []
    for (const worker of workers) {
      const from = process.hrtime.bigint()
      worker.child.kill('SIGTERM')
      const { status, at } = await worker.exited
      assert.equal(status, 75)
      took.push(Number(at - from) / 1e6)
    }
    return took.toSorted((a, b) => a - b)[(tries - 1) / 2] ?? Number.NaN
  }

  await atWork('holder.example', 'holding')
  const waiters = await several((i) => atWork(`w${i}.example`, 'waiting'))
  const bareOnes = await several(bare)
  // By now the pauses between two tries are long: a signal must not wait for their end.
  await sleep(700)
  const [ours, bares] = [await measure(waiters), await measure(bareOnes)]
  t.diagnostic(`signal to exit, median of ${tries}: ${ours.toFixed(1)} ms; bare node ${bares.toFixed(1)} ms`)
  assert.ok(ours <= bares + 100, `${ours} ms, bare node ${bares} ms`)
})
