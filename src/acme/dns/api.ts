// HTTPS requests to DNS providers: bounded in time and size, repeated where that may help, and told in words that hold no
// credential. By node:https, since fetch needs WebAssembly, which units do without (`--jitless`).
import * as http from 'node:http'
import * as https from 'node:https'
import { messageOf, NixacmeError } from '../../errors.ts'
import { isLoopback } from '../../url.ts'
import { isTransient, isUnknownRoot, unreachable } from '../failure.ts'
import { jittered, pause, retryAfterSeconds } from '../pace.ts'
import type { Transport } from '../transport.ts'

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as application/x-www-form-urlencoded. */
  readonly form?: Readonly<Record<string, string>>
  /** Sent as it is; its type is the caller's to name. */
  readonly text?: string
  /** Statuses from 400 on that are answers, too. */
  readonly expected?: readonly number[]
  /** Plain http is fine: the operator has written the URL, and was warned (endpoint.ts); or it stays within a cloud's host. */
  readonly mayBePlain?: boolean
  /** A second time does no harm, though the method says otherwise: an interface that reads by POST. */
  readonly repeatable?: boolean
  /**
   * Is this answer 'too often', where a provider says so by other means than status 429 and Retry-After? Then it is asked
   * again; a number is the seconds that it tells.
   */
  readonly tooOften?: (answer: ApiAnswer) => boolean | number
  /** Seconds to wait for it, where what is asked stands near by. */
  readonly seconds?: number
}

export interface ApiAnswer {
  readonly status: number
  /** In lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  /** The body as JSON. Throws `unavailable` (69) when it is none. */
  json(): unknown
}

export interface ApiOptions {
  /** For sentences: `Hetzner`. */
  readonly title: string
  readonly transport: Transport
  readonly userAgent: string
  now(): Date
  readonly signal: AbortSignal
  /** All that must not be told: values of variables, and what was made of them. */
  readonly secrets: () => readonly string[]
}

/** Bytes: a page of records has some hundred kB at most. */
const largestBody = 8 * 1024 * 1024
/** Seconds for one request. */
const requestSeconds = 30
const mostRepetitions = 3
/** Seconds before the first repetition, doubled for each further one; and the longest that a provider is waited for. */
const firstPause = 1
const longestWait = 60
/** Characters of what a provider says, in a message. */
const longestText = 300

/** The provider refuses: `refused` (76). */
export class ApiRefusal extends NixacmeError {
  readonly status: number
  readonly text: string

  constructor(message: string, { status, text, hints }: { status: number; text: string; hints: readonly string[] }) {
    super('refused', message, { hints })
    this.status = status
    this.text = text
  }
}

export class Api {
  readonly #options: ApiOptions
  readonly #derived: string[] = []

  constructor(options: ApiOptions) {
    this.#options = options
  }

  /** Keeps a text that was made of credentials (a token of a session, a Basic header) out of messages. */
  hide(secret: string): string {
    this.#derived.push(secret)
    return secret
  }

  /** The same request with credentials in the way of RFC 7617. */
  basic(user: string, password: string): Readonly<Record<string, string>> {
    return { Authorization: `Basic ${this.hide(Buffer.from(`${user}:${password}`).toString('base64'))}` }
  }

  /**
   * Sends a request. What may pass (429, 5xx, a cut connection; only of requests that may be sent twice) is tried again a
   * few times. Throws ApiRefusal (76) for a status from 400 on that is not expected, `unavailable` (69) when there is no
   * answer, `config` (78) for a URL that may not be asked, and the signal's reason when it is aborted.
   */
  async send(request: ApiRequest): Promise<ApiAnswer> {
    const { signal, now } = this.#options
    const url = this.#checked(request)
    for (let repetition = 1; ; repetition++) {
      let wait = jittered(firstPause * 2 ** (repetition - 1))
      try {
        const answer = await this.#once(url, request)
        const told = request.tooOften?.(answer) ?? false
        const asked = typeof told === 'number' ? told : (retryAfterSeconds(answer.headers['retry-after'], now()) ?? 0)
        const mayPass = told !== false || answer.status === 429 || (answer.status >= 500 && isRepeatable(request))
        if (!mayPass || repetition > mostRepetitions || asked > longestWait) return this.#judged(request, answer)
        wait = Math.max(wait, asked)
      } catch (e) {
        signal.throwIfAborted()
        if (e instanceof NixacmeError || !isTransient(e) || !isRepeatable(request) || repetition > mostRepetitions)
          throw this.#worded(url, e)
      }
      await pause(wait, signal)
    }
  }

  /** `unavailable` (69): an answer that is not what the documentation says. `found` is a clause. */
  nonsense(found: string): NixacmeError {
    const { title } = this.#options
    return new NixacmeError('unavailable', `${title} answers nonsense: ${this.#redacted(found)}`)
  }

  /** `refused` (76): what the provider says in an answer whose status is good. `what` is a clause. */
  refusal(what: string, hints: readonly string[] = []): NixacmeError {
    const { title } = this.#options
    return new NixacmeError('refused', this.#redacted(`${title} refused ${what}`), { hints })
  }

  #checked({ url: text, mayBePlain = false }: ApiRequest): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isFine = url?.protocol === 'https:' || (url?.protocol === 'http:' && (mayBePlain || isLoopback(url.hostname)))
    if (url && isFine) return url
    const found = this.#redacted(text).slice(0, 200)
    throw new NixacmeError('config', `'${found}' is no URL that credentials may be sent to`, {
      hints: ['write an https URL; plain http is for this machine itself only'],
    })
  }

