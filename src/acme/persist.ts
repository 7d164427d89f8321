// What may pass is tried again, a little: a CA that restarts, a kept connection that was closed under the request.
import type { Answer } from './answer.ts'
import { isTransient } from './failure.ts'
import { jittered, pause } from './pace.ts'

const mostRepetitions = 3
/** Seconds before the first repetition, give or take; doubled for each further one. */
const firstPause = 0.5
/** Seconds. A Retry-After with a 5xx is waited for only when it is short: the failure memory does the long waits. */
const longestWait = 10

export interface Persistence {
  /** What got no answer may have arrived: it is sent again once, when this was told, and not where this throws. */
  readonly again?: (() => void) | undefined
}

/**
 * Sends until there is an answer below 500, at most three times more. The last answer is returned, the last error thrown;
 * a 429 is an answer, never repeated here. Throws the signal's reason at once when it is aborted.
 */
export async function persist(
  signal: AbortSignal,
  send: () => Promise<Answer>,
  { again }: Persistence = {},
): Promise<Answer> {
  for (let repetition = 1; ; repetition++) {
    let wait = jittered(firstPause * 2 ** (repetition - 1))
    try {
      const answer = await send()
      const asked = answer.retryAfter ?? 0
      if (answer.status < 500 || repetition > mostRepetitions || asked > longestWait) return answer
      wait = Math.max(wait, asked)
    } catch (e) {
      if (!isTransient(e) || repetition > (again ? 1 : mostRepetitions)) throw e
      again?.()
    }
    await pause(wait, signal)
  }
}
