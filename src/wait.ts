// Waiting that a signal ends at once.
import { NixacmeError } from './errors.ts'

/** The error of a run that a signal ended: nothing is lost, the next run takes up the work. */
export const interruptedError = (signal: AbortSignal): NixacmeError =>
  new NixacmeError('later', `stopped by ${typeof signal.reason === 'string' ? signal.reason : 'a signal'}`, {
    hints: ['nothing is lost: the next run takes up the work'],
  })

/** Seconds as a timer takes them: milliseconds, 24 days at most, since Node makes a single one of what is longer. */
export const timerOf = (seconds: number): number => Math.min(seconds * 1000, 2 ** 31 - 1)

/** One that follows `whole`: Node warns about more than ten listeners to one, and many names and questions wait at a time. */
export const ownSignal = (whole: AbortSignal): AbortSignal => AbortSignal.any([whole])

/** Resolves after `ms` milliseconds; throws `later` (75) as soon as the signal is aborted. */
export function sleep(ms: number, whole: AbortSignal): Promise<void> {
  const signal = ownSignal(whole)
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(interruptedError(signal))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
