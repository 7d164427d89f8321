// What a login gives: made when it is first needed, shared by all that is asked meanwhile, made once more when it has run
// out.
import type { NixacmeError } from '../../errors.ts'

/** The provider does not know the session any more; `refusal` is what is told when a new one does not help. */
export class SessionOver extends Error {
  readonly refusal: NixacmeError

  constructor(refusal: NixacmeError) {
    super(refusal.message, { cause: refusal })
    this.refusal = refusal
  }
}

export class Session<Value> {
  readonly #open: () => Promise<Value>
  #current: Promise<Value> | undefined

  /** `open` logs in; what it throws goes to who asked. */
  constructor(open: () => Promise<Value>) {
    this.#open = open
  }

  /** Does something with the session; when it throws SessionOver, once more with a new one. */
  async use<Result>(action: (session: Value) => Promise<Result>): Promise<Result> {
    const first = this.#opened()
    try {
      return await action(await first)
    } catch (e) {
      if (!(e instanceof SessionOver)) throw e
      if (this.#current === first) this.#current = undefined
    }
    try {
      return await action(await this.#opened())
    } catch (e) {
      throw e instanceof SessionOver ? e.refusal : e
    }
  }

  #opened(): Promise<Value> {
    if (this.#current) return this.#current
    const opening = this.#open()
    this.#current = opening
    // A login that failed is not kept: the next request tries its own.
    opening.catch(() => {
      if (this.#current === opening) this.#current = undefined
    })
    return opening
  }
}
