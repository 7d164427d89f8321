// Waiting that a signal ends at once.
import { NixacmeError } from './errors.ts'

/** The error of a run that a signal ended: nothing is lost, the next run takes up the work. */
export const interruptedError = (signal: AbortSignal): NixacmeError =>
  new NixacmeError('later', `stopped by ${typeof signal.reason === 'string' ? signal.reason : 'a signal'}`, {
    hints: ['nothing is lost: the next run takes up the work'],
  })

/** Resolves after `ms` milliseconds; throws `later` (75) as soon as the signal is aborted. */
export function sleep(ms: number, whole: AbortSignal): Promise<void> {
  // Of its own: Node warns about more than ten listeners to one, and all names of an order may wait at the same time.
  const signal = AbortSignal.any([whole])
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
