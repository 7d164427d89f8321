// How many held something at once, by what they wrote down themselves: the stamps lie inside of the times for which a lock
// was held, so that an overlap that is measured is one that was there.
import { readFileSync } from 'node:fs'

export interface Interval {
  /** What was held: `slot3` (`slot0`: none was needed), `cert:<name>`, `account:<hash>`. */
  readonly key: string
  readonly pid: number
  readonly round: number
  /** CLOCK_MONOTONIC in nanoseconds. */
  readonly from: bigint
  readonly to: bigint
}

/**
 * Reads the file of enters and leaves. Who was killed while holding left at `deaths.get('<pid> <round>')`, taken just
 * before the signal was sent. Throws when anybody else did not leave.
 */
export function readIntervals(path: string, deaths: ReadonlyMap<string, bigint>): Interval[] {
  const open = new Map<string, { key: string; pid: number; round: number; from: bigint }>()
  const intervals: Interval[] = []
  for (const line of readFileSync(path, 'utf8').trimEnd().split('\n')) {
    const [what = '', key = '', pid = '', round = '', at = ''] = line.split(' ')
    const id = `${key} ${pid} ${round}`
    if (what === 'enter') {
      open.set(id, { key, pid: Number(pid), round: Number(round), from: BigInt(at) })
      continue
    }
    const entered = open.get(id)
    if (!entered) throw new Error(`left without having entered: ${line}`)
    open.delete(id)
    intervals.push({ ...entered, to: BigInt(at) })
  }
  for (const entered of open.values()) {
    const to = deaths.get(`${entered.pid} ${entered.round}`)
    if (to === undefined) throw new Error(`process ${entered.pid} neither left '${entered.key}' nor was killed`)
    // Entered while the signal was on its way: held for no time that could be known.
    if (to > entered.from) intervals.push({ ...entered, to })
  }
  return intervals
}

/** The largest number of intervals that share an instant. */
export function overlap(intervals: readonly Interval[]): number {
  const steps = intervals.flatMap(({ from, to }) => [
    { at: from, by: 1 },
    { at: to, by: -1 },
  ])
  steps.sort((a, b) => (a.at === b.at ? a.by - b.by : a.at < b.at ? -1 : 1))
  let [now, most] = [0, 0]
  for (const { by } of steps) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}
