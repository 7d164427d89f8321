// One order from beginning to end, as RFC 8555 §7.4 tells it: order, authorizations, finalise, certificate.
import { NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { nonsense } from './answer.ts'
import { type Authorizations, answerChallenges, leave, validationFailure } from './authorize.ts'
import type { Solver } from './challenges/solver.ts'
import type { AcmeClient, Download, Reply } from './client.ts'
import { newOrder, type OrderTerms } from './new-order.ts'
import { clampPoll, pause } from './pace.ts'
import { AcmeProblem, isProblem } from './problem.ts'
import type { Diary } from './request.ts'
import { type Order, type OrderStatus, readOrder } from './types.ts'

/** Seconds until the first poll where the CA names none: most have decided by then. */
const firstPoll = 0.05
/** Seconds: the longest of the waits 1, 2, 3 … between further polls where the CA names none. */
const slowestPoll = 10
/** A certificate can be 404 for a moment after its order became valid (it is copied between data centres). */
const mostDownloads = 6
/** Waits from this many seconds on are worth a line. */
const tellingWait = 10

export interface OrderRequest extends OrderTerms {
  readonly solver: Solver
  readonly diary: Pick<Diary, 'ordering' | 'answering'>
  /** A new key and a certificate request for it: made when the CA has accepted the order, while it validates. */
  makeRequest(): Promise<KeyAndRequest>
  readonly log: Log
}

export interface KeyAndRequest {
  readonly keyPem: string
  /** PKCS #10, DER. */
  readonly csr: Buffer
}

export interface IssuedChain extends Download {
  readonly keyPem: string
  readonly certUrl: string
}

/** Orders a certificate. Throws AcmeProblem when the CA refuses, else as `AcmeClient.post` and the solver do. */
export async function placeOrder(client: AcmeClient, req: OrderRequest): Promise<IssuedChain> {
  req.log.progress('ordering')
  const about = `the order of ${req.names.map((name) => `'${name}'`).join(', ')}`
  const placed = await newOrder(client, req, { about, ...req })
  const order = new OrderInProgress(client, placed.url, about, req)
  let request: Promise<KeyAndRequest> | undefined
  await order.authorize(placed.order, () => {
    request = req.makeRequest()
    // Awaited when the order is ready; one that fails before must not end the process as an unhandled rejection.
    request.catch(() => undefined)
  })
  const { keyPem, csr } = await (request ?? req.makeRequest())
  const certUrl = await order.finalize(placed.order, csr)
  return { keyPem, ...(await download(client, certUrl)), certUrl }
}

class OrderInProgress {
  readonly #client: AcmeClient
  readonly #url: string
  readonly #about: string
  readonly #req: OrderRequest

  constructor(client: AcmeClient, url: string, about: string, req: OrderRequest) {
    this.#client = client
    this.#url = url
    this.#about = about
    this.#req = req
  }

  /** `meanwhile` is called when all challenges are answered and there is nothing to do but wait. */
  async authorize(order: Order, meanwhile: () => void): Promise<void> {
    // Ready at once: all authorizations are valid from an earlier order.
    if (order.status !== 'pending') return
    const { solver, names, diary } = this.#req
    const authorizations: Authorizations = {
      client: this.#client,
      solver,
      diary,
      names,
      states: new Map(),
      answered: new Set(),
    }
    let failure: unknown
    try {
      await answerChallenges(authorizations, order.authorizations)
      this.#req.log.progress('waiting for the CA to validate')
      meanwhile()
      const decided = await this.#poll(['ready', 'processing', 'valid', 'invalid'], undefined)
      if (decided.status === 'invalid') throw (await validationFailure(authorizations)) ?? this.#invalid(decided)
    } catch (e) {
      failure = e
      throw e
    } finally {
      await leave(authorizations, failure)
    }
  }

  /** Returns the certificate's URL. */
  async finalize({ finalize }: Order, csr: Buffer): Promise<string> {
    const payload = { csr: csr.toString('base64url') }
    this.#req.log.progress('waiting for the certificate')
    const reply = await this.#repeatable(
      this.#client.post(finalize, { payload, refused: this.#about, read: readOrder }),
    )
    const done = isDone(reply.body) ? reply.body : await this.#poll(['valid', 'invalid'], reply.retryAfter)
    if (done.status === 'invalid') throw this.#invalid(done)
    if (done.certificate === undefined) throw nonsense(this.#url, "a valid order without 'certificate'")
    return done.certificate
  }

  /** A repeated finalise finds an order that its first, unanswered try has moved on: that is no refusal. */
  async #repeatable(finalized: Promise<Reply<Order>>): Promise<Reply<Order>> {
    try {
      return await finalized
    } catch (e) {
      if (!isProblem(e, 'orderNotReady')) throw e
      const now = await this.#fetch()
      if (now.body.status === 'processing' || now.body.status === 'valid') return now
      throw e
    }
  }

  #fetch(): Promise<Reply<Order>> {
    return this.#client.post(this.#url, { refused: 'the request for the order', read: readOrder })
  }

  /** Asks for the order until it is in one of these states, at the pace that the CA asks for. Bounded by the signal. */
  async #poll(until: readonly OrderStatus[], retryAfter: number | undefined): Promise<Order> {
    let wait = retryAfter === undefined ? firstPoll : clampPoll(retryAfter)
    for (let polls = 1; ; polls++) {
      if (wait >= tellingWait) this.#req.log.waiting(`waiting ${Math.ceil(wait)} s, as the CA asks`)
      await pause(wait, this.#client.signal)
      const reply = await this.#fetch()
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

async function download(client: AcmeClient, url: string): Promise<Download> {
  for (let tries = 1; ; tries++) {
    try {
      return await client.downloadChain(url)
    } catch (e) {
      if (!(e instanceof AcmeProblem) || e.status !== 404 || tries === mostDownloads) throw e
      await pause(e.retryAfter === undefined ? tries : clampPoll(e.retryAfter), client.signal)
    }
  }
}
