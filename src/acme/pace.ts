// How long to wait, and for how long at most: Retry-After, pauses that a signal ends, and the deadline of a whole issuance.
import { NixacmeError } from '../errors.ts'
import { interruptedError, sleep, timerOf } from '../wait.ts'

/** The shortest and the longest wait, in seconds, that a CA's Retry-After can cause while an order is under way. */
const shortest = 1
const longest = 60

/** Seconds of a Retry-After header, which is a number or a date (RFC 9110 §10.2.3); undefined when absent or nonsense. */
export function retryAfterSeconds(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header)
  // Date.parse makes a date of nearly everything, `-5` included.
  const until = /^[A-Za-z]{3,9},/.test(header.trim()) ? Date.parse(header) : Number.NaN
  return Number.isNaN(until) ? undefined : Math.max(0, (until - now.getTime()) / 1000)
}

/** A Retry-After between two polls, kept between 1 s and 60 s. */
export const clampPoll = (seconds: number): number => Math.min(longest, Math.max(shortest, seconds))

/** Waits; throws the signal's reason at once when it is aborted. */
export async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(seconds * 1000, signal)
  } catch (e) {
    signal.throwIfAborted()
    throw e
  }
}

/** `seconds` give or take a quarter, so that machines which fail together do not come back together. */
export const jittered = (seconds: number): number => seconds * (0.75 + Math.random() / 2)

export interface Bound {
  /** Aborted by the outer signal or the deadline; its reason is the NixacmeError to throw. */
  readonly signal: AbortSignal
  /** Forgets timer and outer signal. */
  end(): void
}

/** Ties a signal and a deadline together: `later` (75) for the one, `unavailable` (69) for the other. */
export function bound(outer: AbortSignal, deadlineSeconds: number, what: string): Bound {
  const controller = new AbortController()
  const stop = () => controller.abort(interruptedError(outer))
  const timer = setTimeout(() => {
    const hints = ['nothing is lost: the next run takes up the order where it is']
    controller.abort(new NixacmeError('unavailable', `${what} took longer than ${deadlineSeconds} s`, { hints }))
  }, timerOf(deadlineSeconds))
  if (outer.aborted) stop()
  else outer.addEventListener('abort', stop, { once: true })
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer)
      outer.removeEventListener('abort', stop)
    },
  }
}
