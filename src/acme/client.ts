// Requests to the CA, and the only door to acme-client: its JWS and HTTP core are used, its retries, polling and errors
// are not. Everything above speaks of orders and challenges; nonces, repetitions, deadlines and nonsense end here.
import { createHash, createPrivateKey } from 'node:crypto'
import library from 'acme-client/package.json' with { type: 'json' }
import axios from 'acme-client/src/axios.js'
import HttpClient from 'acme-client/src/http.js'
import { NixacmeError } from '../errors.ts'
import { isSecure } from '../url.ts'
import { type Answer, assertGood, bodyOf, chainOf, nonsense, problemOf } from './answer.ts'
import { NoncePool } from './nonces.ts'
import { jittered, pause } from './pace.ts'
import { persist } from './persist.ts'
import { problemType } from './problem.ts'
import type { Transport } from './transport.ts'
import { type Directory, type Reader, readDirectory } from './types.ts'
import { Wire } from './wire.ts'

// Its interceptors sleep through Retry-After five times and then lose the reason. Without them axios rejects with the cause.
axios.interceptors.request.clear()
axios.interceptors.response.clear()

export interface ClientOptions {
  readonly directoryUrl: string
  /** Whether URLs of the CA may lead to this machine by plain http. */
  readonly plainHttp: boolean
  readonly transport: Transport
  readonly userAgent: string
  now(): Date
  readonly signal: AbortSignal
  /** Seconds for one request, 30 unless told. */
  readonly requestSeconds?: number
}

export interface Post<T> {
  /** Undefined: a POST-as-GET (RFC 8555 §6.3). */
  readonly payload?: object
  /** What a refusal refuses: `the order of 'example.com'`. */
  readonly refused: string
  readonly read: Reader<T>
  /** As in `Persistence`, where a second one would be another: the payload to repeat it with; undefined, it is not. */
  readonly again?: (answer: Answer | undefined) => object | undefined
}

export interface Tell {
  readonly payload: object
  /** As in `Post`. */
  readonly refused: string
  /** PEM of the key to sign with in place of the account's; the public half goes along (RFC 8555 §6.2). */
  readonly keyPem?: string | undefined
}

/**
 * A JWS by another key than the account's, with that key in it and without a nonce: the inner one of a key change (RFC
 * 8555 §7.3.5). `url` is that of the request which carries it.
 */
export const signedByKey = (keyPem: string, url: string, payload: object): object =>
  new HttpClient('', keyPem).createSignedBody(url, payload, { nonce: null, kid: null })

export interface Reply<T> {
  readonly body: T
  /** The URL of the resource, from the Location header. */
  readonly location: string | undefined
  /** Seconds. */
  readonly retryAfter: number | undefined
}

interface SignedRequest extends Pick<Post<unknown>, 'again'> {
  /** Null: a POST-as-GET. */
  readonly payload: object | null
  readonly headers?: object
  readonly refused: string
  /** Where these are there, they sign in place of the account. */
  readonly http?: HttpClient
  readonly kid?: string | undefined
}

/** An answer that is there for everybody. */
export interface Found<T> extends Omit<Reply<T>, 'location'> {
  readonly nonce: string | undefined
}

/** A certificate chain, and where others for the same certificate are. */
export interface Download {
  /** PEM blocks, leaf first. */
  readonly chain: string[]
  /** URLs that may be asked. */
  readonly alternates: readonly string[]
}

/** A CA has two or three roots; nobody looks at more chains than this. */
const mostAlternates = 10

/** A CA that rejects nine nonces of ten is still got through; one that rejects all of them is left after a few seconds. */
const mostBadNonces = 120
/** From this one on a pause goes before each repetition. */
const quickBadNonces = 20

interface Shared {
  readonly http: HttpClient
  readonly options: ClientOptions
  nonces: NoncePool | undefined
  directory: Directory | undefined
  /** Of the directory's answer: some CAs send one, which saves the question for it. */
  firstNonce: string | undefined
  /** Account URL. */
  kid: string | undefined
  readonly wire: Wire
}

