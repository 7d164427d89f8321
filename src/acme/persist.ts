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
  /**
   * Asked before each repetition whether it may be: what got no answer (undefined), or one of 500 and more, may have been
   * done all the same. What it throws ends the work.
   */
  readonly again?: ((answer: Answer | undefined) => boolean) | undefined
}

/**
 * Sends until there is an answer below 500, at most three times more. The last answer is returned, the last error thrown;
 * a 429 is an answer, never repeated here. Throws the signal's reason at once when it is aborted.
 */
export async function persist(
  signal: AbortSignal,
  send: () => Promise<Answer>,
  { again = () => true }: Persistence = {},
): Promise<Answer> {
  for (let repetition = 1; ; repetition++) {
    const { answer, error } = await tryTo(send)
    const asked = answer?.retryAfter ?? 0
    const isLast = (answer?.status ?? 500) < 500 || repetition > mostRepetitions || asked > longestWait
    if (!isLast) await pause(Math.max(jittered(firstPause * 2 ** (repetition - 1)), asked), signal)
    if (!isLast && again(answer)) continue
    if (answer) return answer
    throw error
  }
}

/** The answer, or the error where that may pass. */
async function tryTo(send: () => Promise<Answer>): Promise<{ answer?: Answer; error?: unknown }> {
  try {
    return { answer: await send() }
  } catch (error) {
    if (!isTransient(error)) throw error
    return { error }
  }
}
