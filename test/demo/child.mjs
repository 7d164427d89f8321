// Waiting for another process so that nothing is left of it: a signal ends it, and what it started is over when we go on.
import { once } from 'node:events'

/** Milliseconds that an asked process gets to end by itself. */
const grace = 5000

/** Asks `child` to end and makes sure that it does. */
export function end(child) {
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), grace)
  child.once('close', () => clearTimeout(force))
}

/** Resolves to the exit status (null: a signal ended it). Throws when it cannot be started or `signal` is aborted. */
export async function finished(child, signal) {
  const stop = () => end(child)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const [status] = await once(child, 'close')
    signal.throwIfAborted()
    return status
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
