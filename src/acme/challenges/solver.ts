// What every way of showing control over names promises (RFC 8555 §8).
import type { Trace } from './ledger.ts'

export type ChallengeType = 'http-01' | 'tls-alpn-01' | 'dns-01'

export interface Presentation {
  /** The name, as A-label or address; a wildcard's without its `*.`. */
  readonly name: string
  /** As the CA sent it, of the alphabet of base64url. */
  readonly token: string
  readonly keyAuthorization: string
}

/** Writes down what is about to be put somewhere: on disk when it returns. */
export type Note = (traces: readonly Trace[]) => void

export interface Solver {
  /** The challenge type that it solves. */
  readonly type: ChallengeType
  /** What to look at when a CA could not validate. */
  readonly hint: string
  /** Proves, before the CA is asked for anything, that `present` will be able to do its work. */
  prepare(): void | Promise<void>
  /** Makes all of them visible, each noted first; when it resolves, the CA may come and look. */
  present(presentations: readonly Presentation[], note: Note): void | Promise<void>
  /** Ends what is not on disk: listeners. */
  close?(): Promise<void>
}
