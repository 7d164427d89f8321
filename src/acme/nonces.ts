// The pool of anti-replay nonces (RFC 8555 §6.5). Every answer brings one, so a nonce is passed on rather than fetched:
// only when many requests wait for few nonces does one more HEAD pay for itself, as a further lane for them all.
import { ownSignal } from '../wait.ts'

/** The most requests that are under way at once, whatever their number: a CA's front end counts connections. */
const mostLanes = 8
/** So many requests wait for one nonce in circulation before another is fetched; a HEAD costs as much as a request. */
const queuePerLane = 2

type Waiter = (nonce: string | undefined) => void

export class NoncePool {
  #free: string[] = []
  #waiting: Waiter[] = []
  #lanes = 0
  readonly #fetch: (signal: AbortSignal) => Promise<string>

  /** `fetch` gets a nonce from the CA's newNonce; `first` is one that came with another answer. */
  constructor(fetch: (signal: AbortSignal) => Promise<string>, first?: string) {
    this.#fetch = fetch
    if (first !== undefined) this.#free.push(first)
  }

  /** Whether one is there that nobody needs. */
  get hasFree(): boolean {
    return this.#free.length > 0
  }

  /** One more, which came with no request of the pool. */
  add(nonce: string): void {
    this.#free.push(nonce)
  }

  /** A nonce for one request, whose end must be told with `give`. Throws the signal's reason, or what `fetch` throws. */
  async take(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    const free = this.#free.pop()
    if (free !== undefined) {
      this.#lanes++
      return free
    }
    const busy = this.#lanes >= mostLanes || this.#waiting.length + 1 <= queuePerLane * this.#lanes
    const passed = busy ? await this.#wait(signal) : undefined
    if (passed !== undefined) return passed
    this.#lanes++
    try {
      return await this.#fetch(signal)
    } catch (e) {
      this.give(undefined)
      throw e
    }
  }

  /** A request ended, with the nonce of its answer, or without one. */
  give(nonce: string | undefined): void {
    const next = this.#waiting.shift()
    // Without a nonce the lane is gone, and who waited for it fetches one for itself.
    if (!next || nonce === undefined) this.#lanes--
    if (next) next(nonce)
    else if (nonce !== undefined) this.#free.push(nonce)
  }

  #wait(whole: AbortSignal): Promise<string | undefined> {
    const signal = ownSignal(whole)
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting = this.#waiting.filter((w) => w !== waiter)
        reject(signal.reason)
      }
      const waiter: Waiter = (nonce) => {
        signal.removeEventListener('abort', stop)
        resolve(nonce)
      }
      this.#waiting.push(waiter)
      signal.addEventListener('abort', stop, { once: true })
    })
  }
}
