// Replay nonces (RFC 8555 section 6.5): each is good once.
import { randomBytes } from 'node:crypto'

export class Nonces {
  readonly #good = new Set<string>()

  fresh(): string {
    const nonce = randomBytes(16).toString('base64url')
    this.#good.add(nonce)
    return nonce
  }

  /** True when the CA gave `nonce` out and nobody used it before. */
  spend(nonce: string | undefined): boolean {
    return nonce !== undefined && this.#good.delete(nonce)
  }
}
