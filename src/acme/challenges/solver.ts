// What every way of showing control over a name promises (RFC 8555 §8).

export interface Presentation {
  /** The name, as A-label. */
  readonly name: string
  /** As the CA sent it: not yet checked. */
  readonly token: string
  readonly keyAuthorization: string
}

export interface Solver {
  /** The challenge type that it solves. */
  readonly type: 'http-01'
  /** Proves, before the CA is asked for anything, that `present` will be able to do its work. */
  prepare(): void
  /** Makes one answer visible; when it returns, the CA may come and look. */
  present(presentation: Presentation): void
  /** Tokens that a run presented which was killed: `cleanUp` takes these away, too. */
  inherit(tokens: readonly string[]): void
  /** Takes away all that was presented, after a failed `present` too. Never throws; what cannot be removed is warned about. */
  cleanUp(): void
  /** What to look at when a CA could not validate. */
  readonly hint: string
}
