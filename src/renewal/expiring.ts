// The one failure that must be heard: a renewal that does not succeed while the certificate runs out.
import { NixacmeError } from '../errors.ts'
import { type Decision, timeLeft } from './decision.ts'

/** The certificate runs out soon, and no new one can be had (status 74); `problem` is that of what went wrong. */
export class ExpiringError extends NixacmeError {
  override readonly name = 'ExpiringError'
  readonly #fault: NixacmeError

  constructor({ notAfter }: Decision, fault: NixacmeError, now: Date) {
    const left = notAfter ? timeLeft(notAfter, now) : 'none left'
    super('expiring', `the certificate runs out soon (${left}): ${fault.message}`, { hints: fault.hints, cause: fault })
    this.#fault = fault
  }

  override get problem(): string {
    return this.#fault.problem
  }
}
