// When the CA may be asked again: after failures, after runs that were killed, and within the limits that CAs have. Pure,
// so that `plan` and `renew` agree: the clock comes in, and chance only where a failure is written down.
import { type Limits, nameSet, provenName, provenNames } from '../job/limits.ts'
import { isoMinute } from '../time.ts'
import { type Counted, type Failure, type Memory, together } from './memory.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/**
 * After the first, second and third failure in a row: the shortest pause, and what chance may add to it, so that machines
 * which fail together do not come back together.
 */
const pauses = [1, 10, 100].map((minutes) => ({ least: minutes * minute, more: (minutes * minute) / 4 }))
/** After each further one: what is set up wrong does not heal by repetition. Once a day, with chance and all. */
const longPause = { least: 21 * hour, more: 3 * hour }

/** Milliseconds from the `count`th failure in a row to the next try; `chance` from 0 to 1. */
export function pauseAfter(count: number, chance: number): number {
  const { least, more } = pauses[count - 1] ?? longPause
  return least + more * chance
}

/** For how long orders of one exact set of names count. */
export const orderWindow = 7 * day
/** Milliseconds: what lives less is from a CA that grants more orders, since the shortest of Let's Encrypt live for 160 h. */
const shortLife = 150 * hour
/** Orders that may fail while a certificate of a short life is renewed, each time at half of it. */
const spare = 3
/** From so few on that are left before the certificate ends, orders are spread evenly over the time until then. */
const mostSpread = 3
/** For how long failed validations of one name count. */
export const validationWindow = hour

/** A CA that asks for more has lost its clock. */
const longestRetryAfter = 30 * day

/** The instant of the next try after a failure: as scheduled, or when the CA itself said, whichever is later. */
export function retryAt(now: Date, count: number, retryAfter: number | undefined, chance: number): Date {
  const asked = Math.min((retryAfter ?? 0) * 1000, longestRetryAfter)
  return new Date(now.getTime() + Math.max(pauseAfter(count, chance), asked * (1 + 0.05 * chance)))
}

export interface Wish {
  /** The names wanted, as identifiers. */
  readonly names: readonly string[]
  /** What the config says that may heal a failure, as one text. */
  readonly config: string
  /** End of the certificate in use, undefined without one. */
  readonly notAfter: Date | undefined
}

/** Why the CA is not asked now, and until when. */
export interface HeldBack {
  readonly until: Date
  /** A clause. */
  readonly why: string
}

