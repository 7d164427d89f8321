// Placing an order (RFC 8555 §7.4): names as typed identifiers, and what is asked for besides. The wishes that a CA may
// refuse without having anything against the certificate are dropped, with a word, and the order is placed once more.
import { isIP } from 'node:net'
import { NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Answer, Nonsense, nonsense, problemOf } from './answer.ts'
import type { AcmeClient } from './client.ts'
import { AcmeProblem, problemType, problemWords } from './problem.ts'
import type { Diary } from './request.ts'
import type { Lost } from './resume.ts'
import { type Order, readOrder } from './types.ts'

export interface OrderTerms {
  /** A-labels and IP addresses, in the order of the certificate. */
  readonly names: readonly string[]
  /** One that the CA offers; undefined: whatever the CA gives. */
  readonly profile: string | undefined
  /** When the certificate is to end; undefined: as the CA likes. */
  readonly notAfter: Date | undefined
  /** The certificate that this one takes the place of (RFC 9773 §4.1); sent where the CA has renewal information (§5). */
  readonly replaces: string | undefined
}

interface Circumstances {
  /** What a refusal refuses: `the order of 'example.com'`. */
  readonly about: string
  /** It is in place of an earlier run's, which the CA has lost: what it answered. */
  readonly lost: Lost | undefined
  readonly diary: Pick<Diary, 'ordering' | 'notOrdered'>
  readonly log: Log
}

/** What can be ordered without. */
type Wish = 'replaces' | 'notAfter'

export interface PlacedOrder {
  readonly order: Order
  readonly url: string
}

/**
 * Places a new order. What got no answer, or one of 500 and more, may have been placed behind a front end: it counts, and is
 * left to the next run, but for one order without `replaces`, over which CAs stumble. Throws AcmeProblem when the CA refuses
 * it without `replaces` and `notAfter`, too, else as `AcmeClient.post`; a refused profile is told, never dropped: another
 * one would be another certificate.
 */
export async function newOrder(client: AcmeClient, terms: OrderTerms, at: Circumstances): Promise<PlacedOrder> {
  const { newOrder: url, renewalInfo } = await client.directory()
  // Without a nonce nothing gets as far as an order.
  await client.prepare()
  count(at)
  const attempt = new Attempt(renewalInfo === undefined ? { ...terms, replaces: undefined } : terms, at)
  for (;;) {
    try {
      const reply = await client.post(url, {
        payload: attempt.payload,
        refused: at.about,
        read: readOrder,
        again: (answer) => attempt.repeated(answer),
      })
      if (reply.location === undefined) throw nonsense(url, 'an order without a Location')
      return { order: reply.body, url: reply.location }
    } catch (e) {
      if (!isNotPlaced(e)) throw e
      at.diary.notOrdered()
      if (!attempt.drop(e)) throw e
    }
  }
}

function count({ diary, lost }: Circumstances): void {
  try {
    diary.ordering(lost && 'again')
  } catch (e) {
    // Where no new order may be placed, what the CA does to the earlier one is what is to be told.
    throw lost && isLater(e) ? lost.failure : e
  }
}

const isLater = (e: unknown): boolean => e instanceof NixacmeError && e.kind === 'later'

/** Nobody has looked at the request (RFC 9110 §15.6.4): it may be repeated. */
const unavailable = 503

/**
 * What was not placed for certain: whatever the body says, what the CA or who stands before it refused by its status; and
 * what the CA itself says that it failed at.
 */
function isNotPlaced(e: unknown): e is AcmeProblem | Nonsense {
  if (!(e instanceof AcmeProblem || e instanceof Nonsense)) return false
  const { status = 0 } = e
  const isOwnWord = e instanceof AcmeProblem && status === 500 && e.type !== 'about:blank'
  return (status >= 400 && status < 500) || status === unavailable || isOwnWord
}

/** What is still asked for, while one order is tried to be placed. */
class Attempt {
  readonly #at: Circumstances
  #terms: OrderTerms

  constructor(terms: OrderTerms, at: Circumstances) {
    this.#terms = terms
    this.#at = at
  }

  get payload(): object {
    return payloadOf(this.#terms)
  }

  /**
   * The payload for a repetition, undefined where it may not be. `answer`: what the CA failed with; CAs stumble over
   * `replaces`, as Pebble over a certificate that it does not know any more.
   */
  repeated(answer: Answer | undefined): object | undefined {
    if (answer?.status === unavailable) return this.payload
    if (!answer || this.#terms.replaces === undefined) return undefined
    const problem = problemOf(answer, this.#at.about)
    if (isNotPlaced(problem)) this.#at.diary.notOrdered()
    if (!this.#mayOrderAgain()) return undefined
    this.#without('replaces', problem)
    return this.payload
  }

  /** True where the refused order can be placed without something. */
  drop(refusal: AcmeProblem | Nonsense): boolean {
    const wish = (refusal.status ?? 0) < 500 ? wishToDrop(refusal, this.#terms) : undefined
    if (wish === undefined || !this.#mayOrderAgain()) return false
    this.#without(wish, refusal)
    return true
  }

  #without(wish: Wish, why: AcmeProblem | Nonsense): void {
    say(wish, why, this.#at.log)
    this.#terms = { ...this.#terms, [wish]: undefined }
  }

  /** Where it may not be, what went wrong before is what is to be told. */
  #mayOrderAgain(): boolean {
    try {
      this.#at.diary.ordering('again')
      return true
    } catch (e) {
      if (isLater(e)) return false
      throw e
    }
  }
}

/** RFC 8738 §3: an IP address as text, in the one form that RFC 5952 has. */
const identifierOf = (value: string) => ({ type: isIP(value) ? 'ip' : 'dns', value })

/** RFC 3339, whole seconds. */
const instant = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`

const payloadOf = ({ names, profile, notAfter, replaces }: OrderTerms): object => ({
  identifiers: names.map(identifierOf),
  ...(profile === undefined ? {} : { profile }),
  ...(notAfter === undefined ? {} : { notAfter: instant(notAfter) }),
  ...(replaces === undefined ? {} : { replaces }),
})

/** Refusals that are about something else for certain. */
const otherReasons = ['rateLimited', 'badNonce', 'accountDoesNotExist'].map(problemType)

/**
 * The wish that may be why the CA refused. CAs refuse `replaces` in many ways besides alreadyReplaced (RFC 9773 §5): 403,
 * 404, malformed, a page; so any refusal may be due to it.
 */
function wishToDrop(refusal: AcmeProblem | Nonsense, { replaces, notAfter }: OrderTerms): Wish | undefined {
  if (refusal instanceof Nonsense) return replaces === undefined ? undefined : 'replaces'
  const { type, status, detail } = refusal
  if (status === 429 || otherReasons.includes(type)) return undefined
  const namesDates = /not ?_?(after|before)|validity|lifetime/i.test(detail)
  if (notAfter !== undefined && namesDates) return 'notAfter'
  if (replaces !== undefined) return 'replaces'
  return notAfter !== undefined && type === problemType('malformed') ? 'notAfter' : undefined
}

function say(dropped: Wish, e: AcmeProblem | Nonsense, log: Log): void {
  const why = e instanceof AcmeProblem ? problemWords(e) : `status ${e.status}`
  const verb = (e.status ?? 0) < 500 ? 'refused' : 'failed at'
  if (dropped === 'replaces')
    log.info(`the CA ${verb} the order as a replacement of the old certificate (${why}), ordering without 'replaces'`)
  else
    log.warning(`the CA refused the order (${why}), ordering without 'notAfter': the CA chooses the lifetime`, [
      "remove 'notAfter' from the config where the CA does not support it",
    ])
}
