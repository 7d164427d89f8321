// Everything that can go wrong between a client and a CA, by name, so that a test says what happens and not how.
// A fault is data (so that it can also be set from another process) or a hook.
import type { Answer } from './answer.ts'
import type { CertificateFlaw } from './authority.ts'
import { perform } from './perform.ts'
import type { Identifier } from './problem.ts'
import type { RequestKind } from './routes.ts'

export type FaultAction =
  /** An answer of no ACME server, e.g. a proxy's 503: no nonce. `after` the CA did everything, where it is told so. */
  | { do: 'answer'; status: number; headers?: Record<string, string>; body?: string; when?: 'before' | 'after' }
  /** A problem document; `type` is the bare name, e.g. `rateLimited`; `retryAfter` as the header is to read. */
  | {
      do: 'problem'
      type: string
      status?: number
      detail?: string
      retryAfter?: number | string
      subproblems?: readonly { type: string; detail: string; identifier?: Identifier }[]
    }
  /** badNonce, with a fresh nonce in the answer. */
  | { do: 'bad-nonce' }
  /** The connection ends without an answer: before the CA did anything, or after it did everything. */
  | { do: 'drop'; when: 'before' | 'after' }
  /** The connection ends in the middle of the body. */
  | { do: 'cut' }
  /** The right answer, ten bytes of its body in a second. */
  | { do: 'drip' }
  /** No answer, ever. */
  | { do: 'mute' }
  /** The right answer, `ms` milliseconds late. */
  | { do: 'delay'; ms: number }
  /** The right answer's first half, as if that were all. */
  | { do: 'half-json' }
  /** A page for people with status 200. */
  | { do: 'html' }
  /** The right answer under another Content-Type. */
  | { do: 'content-type'; value: string }
  /** The right answer without these headers (names as sent). */
  | { do: 'without-headers'; names: readonly string[] }
  /** The right answer with these top-level members put in (null takes one out). */
  | { do: 'patch'; json: Record<string, unknown> }
  /** The right authorization with this token in each challenge that has one. */
  | { do: 'token'; token: string }
  /** Well-formed JSON of this many bytes. */
  | { do: 'huge'; bytes: number }
  /** Blanks that were compressed: this many bytes are a thousandth of that on the wire. */
  | { do: 'gzip-bomb'; bytes: number }
  /** 307 to the same URL, again and again. */
  | { do: 'redirect' }
  /** Another certificate than the right one; for the kind `certificate` only. */
  | { do: 'certificate'; flaw: CertificateFlaw }

/**
 * When it happens: after `skip` requests that go well, then `times` times, of these the share `ratio` (evenly spread).
 * Where `having` is given, only requests whose payload has this member are concerned, and counted.
 */
export interface FaultTiming {
  skip?: number
  times?: number
  ratio?: number
  having?: string
}

export type Fault = FaultAction & FaultTiming

/** What a fault or hook sees; `next` lets the CA do its work and gives the right answer. */
export interface Exchange {
  readonly method: string
  readonly kind: RequestKind
  readonly url: string
  readonly kid?: string
  readonly payload?: unknown
  readonly next: () => Promise<Answer>
  /** The download of this request with a flaw. */
  readonly flawed: (flaw: CertificateFlaw) => Promise<Answer>
}

const names: Readonly<Record<FaultAction['do'], true>> = {
  answer: true,
  problem: true,
  'bad-nonce': true,
  drop: true,
  cut: true,
  drip: true,
  mute: true,
  delay: true,
  'half-json': true,
  html: true,
  'content-type': true,
  'without-headers': true,
  patch: true,
  token: true,
  huge: true,
  'gzip-bomb': true,
  redirect: true,
  certificate: true,
}

/** All values of `do`, so that a test can go through them and a wrong name is found at once. */
export const faultNames: readonly string[] = Object.keys(names)

export type Hook = (exchange: Exchange) => Answer | Promise<Answer>

export class Faults {
  #entries: { kind: RequestKind | '*'; hook: Hook; fires: (exchange: Exchange) => boolean }[] = []

  /** Returns what takes it away again. Of several faults for one request the first that is due happens. Throws TypeError. */
  add(kind: RequestKind | '*', fault: Fault | Hook): () => void {
    if (typeof fault !== 'function' && !faultNames.includes(fault.do)) throw new TypeError(`no fault '${fault.do}'`)
    const entry =
      typeof fault === 'function'
        ? { kind, hook: fault, fires: () => true }
        : { kind, hook: (exchange: Exchange) => perform(fault, exchange), fires: timed(fault) }
    this.#entries.push(entry)
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry)
    }
  }

  clear(): void {
    this.#entries = []
  }

  async run(exchange: Exchange): Promise<Answer> {
    const due = this.#entries.find(({ kind, fires }) => (kind === '*' || kind === exchange.kind) && fires(exchange))
    return due === undefined ? exchange.next() : due.hook(exchange)
  }
}

function timed({ skip = 0, times = Number.POSITIVE_INFINITY, ratio = 1, having }: FaultTiming) {
  let left = times
  let seen = 0
  return ({ payload }: Exchange): boolean => {
    if (having !== undefined && !Object.keys(payload ?? {}).includes(having)) return false
    seen++
    const n = seen - skip
    // Evenly spread without chance: of n requests floor(n * ratio) are hit.
    if (n <= 0 || left <= 0 || Math.floor(n * ratio) === Math.floor((n - 1) * ratio)) return false
    left--
    return true
  }
}