const times = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`

/** Milliseconds by which clocks are put right without anybody noticing. */
const tolerance = 5 * minute

/** What a clock wrote down that was ahead holds nothing back: it would do so until then, be it for years. */
const isAhead = (at: Date, now: Date): boolean => at.getTime() > now.getTime() + tolerance

/** The CA could have been asked again for so long, and was not: it is another story by then. */
const forgottenAfter = 7 * day

/** The failures that still count: a changed config may have healed what was. */
export function standingFailure({ failure }: Memory, config: string, now: Date): Failure | undefined {
  if (failure?.config !== config || isAhead(failure.last, now)) return undefined
  return now.getTime() < failure.retryAt.getTime() + forgottenAfter ? failure : undefined
}

/** The instants, in milliseconds, of those within the last `window` that `isMeant` holds for, the oldest first. */
const within = <T extends { readonly at: Date }>(
  entries: readonly T[],
  window: number,
  now: Date,
  isMeant: (entry: T) => boolean,
): number[] =>
  entries
    .filter((entry) => isMeant(entry) && entry.at.getTime() > now.getTime() - window && !isAhead(entry.at, now))
    .map(({ at }) => at.getTime())
    .sort((a, b) => a - b)

/** How often and since when. */
export const failureSpan = ({ count, first, last }: Pick<Failure, 'count' | 'first' | 'last'>): string =>
  count === 1 ? `failed ${isoMinute(last)}` : `failed ${count} times since ${isoMinute(first)}`

export const failureWords = (failure: Failure): string => `${failureSpan(failure)}: ${failure.message}`

function byFailure(memory: Memory, { config }: Wish, now: Date): HeldBack[] {
  const failure = standingFailure(memory, config, now)
  return failure ? [{ until: failure.retryAt, why: failureWords(failure) }] : []
}

/** One kill is an accident, and the next run takes up the work at once; a loop of them is slowed down like failures. */
function byKills({ attempt }: Memory, now: Date): HeldBack[] {
  if (!attempt || attempt.crashes === 0 || isAhead(attempt.since, now)) return []
  const why = `the last ${times(attempt.crashes + 1, 'run')} did not end by themselves`
  return [{ until: new Date(attempt.since.getTime() + pauseAfter(attempt.crashes, 0)), why }]
}

function mostOrders({ orders }: Limits, lifetime = Number.POSITIVE_INFINITY): number {
  const life = lifetime * 1000
  return life < shortLife ? Math.max(orders, Math.ceil(orderWindow / (life / 2)) + spare) : orders
}

/** What holds a new order back, whatever else there is to do. */
export function byOrders(
  { orders, lifetime }: Counted,
  limits: Limits,
  { names, notAfter }: Wish,
  now: Date,
): HeldBack[] {
  const most = mostOrders(limits, lifetime)
  const set = nameSet(names)
  const counted = within(orders, orderWindow, now, (order) => order.names === set)
  const last = counted.at(-1) ?? 0
  if (counted.length >= most) {
    const why = `${times(counted.length, 'order')} of these names in 7 days`
    return [{ until: new Date((counted.at(-most) ?? 0) + orderWindow), why }]
  }
  const end = notAfter?.getTime() ?? 0
  const left = end - last
  const remaining = most - counted.filter((at) => at > end - orderWindow).length
  if (left <= 0 || left > orderWindow || remaining > mostSpread) return []
  // The few orders before the certificate ends are spread over that time, so that who mends things late is helped, too.
  const why = `only ${times(remaining, 'more order')} of these names can be placed before the certificate ends`
  return [{ until: new Date(last + left / (remaining + 1)), why }]
}

function byValidations({ unproven }: Counted, { validations: most }: Limits, wish: Wish, now: Date): HeldBack[] {
  return provenNames(wish.names).flatMap((name) => {
    const counted = within(unproven, validationWindow, now, (entry) => entry.name === name)
    // A name and its wildcard are two challenges, of which both may fail.
    const mayFail = wish.names.filter((one) => provenName(one) === name).length
    const before = Math.max(1, most - mayFail + 1)
    if (counted.length < before) return []
    const oldest = counted.at(-before) ?? 0
    const why = `'${name}' could not be validated ${times(counted.length, 'time')} within an hour`
    return [{ until: new Date(oldest + validationWindow), why }]
  })
}

/** What is known of a CA. */
export interface Known {
  readonly memory: Memory
  /** What counts, too, beside what the memory has. */
  readonly elsewhere: Counted
  readonly limits: Limits
  /** An order is under way there: what is to be done may need no new one. */
  readonly hasOrder: boolean
}

/** The one that lasts longest of those that last beyond `now`. */
export const longest = (all: readonly HeldBack[], now: Date): HeldBack | undefined =>
  all.filter(({ until }) => until > now).sort((a, b) => b.until.getTime() - a.until.getTime())[0]

/** What holds the next try back longest, when anything does at `now`. */
export function heldBack({ memory, elsewhere, limits, hasOrder }: Known, wish: Wish, now: Date): HeldBack | undefined {
  const counted = together(memory, elsewhere)
  const orders = hasOrder ? [] : byOrders(counted, limits, wish, now)
  const failures = [...byFailure(memory, wish, now), ...byKills(memory, now)]
  return longest([...failures, ...orders, ...byValidations(counted, limits, wish, now)], now)
}

/** Milliseconds: a CA that wants to be left alone for longer is as good as away. */
const longWait = hour

/**
 * Whether a failure says that this CA will not do, while another one may: it could not be reached however patiently, it
 * has had enough of us, or refuses what others may grant. A name that cannot be proven is no CA's fault.
 */
export function isDefinite({ kind, count, last, retryAfter }: Failure): boolean {
  switch (kind) {
    case 'network':
      return count > pauses.length
    case 'rateLimited':
      return count > pauses.length || (retryAfter?.getTime() ?? 0) - last.getTime() >= longWait
    case 'refused':
      return true
    case 'validation':
    case 'local':
      return false
  }
}

/** Milliseconds: a CA that could not be reached and, for its orders' sake, is not asked for longer is as good as away, too. */
const longAbsence = day

export interface Turn {
  /** The CA to ask, by its place in the order. */
  readonly server: number
  /** Why not now. */
  readonly heldBack: HeldBack | undefined
}

/**
 * Whose turn it is: the first CA that may be asked; one that is held back lets the next in only when it failed for good.
 * Where all are held back, it is the turn of the one that is free again first.
 */
export function turnOf(cas: readonly Known[], wish: Wish, now: Date): Turn {
  let first: Turn | undefined
  for (const [server, known] of cas.entries()) {
    const held = heldBack(known, wish, now)
    if (!held) return { server, heldBack: undefined }
    if (!first || (first.heldBack && held.until < first.heldBack.until)) first = { server, heldBack: held }
    const failure = standingFailure(known.memory, wish.config, now)
    const isAway = failure?.kind === 'network' && held.until.getTime() - now.getTime() > longAbsence
    if (!failure || !(isAway || isDefinite(failure))) break
  }
  return first ?? { server: 0, heldBack: undefined }
}
