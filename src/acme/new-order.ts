// Placing an order (RFC 8555 §7.4): names as typed identifiers, and what is asked for besides. The wishes that a CA may
// refuse without having anything against the certificate are dropped, with a word, and the order is placed once more.
import { isIP } from 'node:net'
import type { Log } from '../log.ts'
import { nonsense } from './answer.ts'
import type { AcmeClient } from './client.ts'
import { AcmeProblem, problemType, problemWords } from './problem.ts'
import type { Diary } from './request.ts'
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
 * Places a new order. Throws AcmeProblem when the CA refuses it without `replaces` and `notAfter`, too, else as
 * `AcmeClient.post`; a refused profile is told, never dropped: another one would be another certificate.
 */
export async function newOrder(client: AcmeClient, terms: OrderTerms, at: Circumstances): Promise<PlacedOrder> {
  const directory = await client.directory()
  let wanted = directory.renewalInfo === undefined ? { ...terms, replaces: undefined } : terms
  for (;;) {
    at.diary.ordering()
    try {
      const reply = await client.post(directory.newOrder, {
        payload: payloadOf(wanted),
        refused: at.about,
        read: readOrder,
        again: () => at.diary.ordering(),
      })
      if (reply.location === undefined) throw nonsense(directory.newOrder, 'an order without a Location')
      return { order: reply.body, url: reply.location }
    } catch (e) {
      if (!(e instanceof AcmeProblem)) throw e
      at.diary.notOrdered()
      const dropped = wishToDrop(e, wanted)
      if (dropped === undefined) throw e
      say(dropped, e, at.log)
      wanted = { ...wanted, [dropped]: undefined }
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
 * 404, malformed; so any refusal may be due to it. Pebble stumbles (500) over a certificate that it does not know any more.
 */
function wishToDrop({ type, status = 0, detail }: AcmeProblem, { replaces, notAfter }: OrderTerms): Wish | undefined {
  const stumbles = status === 500 && /certificate|replac/i.test(detail)
  if (replaces !== undefined && stumbles) return 'replaces'
  if (status < 400 || status >= 500 || status === 429 || otherReasons.includes(type)) return undefined
  const namesDates = /not ?_?(after|before)|validity|lifetime/i.test(detail)
  if (notAfter !== undefined && namesDates) return 'notAfter'
  if (replaces !== undefined) return 'replaces'
  return notAfter !== undefined && type === problemType('malformed') ? 'notAfter' : undefined
}

function say(dropped: Wish, problem: AcmeProblem, log: Log): void {
  const why = problemWords(problem)
  if (dropped === 'replaces')
    log.info(`the CA refused the order as a replacement of the old certificate (${why}), ordering without 'replaces'`)
  else
    log.warning(`the CA refused the order (${why}), ordering without 'notAfter': the CA chooses the lifetime`, [
      "remove 'notAfter' from the config where the CA does not support it",
    ])
}
