// One request over the wire and what came back of it: bounded in time and in size, no redirection followed. Any status is
// an answer; what it means is for others to say.
import { type Answer, answerOf, largestBody, nonsense } from './answer.ts'
import { isUnknownRoot, unreachable } from './failure.ts'
import type { Route, Transport } from './transport.ts'

interface RawResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly data: unknown
}

export interface WireOptions {
  /** Sends with axios's options; any status resolves. */
  request(url: string, method: string, options: object): Promise<RawResponse>
  readonly transport: Transport
  readonly userAgent: string
  now(): Date
  /** For one request with all that it takes: name, connection, TLS, the answer's last byte. */
  readonly requestSeconds: number
}

export type Method = 'get' | 'head' | 'post'

interface Sending {
  readonly method: Method
  readonly url: string
  readonly data?: object
  readonly headers?: object
  readonly signal: AbortSignal
}

export class Wire {
  readonly #options: WireOptions
  #requests = 0

  constructor(options: WireOptions) {
    this.#options = options
  }

  /** Requests sent so far, all repetitions included. */
  get requests(): number {
    return this.#requests
  }

  /**
   * Throws the signal's reason when it is aborted, `unavailable` (69) when no answer comes in time or it is too large,
   * `config` (78) for an unusable proxy variable.
   */
  async send(sending: Omit<Sending, 'signal'>, signal: AbortSignal): Promise<Answer> {
    const { url } = sending
    const { transport, requestSeconds, now } = this.#options
    const late = AbortSignal.timeout(requestSeconds * 1000)
    signal.throwIfAborted()
    this.#requests++
    const bounded = { ...sending, signal: AbortSignal.any([signal, late]) }
    try {
      return answerOf(url, await this.#trusting(bounded), now())
    } catch (e) {
      signal.throwIfAborted()
      const context = { url, proxy: transport.route(url).proxy, trustNotes: transport.trustNotes }
      if (late.aborted) throw unreachable(new Error(`no answer within ${requestSeconds} s`), context)
      if (e instanceof Error && e.message.startsWith('maxContentLength'))
        throw nonsense(url, `more than ${largestBody / 1024 / 1024} MB`)
      throw unreachable(e, context)
    }
  }

  /** Sends again, once, where only the machine's own store may know the root that stands behind the CA. */
  async #trusting(sending: Sending): Promise<RawResponse> {
    const { transport } = this.#options
    const route = transport.route(sending.url)
    try {
      return await this.#once(sending, route)
    } catch (e) {
      if (!isUnknownRoot(e)) throw e
      transport.trustMachine()
      const wider = transport.route(sending.url)
      if (wider.httpsAgent === route.httpsAgent) throw e
      return this.#once(sending, wider)
    }
  }

  #once({ method, url, data, headers, signal }: Sending, { httpAgent, httpsAgent }: Route): Promise<RawResponse> {
    const { request, transport, userAgent } = this.#options
    return request(url, method, {
      ...(data && { data }),
      headers: {
        'User-Agent': userAgent,
        'Accept-Language': transport.language,
        // Nothing here is worth it, and what is not compressed cannot blow up; the limit holds for the unpacked body too.
        'Accept-Encoding': 'identity',
        ...headers,
      },
      httpAgent,
      httpsAgent,
      proxy: false,
      maxRedirects: 0,
      maxContentLength: largestBody,
      responseType: 'text',
      transformResponse: [(body: unknown) => body],
      signal,
    })
  }
}
