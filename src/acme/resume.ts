// An order that an earlier run left, because it was killed, stopped, out of time, or the CA was away: it is gone on with
// wherever it stands, rather than paid for twice (RFC 8555 §7.1.6 says which way is left in each state).
import { messageOf, NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { isoMinute } from '../time.ts'
import { Nonsense } from './answer.ts'
import type { AcmeClient } from './client.ts'
import { UnreachableError } from './failure.ts'
import { type IssuedChain, type Made, OrderInProgress, type OrderRequest, type Standing } from './order.ts'
import {
  type OrderFile,
  type OrderIdentity,
  OrderRecord,
  type PendingOrder,
  readPendingOrder,
  removePendingOrder,
} from './pending-order.ts'
import { AcmeProblem, isProblem } from './problem.ts'
import type { KeySource, PresentCertificate } from './request.ts'

const hour = 3_600_000
/** Milliseconds: an older order is not asked for, whatever the CA says of its life: the next renewal has its own. */
const oldest = 7 * 24 * hour
/** Milliseconds: a CA that has not decided for so long has forgotten the order. */
const longestUndecided = 24 * hour
/** Milliseconds: a CA that is there, and has failed at an order or talked nonsense of it for so long, will not stop. */
const longestFailing = hour

export interface Wanted extends OrderRequest {
  readonly identity: OrderIdentity
  readonly file: OrderFile
  /** Whether the order's URL may lead to this machine by plain http. */
  readonly plainHttp: boolean
  readonly keySource: KeySource
  readonly present: PresentCertificate | undefined
  /** Throws `data` (65) for a key that must not be used any more. */
  refuseKey(keyPem: string): void
  /** After a refusal: whether the account has another key since, and the client speaks with that one now. */
  hasOtherKey(): Promise<boolean>
  /** The chain to use. Throws `refused` (76) for a certificate that is not the one asked for. */
  accept(issued: IssuedChain): Promise<readonly string[]>
}

export interface Obtained {
  readonly keyPem: string
  /** PEM blocks, leaf first, accepted. */
  readonly chain: readonly string[]
  readonly certUrl: string
}

/** Why an order cannot be gone on with: a new one is to be placed. */
class Outdated extends Error {}

/** An order that the CA has lost, and what it answers. */
export interface Lost {
  readonly failure: unknown
}

/**
 * The certificate of the order that an earlier run left. Undefined, and nothing is left, when there is none or nothing can
 * come of it any more; `failure` when the CA only fails at it: it stays until a new one is placed. Throws as the work on a new
 * order does.
 */
export async function takeUp(client: AcmeClient, wanted: Wanted): Promise<Obtained | Lost | undefined> {
  const left = readPendingOrder(wanted.file, wanted.plainHttp)
  if (!left) return undefined
  if ('flaw' in left) return letGo(`'${wanted.file.path}' cannot be used: ${left.flaw}`, wanted)
  const record = new OrderRecord(wanted.file, left)
  try {
    refuseOther(left, wanted)
    refuseOld(left, wanted)
    return await goOn(client, record, wanted)
  } catch (e) {
    if (e instanceof Outdated)
      return (await isOfOldKey(e.cause, wanted)) ? takeUp(client, wanted) : letGo(e.message, wanted)
    if (!(await isStuck(client, record, e, wanted))) throw e
    wanted.log.info(`the CA has only failed at ${when(left)} for more than an hour (${messageOf(e)}), ordering anew`)
    return { failure: e }
  }
}

function letGo(why: string, { file, log }: Wanted): undefined {
  log.info(`${why}, ordering anew`)
  forgetOrder(file, log)
}

/**
 * Whether the CA, in this run and all that took the order up since an hour ago, failed at it and nothing else: a CA that is
 * down as a whole gives no nonce. The first such failure is written down.
 */
async function isStuck(client: AcmeClient, record: OrderRecord, e: unknown, { now }: Wanted): Promise<boolean> {
  if (client.signal.aborted) return false
  const since = record.order.failedAt
  if (!isFailure(e)) {
    if (since !== undefined) record.write({ failedAt: undefined })
    return false
  }
  if (!(await givesNonces(client))) return false
  if (since === undefined) record.write({ failedAt: now() })
  // Without its sign: a clock that was set back must not make the hour longer.
  return since !== undefined && Math.abs(now().getTime() - since.getTime()) >= longestFailing
}

/** No answer, one of 500 and more, or one that makes no sense. */
const isFailure = (e: unknown): boolean =>
  e instanceof UnreachableError || e instanceof Nonsense || (e instanceof AcmeProblem && e.kind === 'unavailable')

async function givesNonces(client: AcmeClient): Promise<boolean> {
  try {
    await client.prepare({ fresh: true })
    return true
  } catch {
    // What it failed with before is what is told.
    return false
  }
}

const when = ({ placedAt }: PendingOrder): string => `the order of ${isoMinute(placedAt)}`

/** Throws Outdated for an order of something else than what is wanted. */
function refuseOther(left: PendingOrder, { identity, keySource: key, present, refuseKey }: Wanted): void {
  const refuse = (why: string): never => {
    throw new Outdated(`${when(left)} ${why}`)
  }
  if (left.directoryUrl !== identity.directoryUrl) refuse('was placed at another CA')
  if (left.accountUrl !== identity.accountUrl) refuse('is that of another account')
  if (setOf(left.names) !== setOf(identity.names)) refuse('is for other names')
  if (left.profile !== identity.profile) refuse('is for another profile')
  if (left.notAfter !== identity.notAfter) refuse('is for another lifetime')
  if (left.keySource !== identity.keySource) refuse('is for another key')
  // Undefined says nothing: whether one is asked for depends on more than the certificate.
  const isSuccessor = left.replaces !== null && identity.replaces !== null && left.replaces !== identity.replaces
  if (isSuccessor) refuse('replaces another certificate than the present one')
  if (left.keyPem === undefined) return
  if (key.kind === 'keep' && left.keyPem !== key.pem) refuse('is for another key')
  try {
    refuseKey(left.keyPem)
  } catch (e) {
    throw e instanceof NixacmeError && e.kind === 'data' ? outdatedBy(left, e) : e
  }
  // Killed between storing the certificate and forgetting its order.
  if (key.kind === 'new' && left.keyPem === present?.key) refuse('is done')
}

const setOf = (names: readonly string[]): string => [...names].sort().join(' ')

const ageOf = ({ placedAt }: PendingOrder, { now }: Wanted): number => now().getTime() - placedAt.getTime()

function refuseOld(left: PendingOrder, wanted: Wanted): void {
  // Without its sign: a clock that was set back by so much tells nothing.
  const hasExpired = left.expires !== undefined && left.expires <= wanted.now()
  if (hasExpired || Math.abs(ageOf(left, wanted)) > oldest) throw new Outdated(`${when(left)} has expired`)
}

async function goOn(client: AcmeClient, record: OrderRecord, wanted: Wanted): Promise<Obtained> {
  const left = record.order
  const order = new OrderInProgress(client, record, wanted)
  const reply = await unlessRefused(left, order.fetch())
  refuseState(left, reply, wanted)
  wanted.log.info(`taking up ${when(left)}, which is '${reply.body.status}' at the CA`)
  const made = await order.complete(reply).catch((e) => {
    // An authorization that failed or ended meanwhile; what the CA says of an answer of this run is about the present.
    if (isRefusal(e) && !order.hasPresented && reply.body.status === 'pending') throw outdatedBy(left, e)
    throw e
  })
  return unlessRefused(left, fetchNews(order, made, wanted))
}

/** Downloads the certificate. Throws `refused` (76) where it cannot be used. */
export async function fetchIssued(order: OrderInProgress, made: Made, wanted: Wanted): Promise<Obtained> {
  const chain = await wanted.accept({ ...made, ...(await order.download(made.certUrl)) })
  return { ...made, chain }
}

/** As `fetchIssued`; what is stored already is no news. */
async function fetchNews(order: OrderInProgress, made: Made, wanted: Wanted): Promise<Obtained> {
  const obtained = await fetchIssued(order, made, wanted)
  if (wanted.present !== undefined && obtained.chain[0]?.trim() === wanted.present.leaf.trim())
    throw new NixacmeError('refused', 'its certificate is the one that is stored')
  return obtained
}

/** Throws Outdated for states in which nothing is to be had. */
function refuseState(left: PendingOrder, { body: { status } }: Standing, wanted: Wanted): void {
  if (status === 'invalid') throw new Outdated(`${when(left)} is invalid at the CA`)
  const isUndecided = status === 'pending' || status === 'processing'
  if (isUndecided && ageOf(left, wanted) > longestUndecided)
    throw new Outdated(`${when(left)} is still '${status}' at the CA`)
  const needsKey = status === 'processing' || status === 'valid'
  if (needsKey && left.keyPem === undefined && left.keySource !== 'request')
    throw new Outdated(`${when(left)} has lost its key`)
}

/** True for a definite no; that the account is unknown is no word about the order. */
const isRefusal = (e: unknown): e is NixacmeError =>
  (e instanceof NixacmeError && e.kind === 'refused' && !isProblem(e, 'accountDoesNotExist')) ||
  (e instanceof Nonsense && e.status === 404)

const outdatedBy = (left: PendingOrder, cause: NixacmeError): Outdated =>
  new Outdated(`nothing can come of ${when(left)} any more: ${cause.message}`, { cause })

/**
 * Whether a refusal says nothing but that the account has another key since: then the client speaks with that one now,
 * and the order can be gone on with. RFC 8555 §6.2 names no type for a signature by another key.
 */
export async function isOfOldKey(e: unknown, { hasOtherKey, log }: Wanted): Promise<boolean> {
  const mayBe = isProblem(e, 'malformed') || isProblem(e, 'unauthorized')
  if (!mayBe || e.refusal.unproven.length > 0 || !(await hasOtherKey())) return false
  log.info("the account's key was changed meanwhile, going on with the new one")
  return true
}

async function unlessRefused<T>(left: PendingOrder, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (e) {
    throw isRefusal(e) ? outdatedBy(left, e) : e
  }
}

/** Removes the file of an order that is done with; a failure is a warning. */
export function forgetOrder(file: OrderFile, log: Log): void {
  try {
    removePendingOrder(file)
  } catch (e) {
    log.warning(`cannot remove '${file.path}': ${messageOf(e)}, ignoring`)
  }
}