export class AcmeClient {
  readonly #shared: Shared
  readonly signal: AbortSignal

  private constructor(shared: Shared, signal: AbortSignal) {
    this.#shared = shared
    this.signal = signal
  }

  /** Sends nothing yet. Throws `config` (78) when the directory URL is not one that may be asked. */
  static open(options: ClientOptions): AcmeClient {
    if (!isSecure(options.directoryUrl, options.plainHttp)) throw refusedServer(options)
    const http = new HttpClient(options.directoryUrl, '')
    const wire = new Wire({
      ...options,
      request: (...request) => http.request(...request),
      userAgent: `${options.userAgent} ${library.name}/${library.version}`,
      requestSeconds: options.requestSeconds ?? 30,
    })
    const shared = {
      http,
      options,
      wire,
      nonces: undefined,
      directory: undefined,
      firstNonce: undefined,
      kid: undefined,
    }
    return new AcmeClient(shared, options.signal)
  }

  /** The same client under another signal: for the work that comes after an end. */
  under(signal: AbortSignal): AcmeClient {
    return new AcmeClient(this.#shared, signal)
  }

  /** HTTP requests sent so far, all repetitions included. */
  get requests(): number {
    return this.#shared.wire.requests
  }

  /** Host and port of the CA, for words. */
  get host(): string {
    return new URL(this.#shared.options.directoryUrl).host
  }

  /** Signs with this key from now on; without `url` the key itself is sent along, as newAccount wants it. */
  useAccount(keyPem: string, url?: string): void {
    // Read once: OpenSSL needs ten times as long to read a PEM as to sign.
    this.#shared.http.accountKey = createPrivateKey(keyPem)
    this.#shared.http.jwk = null
    this.#shared.kid = url
  }

  /** Of the account that it speaks for, where that is registered. */
  get accountUrl(): string | undefined {
    return this.#shared.kid
  }

  /** The directory (RFC 8555 §7.1.1), asked for once. */
  async directory(): Promise<Directory> {
    if (!this.#shared.directory) {
      const request = { refused: 'the request for its directory', read: readDirectory }
      const { body, nonce } = await this.get(this.#shared.options.directoryUrl, request)
      this.#shared.directory = body
      this.#shared.firstNonce = nonce
    }
    return this.#shared.directory
  }

  /**
   * Has a nonce for the next signed request, asking for one where there is none, or where it is to be `fresh`: what fails
   * after it fails at that request. Throws as `post`.
   */
  async prepare({ fresh = false } = {}): Promise<void> {
    const nonces = await this.#nonces()
    if (nonces.hasFree && !fresh) return
    const { newNonce: url } = await this.directory()
    nonces.add(nonceIn(await persist(this.signal, () => this.#shared.wire.send({ method: 'head', url }, this.signal))))
  }

  /** What is there for everybody, without a signature. Throws as `post`. */
  async get<T>(url: string, { refused, read }: Omit<Post<T>, 'payload'>): Promise<Found<T>> {
    const answer = await persist(this.signal, () => this.#shared.wire.send({ method: 'get', url }, this.signal))
    if (answer.status >= 400) throw problemOf(answer, refused)
    return { body: this.#read(answer, read), retryAfter: answer.retryAfter, nonce: answer.nonce }
  }

  /** The proof that the account's key holder wants this challenge (RFC 8555 §8.1): token and thumbprint (RFC 7638). */
  keyAuthorization(token: string): string {
    const thumbprint = createHash('sha256').update(JSON.stringify(this.#shared.http.getJwk())).digest('base64url')
    return `${token}.${thumbprint}`
  }

  /**
   * A signed request. Throws AcmeProblem for a refusal, `unavailable` (69) when the CA cannot be reached or answers
   * nonsense, the signal's reason when it is aborted.
   */
  async post<T>(url: string, { payload, refused, read, again }: Post<T>): Promise<Reply<T>> {
    const answer = await this.#signed(url, { payload: payload ?? null, refused, ...(again && { again }) })
    return { body: this.#read(answer, read), location: this.#locationOf(answer), retryAfter: answer.retryAfter }
  }

  /** A signed request whose answer is its status alone, as that of revokeCert (RFC 8555 §7.6). Throws as `post`. */
  async tell(url: string, { payload, refused, keyPem }: Tell): Promise<void> {
    const signer = keyPem === undefined ? {} : { http: new HttpClient('', keyPem), kid: undefined }
    assertGood(await this.#signed(url, { payload, refused, ...signer }))
  }

  /** The certificate chain at `url`, and the URLs of alternate ones (RFC 8555 §7.4.2). Throws as `post`. */
  async downloadChain(url: string): Promise<Download> {
    const headers = { Accept: 'application/pem-certificate-chain' }
    const answer = await this.#signed(url, { payload: null, headers, refused: 'the download of the certificate' })
    const alternates = answer.links
      .filter((link) => link.relations.includes('alternate') && link.url !== url)
      .map((link) => link.url)
      .filter((link) => isSecure(link, this.#shared.options.plainHttp))
    return { chain: chainOf(answer), alternates: [...new Set(alternates)].slice(0, mostAlternates) }
  }

  #read<T>(answer: Answer, read: Reader<T>): T {
    return bodyOf(answer, (value) => read(value, this.#shared.options.plainHttp))
  }

  #locationOf({ url, location }: Answer): string | undefined {
    if (location === undefined) return undefined
    const absolute = URL.canParse(location, url) ? new URL(location, url).href : ''
    if (!isSecure(absolute, this.#shared.options.plainHttp)) throw nonsense(url, 'a Location that is no https URL')
    return absolute
  }

  async #signed(url: string, { payload, headers = {}, refused, again, ...signer }: SignedRequest): Promise<Answer> {
    let content = payload
    const repeated = (answer: Answer | undefined): boolean => {
      const next = again ? again(answer) : content
      if (next !== undefined) content = next
      return next !== undefined
    }
    for (let badNonces = 0; ; badNonces++) {
      if (badNonces > quickBadNonces) await pause(jittered(0.02), this.signal)
      const answer = await persist(
        this.signal,
        async () => {
          const nonces = await this.#nonces()
          const nonce = await nonces.take(this.signal)
          let fresh: string | undefined
          try {
            const { http, kid } = { ...this.#shared, ...signer }
            const data = http.createSignedBody(url, content, { nonce, kid: kid ?? null })
            const received = await this.#shared.wire.send({ method: 'post', url, data, headers }, this.signal)
            fresh = received.nonce
            return received
          } finally {
            nonces.give(fresh)
          }
        },
        { again: repeated },
      )
      if (answer.status < 400) return answer
      const problem = problemOf(answer, refused)
      if (problem.type !== problemType('badNonce') || badNonces >= mostBadNonces) throw problem
    }
  }

  async #nonces(): Promise<NoncePool> {
    const { newNonce } = await this.directory()
    this.#shared.nonces ??= new NoncePool(async (signal) => {
      return nonceIn(await this.#shared.wire.send({ method: 'head', url: newNonce }, signal))
    }, this.#shared.firstNonce)
    return this.#shared.nonces
  }
}

function nonceIn(answer: Answer): string {
  if (answer.status >= 400) throw problemOf(answer, 'the request for a nonce')
  assertGood(answer)
  if (answer.nonce === undefined) throw nonsense(answer.url, 'an answer without a nonce')
  return answer.nonce
}

function refusedServer({ directoryUrl, plainHttp }: ClientOptions): NixacmeError {
  const wouldDo = !plainHttp && isSecure(directoryUrl, true)
  const why = wouldDo ? "is plain http, which only the option 'plainHttp' allows" : 'is no https URL that may be asked'
  const hint = wouldDo
    ? "set plainHttp = true if this is a test CA on this machine, or give an https URL in 'server'"
    : 'ACME needs https, without user or password in the URL; plain http is possible for this machine alone'
  return new NixacmeError('config', `server '${withoutCredentials(directoryUrl)}' ${why}`, { hints: [hint] })
}

const withoutCredentials = (url: string): string => url.replace(/\/\/[^/@]*@/, '//')