  async #once(url: URL, request: ApiRequest): Promise<ApiAnswer> {
    const { transport } = this.#options
    const route = transport.route(url.href)
    try {
      return await this.#exchange(url, request)
    } catch (e) {
      if (!isUnknownRoot(e)) throw e
      transport.trustMachine()
      if (transport.route(url.href).httpsAgent === route.httpsAgent) throw e
      return this.#exchange(url, request)
    }
  }

  #exchange(url: URL, { method, headers, seconds = requestSeconds, ...rest }: ApiRequest): Promise<ApiAnswer> {
    const { signal, transport, userAgent } = this.#options
    const { httpAgent, httpsAgent } = transport.route(url.href)
    const { body, type } = bodyOf(rest)
    const late = AbortSignal.timeout(seconds * 1000)
    const options = {
      method,
      agent: url.protocol === 'https:' ? httpsAgent : httpAgent,
      signal: AbortSignal.any([signal, late]),
      headers: {
        'User-Agent': userAgent,
        Accept: 'application/json',
        'Accept-Encoding': 'identity',
        ...(type && { 'Content-Type': type }),
        ...(body !== undefined && { 'Content-Length': String(Buffer.byteLength(body)) }),
        ...headers,
      },
    }
    return new Promise((resolve, reject) => {
      const fail = (e: unknown) => reject(late.aborted ? new Error(`no answer within ${seconds} s`) : e)
      const sent = (url.protocol === 'https:' ? https : http).request(url, options, (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('error', fail)
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > largestBody) sent.destroy(this.nonsense(`more than ${largestBody / 1024 / 1024} MB`))
          else chunks.push(chunk)
        })
        response.on('end', () => resolve(this.#answerOf(response, Buffer.concat(chunks).toString())))
      })
      sent.on('error', fail)
      sent.end(body)
    })
  }

  #answerOf({ statusCode = 0, headers }: http.IncomingMessage, text: string): ApiAnswer {
    const entries = Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ])
    return {
      status: statusCode,
      headers: Object.fromEntries(entries),
      text,
      json: () => {
        try {
          return JSON.parse(text)
        } catch {
          throw this.nonsense(`expected JSON, found ${text === '' ? 'nothing' : `'${text.slice(0, 60)}'`}`)
        }
      },
    }
  }

  #judged({ method, url, expected = [] }: ApiRequest, answer: ApiAnswer): ApiAnswer {
    const { status, text } = answer
    if (status < 300 || expected.includes(status)) return answer
    const { title } = this.#options
    const where = this.#redacted(`${method} ${url.split('?', 1)[0]}`)
    const said = this.#redacted(text.replaceAll(/\s+/g, ' ').trim()).slice(0, longestText)
    if (status < 400) throw this.nonsense(`status ${status} to '${where}', a redirection, which is not followed`)
    const words = `${title} answered '${where}' with status ${status}${said === '' ? '' : `: ${said}`}`
    if (status === 429 || status >= 500) throw new NixacmeError('unavailable', words)
    const isDenied = status === 401 || status === 403
    throw new ApiRefusal(words, {
      status,
      text,
      hints: isDenied ? [`check the credentials: 'nixacme dns show' tells which variables ${title} needs`] : [],
    })
  }

  #worded(url: URL, e: unknown): NixacmeError {
    if (e instanceof NixacmeError) return e
    const { transport, title } = this.#options
    const { trustNotes } = transport
    return unreachable(e, { url: url.origin, proxy: transport.route(url.href).proxy, trustNotes, whom: title })
  }

  #redacted(text: string): string {
    return withoutSecrets(text, [...this.#options.secrets(), ...this.#derived])
  }
}

/** A text that may be told: these are left out of it, as they are, and as they stand in a URL and in JSON. */
export function withoutSecrets(text: string, all: readonly string[]): string {
  const secrets = all.filter((secret) => secret.length >= 4)
  const inJson = secrets.map((secret) => JSON.stringify(secret).slice(1, -1))
  return [...secrets, ...secrets.map(encodeURIComponent), ...inJson]
    .sort((a, b) => b.length - a.length)
    .reduce((clean, secret) => clean.replaceAll(secret, '…'), text)
}

/** What a second time does no harm: reading, and what names the whole outcome. */
const isRepeatable = ({ method, repeatable = method !== 'POST' && method !== 'PATCH' }: ApiRequest): boolean =>
  repeatable

function bodyOf({ json, form, text }: Omit<ApiRequest, 'method' | 'headers'>): { body?: string; type?: string } {
  if (json !== undefined) return { body: JSON.stringify(json), type: 'application/json' }
  if (form !== undefined)
    return { body: new URLSearchParams(form).toString(), type: 'application/x-www-form-urlencoded' }
  return text === undefined ? {} : { body: text }
}

/** Text of a JSON answer for a message, whatever it is. */
export const wordsOf = (value: unknown): string =>
  (typeof value === 'string' ? value : JSON.stringify(value) || messageOf(value)).slice(0, longestText)
