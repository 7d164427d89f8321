// One order from wherever it stands to its certificate, as RFC 8555 §7.4 tells it: authorizations, finalise, certificate.
// What the next run would need to go on is on disk before each step that matters.
import { NixacmeError, type Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import { Nonsense, nonsense } from './answer.ts'
import { type Authorizations, answerChallenges, leave, validationFailure } from './authorize.ts'
import type { Solvers } from './challenges/solvers.ts'
import type { AcmeClient, Download, Reply } from './client.ts'
import type { OrderTerms } from './new-order.ts'
import { clampPoll, pause } from './pace.ts'
import type { OrderRecord } from './pending-order.ts'
import { AcmeProblem, isProblem } from './problem.ts'
import type { Diary } from './request.ts'
import { type Order, type OrderStatus, readOrder } from './types.ts'

/** Seconds until the first poll where the CA names none: most have decided by then. */
const firstPoll = 0.05
/** Seconds: the longest of the waits 1, 2, 3 … between further polls where the CA names none. */
const slowestPoll = 10
/** A certificate can be 404 for a moment after its order became valid (it is copied between data centres). */
const mostDownloads = 6
/** Milliseconds: a CA that has issued and hands nothing out for so long has lost the certificate. */
const longestMissing = 3_600_000
/** Waits from this many seconds on are worth a line. */
const tellingWait = 10

export interface OrderRequest extends OrderTerms {
  readonly solvers: Solvers
  readonly diary: Pick<Diary, 'ordering' | 'notOrdered' | 'answering'>
  /**
   * A certificate request and its key: `keyPem` where an earlier run stored one, else as the config says. Made when the
   * CA has accepted the order, while it validates.
   */
  makeRequest(keyPem: string | undefined): Promise<KeyAndRequest>
  now(): Date
  readonly log: Log
}

export interface KeyAndRequest {
  readonly keyPem: string
  /** PKCS #10, DER. */
  readonly csr: Buffer
}

/** A certificate that is there. */
export interface Made {
  readonly keyPem: string
  readonly certUrl: string
}

export interface IssuedChain extends Download, Made {}

/** An order, and when to look again. */
export type Standing = Pick<Reply<Order>, 'body' | 'retryAfter'>

/** The CA has issued the certificate and does not hand it out yet: `later` (75), and counted as what the CA said. */
export class NotThereYet extends NixacmeError {
  override readonly name = 'NotThereYet'
  readonly #retryAfter: number | undefined

  constructor(about: string, cause: AcmeProblem | Nonsense) {
    const hints = ['the order and its key are kept: the next run downloads the certificate']
    super('later', `the CA has issued the certificate for ${about}, but does not have it ready yet (status 404)`, {
      hints,
      cause,
    })
    this.#retryAfter = cause.refusal?.retryAfter
  }

  override get problem(): string {
    return 'certificateNotReady'
  }

  override get refusal(): Refusal {
    return { retryAfter: this.#retryAfter, links: [], unproven: [] }
  }
}

/** A page in place of a problem is not the CA's own word, and stays for longer than the seconds of one run. */
const isMissing = (e: unknown): e is AcmeProblem | Nonsense =>
  (e instanceof AcmeProblem || e instanceof Nonsense) && e.status === 404

const listed = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')

/** What a refusal of the order refuses. */
export const orderOf = (names: readonly string[]): string => `the order of ${listed(names)}`

export class OrderInProgress {
  readonly #client: AcmeClient
  readonly #record: OrderRecord
  readonly #req: OrderRequest
  readonly #about: string
  #hasPresented = false

  constructor(client: AcmeClient, record: OrderRecord, req: OrderRequest) {
    this.#client = client
    this.#record = record
    this.#req = req
    this.#about = orderOf(req.names)
  }

  /** The order as it stands at the CA. */
  fetch(): Promise<Reply<Order>> {
    return this.#client.post(this.#record.order.orderUrl, { refused: 'the request for the order', read: readOrder })
  }

  /** True when this run has shown the CA something: what it then says of it is about the present. */
  get hasPresented(): boolean {
    return this.#hasPresented
  }

  /** From wherever `reply` says that it stands to the certificate's URL. */
  async complete({ body, retryAfter }: Standing): Promise<Made> {
    const { order, request } =
      body.status === 'pending' ? await this.#authorize(body) : { order: body, request: undefined }
    const isOurs = order === body && (order.status === 'processing' || order.status === 'valid')
    if (!isOurs) return this.#finalize(order, request ?? this.#makeRequest())
    const keyPem = this.#record.order.keyPem ?? (await this.#makeRequest()).keyPem
    return { keyPem, certUrl: await this.#issued({ body: order, retryAfter }) }
  }

  /** From pending to ready; and the certificate request that was made meanwhile. */
  async #authorize({ authorizations: urls }: Order): Promise<{ order: Order; request: Promise<KeyAndRequest> }> {
    const { solvers, diary, names, log } = this.#req
    const authorizations: Authorizations = {
      client: this.#client,
      solvers,
      diary,
      names,
      states: new Map(),
      answered: new Set(),
      presenting: () => {
        this.#hasPresented = true
      },
    }
    let failure: unknown
    try {
      await answerChallenges(authorizations, urls)
      log.progress('waiting for the CA to validate')
      const request = this.#makeRequest()
      const order = await this.#poll(['ready', 'processing', 'valid', 'invalid'], undefined)
      if (order.status === 'invalid') throw (await validationFailure(authorizations)) ?? this.#invalid(order)
      return { order, request }
    } catch (e) {
      failure = e
      throw e
    } finally {
      await leave(authorizations, failure)
    }
  }

  /** Awaited when the order is ready; one that fails before must not end the process as an unhandled rejection. */
  #makeRequest(): Promise<KeyAndRequest> {
    const request = this.#req.makeRequest(this.#record.order.keyPem)
    request.catch(() => undefined)
    return request
  }

  async #finalize({ finalize }: Order, request: Promise<KeyAndRequest>): Promise<Made> {
    const { keyPem, csr } = await request
    const { order } = this.#record
    // From here on the CA may issue at any time: the key has to be there whatever happens.
    if (order.keySource !== 'request' && order.keyPem !== keyPem) this.#record.write({ keyPem })
    this.#req.log.progress('waiting for the certificate')
    const payload = { csr: csr.toString('base64url') }
    const reply = await this.#repeatable(
      this.#client.post(finalize, { payload, refused: this.#about, read: readOrder }),
    )
    return { keyPem, certUrl: await this.#issued(reply) }
  }

  async #issued({ body, retryAfter }: Standing): Promise<string> {
    const done = isDone(body) ? body : await this.#poll(['valid', 'invalid'], retryAfter)
    if (done.status === 'invalid') throw this.#invalid(done)
    if (done.certificate === undefined)
      throw nonsense(this.#record.order.orderUrl, "a valid order without 'certificate'")
    return done.certificate
  }

  /**
   * The chain of the valid order. A CA that does not have it ready is asked again for some seconds, then by the next runs:
   * throws `later` (75) for an hour from the first such answer that an earlier run or this one got, then as it is said.
   */
  async download(url: string): Promise<Download> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#client.downloadChain(url)
      } catch (e) {
        if (!isMissing(e)) throw e
        if (e instanceof Nonsense || tries === mostDownloads) throw this.#missing(e)
        await pause(e.retryAfter === undefined ? tries : clampPoll(e.retryAfter), this.#client.signal)
      }
    }
  }

  #missing(e: AcmeProblem | Nonsense): NixacmeError {
    const now = this.#req.now()
    const since = this.#record.order.missedAt ?? now
    // Without its sign: a clock that was set back must not make the hour longer.
    if (Math.abs(now.getTime() - since.getTime()) >= longestMissing) return e
    if (this.#record.order.missedAt === undefined) this.#record.write({ missedAt: now })
    return new NotThereYet(listed(this.#req.names), e)
  }

  /** A repeated finalise finds an order that its first, unanswered try has moved on: that is no refusal. */
  async #repeatable(finalized: Promise<Reply<Order>>): Promise<Reply<Order>> {
    try {
      return await finalized
    } catch (e) {
      if (!isProblem(e, 'orderNotReady')) throw e
      const now = await this.fetch()
      if (now.body.status === 'processing' || now.body.status === 'valid') return now
      throw e
    }
  }

  /** Asks for the order until it is in one of these states, at the pace that the CA asks for. Bounded by the signal. */
  async #poll(until: readonly OrderStatus[], retryAfter: number | undefined): Promise<Order> {
    let wait = retryAfter === undefined ? firstPoll : clampPoll(retryAfter)
    for (let polls = 1; ; polls++) {
      if (wait >= tellingWait) this.#req.log.waiting(`waiting ${Math.ceil(wait)} s, as the CA asks`)
      await pause(wait, this.#client.signal)
      const reply = await this.fetch()
      if (until.includes(reply.body.status)) return reply.body
      wait = reply.retryAfter === undefined ? Math.min(polls, slowestPoll) : clampPoll(reply.retryAfter)
    }
  }

  #invalid({ error }: Order): NixacmeError {
    if (error) return new AcmeProblem(error, { refused: this.#about })
    return new NixacmeError('refused', `the CA declared ${this.#about} invalid and gave no reason`)
  }
}

const isDone = ({ status }: Order): boolean => status === 'valid' || status === 'invalid'
