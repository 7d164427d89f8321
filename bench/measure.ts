// Wall times of commands, taken in turns, so that what else the machine does falls on all of them alike.
import { spawnSync } from 'node:child_process'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The exit status of a good run, 0 without it. */
  readonly status?: number
}

/** Milliseconds. */
export interface Times {
  readonly median: number
  readonly fastest: number
}

/** Milliseconds after which a run is given up. */
const longest = 300_000

/** One run in milliseconds, from before the start to after the end. Throws when it does not end as it should. */
export function wall({ file, args, env, status = 0 }: Command): number {
  const start = performance.now()
  const ended = spawnSync(file, args, { env, stdio: 'ignore', timeout: longest })
  const time = performance.now() - start
  if (ended.error) throw new Error(`'${file}' could not be run: ${ended.error.message}`)
  if (ended.status !== status)
    throw new Error(`'${[file, ...args].join(' ')}' ended with ${ended.status ?? ended.signal}`)
  return time
}

export function timesOf(samples: readonly number[]): Times {
  return { median: median(samples), fastest: Math.min(...samples) }
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return (low + high) / 2
}

/** Runs the commands A B C, A B C, … `rounds` times, after one round that does not count. */
export function inTurns<T extends string>(commands: Readonly<Record<T, Command>>, rounds: number): Record<T, Times> {
  const names = Object.keys(commands) as T[]
  const samples = new Map<T, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const time = wall(commands[name])
      if (round > 0) samples.get(name)?.push(time)
    }
  }
  return Object.fromEntries(names.map((name) => [name, timesOf(samples.get(name) ?? [])])) as Record<T, Times>
}
