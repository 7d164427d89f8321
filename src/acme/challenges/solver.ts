// What every way of showing control over names promises (RFC 8555 §8).
import type { Trace } from './ledger.ts'

export type ChallengeType = 'http-01' | 'tls-alpn-01' | 'dns-01' | 'dns-account-01' | 'dns-persist-01'

export interface Presentation {
  /** The name, as A-label or address; a wildcard's without its `*.`. */
  readonly name: string
  /** As the CA sent it, of the alphabet of base64url. */
  readonly token: string
  readonly keyAuthorization: string
  /** Of the account that orders; undefined in a trial before there is one. */
  readonly accountUrl: string | undefined
}

/** Writes down what is about to be put somewhere: on disk when it returns. */
export type Note = (traces: readonly Trace[]) => void

interface Way {
  /** The challenge type that it solves. */
  readonly type: ChallengeType
  /** What to look at when a CA could not validate. */
  readonly hint: string
}

/** Shows something for the time of an order. */
export interface Solver extends Way {
  readonly type: Exclude<ChallengeType, 'dns-persist-01'>
  /** Proves, before the CA is asked for anything, that `present` will be able to do its work. */
  prepare(): void | Promise<void>
  /** Makes all of them visible, each noted first; when it resolves, the CA may come and look. */
  present(presentations: readonly Presentation[], note: Note): void | Promise<void>
  /** Ends what is not on disk: listeners. */
  close?(): Promise<void>
}

/** What the CA looks for is there for good: nothing is shown, and the challenge has no token. */
export interface StandingProof extends Way {
  readonly type: 'dns-persist-01'
  /** The CA's domain name in what stands there. */
  readonly issuer: string
  /** Looks whether it lets this account prove these names. Throws `config` (78) where it does not: nothing was ordered. */
  verify(names: readonly string[], accountUrl: string): Promise<void>
}
