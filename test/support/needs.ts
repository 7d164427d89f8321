// Tests about real parts (nginx, lego, Pebble, …) ask for them here: without one they are skipped by name, with the
// command that would install it. With CI=true a missing part is a failure.
import type { TestContext } from 'node:test'
import { isThere, type Part, parts } from '../parts/find.mjs'

const lacking = (need: Part | 'root'): string | undefined => {
  if (need === 'root') return process.geteuid?.() === 0 ? undefined : 'needs root: run the tests as root'
  return isThere(need) ? undefined : `needs ${need}: ${parts[need].install}`
}

/**
 * False when something is missing: `t` is then skipped, and its test returns. Throws instead where CI=true.
 *
 *     test('…', (t) => { if (!needs(t, 'lego', 'root')) return; … })
 */
export function needs(t: TestContext, ...all: readonly (Part | 'root')[]): boolean {
  const reasons = all.map(lacking).filter((reason) => reason !== undefined)
  return reasons.length === 0 || cannotRun(t, reasons.join('; '))
}

/** Skips `t` for this reason and gives false. Throws instead where CI=true. */
export function cannotRun(t: TestContext, reason: string): false {
  if (process.env['CI'] === 'true') throw new Error(reason)
  t.skip(reason)
  return false
}
