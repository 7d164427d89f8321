// A slot held by somebody else, in this very process: flock(2) belongs to the open file.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { type Roots, slotPath } from '../../../src/job/paths.ts'
import { type Held, type Holder, trySlot } from '../../../src/renewal/lock.ts'

export const holder: Holder = { cert: 'other.example', pid: 4711, since: new Date('2026-11-05T06:07:08Z') }

/** The words of a waiting run for `holder`. */
export const holderWords = "held by 'other.example' (process 4711) since 2026-11-05T06:07Z"

/** Holds slot `number`, as `holder`, until it is released, at the latest when the test ends. */
export function holdSlot(t: { after(action: () => void): void }, roots: Roots, number = 1, by = holder): Held {
  mkdirSync(roots.runtime, { recursive: true, mode: 0o700 })
  const held = trySlot(slotPath(roots, number))
  assert.ok(held, `slot ${number} is busy`)
  held.tell(by)
  let isHeld = true
  const release = () => {
    if (isHeld) held.release()
    isHeld = false
  }
  t.after(release)
  return { path: held.path, release }
}
