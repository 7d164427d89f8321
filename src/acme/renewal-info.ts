// Asks a CA when it wants certificates to be renewed (RFC 9773): plain GETs, for which no key is needed or read.
import { messageOf, NixacmeError } from '../errors.ts'
import { AcmeClient, type ClientOptions } from './client.ts'
import { isTransient, UnreachableError } from './failure.ts'
import { bound } from './pace.ts'
import { AcmeProblem } from './problem.ts'
import type { RootSources } from './roots.ts'
import { openTransport, type Transport } from './transport.ts'
import { type RenewalInfo, readRenewalInfo } from './types.ts'

/** What came of one question. */
export type RenewalReply =
  | {
      readonly kind: 'suggested'
      readonly suggestion: RenewalInfo & {
        /** Seconds, by Retry-After; undefined where there is none. */
        readonly retryAfter: number | undefined
      }
    }
  /** The CA has no renewal information, as its directory says. */
  | { readonly kind: 'unsupported' }
  | RenewalFailure

export interface RenewalFailure {
  readonly kind: 'failed'
  readonly error: NixacmeError
  /** It may pass soon: a time-out, a cut connection, a fault of the CA (RFC 9773 §4.3.3). */
  readonly isTemporary: boolean
  /** Seconds that the CA asks to wait. */
  readonly retryAfter: number | undefined
  /** It has nothing to do with the certificate: others need not be asked for. */
  readonly isOfCa: boolean
}

/** Seconds for one answer, repetitions included: there will be another time to ask. */
const patience = 20

/** Within a bound of time. Whatever goes wrong is a reply; only the end of the client's own signal throws, its reason. */
async function attempt<T>(client: AcmeClient, work: (client: AcmeClient) => Promise<T>): Promise<T | RenewalFailure> {
  const limit = bound(client.signal, patience, `the request for renewal information at '${client.host}'`)
  try {
    return await work(client.under(limit.signal))
  } catch (e) {
    client.signal.throwIfAborted()
    return failureOf(e, limit.signal.aborted)
  } finally {
    limit.end()
  }
}

/** Asks for one certificate, by its identifier of RFC 9773 §4.1, for 20 seconds. Throws only the signal's reason. */
export const askFor = (client: AcmeClient, certificate: string): Promise<RenewalReply> =>
  attempt<RenewalReply>(client, async (bounded) => {
    const { renewalInfo } = await bounded.directory()
    if (renewalInfo === undefined) return { kind: 'unsupported' }
    const { body, retryAfter } = await bounded.get(`${renewalInfo.replace(/\/+$/, '')}/${certificate}`, {
      refused: `the request for the renewal information of certificate '${certificate}'`,
      read: readRenewalInfo,
    })
    return { kind: 'suggested', suggestion: { ...body, retryAfter } }
  })

function failureOf(e: unknown, isLate: boolean): RenewalFailure {
  const error = e instanceof NixacmeError ? e : new NixacmeError('bug', messageOf(e), { cause: e })
  const problem = error instanceof AcmeProblem ? error : undefined
  const isFault = isLate || (problem?.status ?? 0) >= 500
  return {
    kind: 'failed',
    error,
    isTemporary: isFault || (error instanceof UnreachableError && isTransient(error.cause)),
    retryAfter: problem?.retryAfter,
    isOfCa: isFault || error instanceof UnreachableError || error.kind === 'later',
  }
}

/** Where and how to ask for several certificates of one CA. */
export interface Inquiry extends Omit<ClientOptions, 'transport'>, RootSources {
  readonly certificates: readonly string[]
  /** How many requests at a time. */
  readonly lanes: number
  /** Told each reply as it comes; the next request of the lane waits for it. */
  onReply(certificate: string, reply: RenewalReply): Promise<void>
}

/**
 * Asks for all of them, the directory once. After a failure that is the CA's the others get it too, unasked. Throws the
 * signal's reason when it is aborted, and what `onReply` throws.
 */
export async function askForAll(inquiry: Inquiry): Promise<void> {
  const opened = open(inquiry)
  if ('kind' in opened) return tellAll(inquiry, opened)
  try {
    const first = await attempt(opened.client, async (client) => {
      await client.directory()
      return undefined
    })
    if (first) await tellAll(inquiry, { ...first, isOfCa: true })
    else await askEach(opened.client, inquiry)
  } finally {
    opened.transport.close()
  }
}

function open(inquiry: Inquiry): { client: AcmeClient; transport: Transport } | RenewalFailure {
  let transport: Transport | undefined
  try {
    transport = openTransport(inquiry)
    return { client: AcmeClient.open({ ...inquiry, transport }), transport }
  } catch (e) {
    transport?.close()
    return { ...failureOf(e, false), isOfCa: true }
  }
}

async function tellAll({ certificates, onReply }: Inquiry, reply: RenewalReply): Promise<void> {
  for (const certificate of certificates) await onReply(certificate, reply)
}

async function askEach(client: AcmeClient, { certificates, lanes, onReply }: Inquiry): Promise<void> {
  let failed: RenewalFailure | undefined
  const left = certificates.values()
  const lane = async () => {
    for (const certificate of left) {
      const reply = failed ?? (await askFor(client, certificate))
      if (reply.kind === 'failed' && reply.isOfCa) failed = reply
      await onReply(certificate, reply)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
