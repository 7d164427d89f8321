// Runs that fail: how, when, and what is remembered of it.
import assert from 'node:assert/strict'
import { NixacmeError, type Refusal } from '../../../src/errors.ts'
import { type Memory, readMemory } from '../../../src/renewal/memory.ts'
import type { Place, Start } from './renewal.ts'

export class Refused extends NixacmeError {
  readonly #refusal: Refusal
  constructor(kind: 'later' | 'refused', refusal: Partial<Refusal>) {
    super(kind, 'the CA refused the order')
    this.#refusal = { retryAfter: undefined, links: [], unproven: [], ...refusal }
  }
  override get refusal(): Refusal {
    return this.#refusal
  }
}

export const away = () => new NixacmeError('unavailable', "cannot reach the CA at 'ca.example'")

/** A clock that a test sets; each run takes no time. */
export function clock() {
  let now = Date.now()
  return {
    now: () => new Date(now),
    pass(ms: number) {
      now += ms
    },
  }
}

export const failsWith = (e: () => Error): Pick<Start, 'obtain'> => ({ obtain: () => Promise.reject(e()) })
export const remembered = ({ paths }: Place): Memory => readMemory(paths.memory)

export const statusOf = async (run: Promise<unknown>): Promise<number> => {
  try {
    await run
    return 0
  } catch (e) {
    assert.ok(e instanceof NixacmeError, String(e))
    return e.exitStatus
  }
}
