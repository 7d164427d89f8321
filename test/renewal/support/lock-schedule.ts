// Random schedules for the proof of the locks: who wants which slot when, for how long, and who is killed at which moment.
import type { Kill } from './lock-pool.ts'

export interface Part {
  readonly cert: string
  readonly home: number | null
  readonly delayMs: number
  readonly holdMs: number
  readonly accountMs: number | undefined
  readonly kill: Kill | undefined
}

export interface Schedule {
  /** How many may hold a slot at once; 0: no limit, and then all want the same certificate. */
  readonly slots: number
  readonly policy: 'home' | 'any'
  readonly parts: readonly Part[]
}

export type Random = () => number

/** Mulberry32: the same seed gives the same numbers, each at least 0 and below 1. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function randomSchedule(random: Random, workers: number): Schedule {
  const below = (n: number) => Math.floor(random() * n)
  const slots = below(5)
  // Some schedules have a crowd at one slot, others spread as the compile step does.
  const crowded = random() < 0.3
  const parts = Array.from(
    { length: workers },
    (_, i): Part => ({
      cert: slots === 0 ? 'same.example' : `c${i}.example`,
      home: slots === 0 ? null : crowded ? 1 : 1 + (i % slots),
      delayMs: below(12),
      holdMs: below(9),
      accountMs: random() < 0.3 ? below(5) : undefined,
      kill: randomKill(random, below),
    }),
  )
  return { slots, policy: random() < 0.5 ? 'home' : 'any', parts }
}

function randomKill(random: Random, below: (n: number) => number): Kill | undefined {
  if (random() > 0.08) return undefined
  return (['waiting', 'holding', below(40)] as const)[below(3)]
}
