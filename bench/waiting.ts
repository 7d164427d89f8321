// The memory of renewals that wait for a slot: one against bare Node doing nothing, and many together.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureDir } from '../src/fs.ts'
import { slotPath } from '../src/job/paths.ts'
import { trySlot } from '../src/renewal/lock.ts'
import { type Running, start } from '../test/support/process.ts'
import { makeFleet } from './fleet.ts'
import { median } from './measure.ts'
import { current } from './nodes.ts'
import { fixed, type Line, mib } from './table.ts'

const target = 1.15
/** Milliseconds after which a process that has nothing to do has settled. */
const settling = 1500
/** How many the estimate is for. */
const many = 200

const kB = (file: string, field: string): number => {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`'${file}' has no ${field}`)
  return Number(found)
}
const rss = (pid: number): number => kB(`/proc/${pid}/status`, 'VmRSS')
const rollup = (pid: number, field: string): number => kB(`/proc/${pid}/smaps_rollup`, field)

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Starts all, waits until each has said what it waits for and has settled, gives what `look` sees, ends all. */
async function whileRunning<T>(begin: () => readonly Running[], said: RegExp | undefined, look: (pids: number[]) => T) {
  const all = begin()
  try {
    if (said) await Promise.all(all.map((running) => running.stderrMatch(said, 120_000)))
    await sleep(settling)
    return look(all.map(({ pid }) => pid))
  } finally {
    await Promise.all(all.map((running) => running.end()))
  }
}

export async function measureWaiting(scratch: string, rounds: number, crowd: number): Promise<Line[]> {
  const { env, jobs, roots } = await makeFleet(join(scratch, 'waiting'), { count: crowd, stored: false, slots: 1 })
  const options = { env, timeoutMs: 300_000 }
  const { node, cli } = current
  const renewals = (count: number) => () =>
    jobs.slice(0, count).map(({ cert }) => start(node, [cli, 'renew', cert], options))
  const bare = () => [start(node, ['-e', 'setInterval(() => {}, 1e9)'], options)]
  ensureDir(roots.runtime, { mode: 0o700 })
  const held = trySlot(slotPath(roots, 1))
  if (!held) throw new Error('the slot is busy')
  held.tell({ cert: 'the bench', pid: process.pid, since: new Date() })
  try {
    const samples = { waiting: [] as number[], bare: [] as number[] }
    for (let i = 0; i < rounds; i++) {
      samples.waiting.push(sum(await whileRunning(renewals(1), /waiting for slot/, (pids) => pids.map(rss))))
      samples.bare.push(sum(await whileRunning(bare, undefined, (pids) => pids.map(rss))))
    }
    const [ours, theirs] = [median(samples.waiting), median(samples.bare)]
    const together = await whileRunning(renewals(crowd), /waiting for slot/, (pids) => {
      const pss = sum(pids.map((pid) => rollup(pid, 'Pss')))
      const own = sum(pids.map((pid) => rollup(pid, 'Private_Clean') + rollup(pid, 'Private_Dirty')))
      return { pss, own }
    })
    const estimate = together.pss + (together.own / crowd) * (many - crowd)
    return [
      {
        what: `memory of a renewal waiting for a slot, against bare node ${current.version}`,
        found: `${fixed(ours / theirs, 2)} times`,
        target: `at most ${target}`,
        isMet: ours / theirs <= target,
        note: `VmRSS ${mib(ours)} to ${mib(theirs)}, medians of ${rounds}`,
      },
      {
        what: `memory of ${many} renewals waiting for slots`,
        found: mib(estimate),
        note: `from ${crowd}: PSS ${mib(together.pss)}, of it private ${mib(together.own / crowd)} each`,
      },
    ]
  } finally {
    held.release()
  }
}
