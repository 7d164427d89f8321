// When a CA wants a certificate to be renewed (RFC 9773), as far as it is known on disk: what was said, the instant drawn
// from it, and when to ask again. Pure: clock and chance come in. Who asks is the poller (src/commands/poll.ts) and, right
// after issuance, the renewal; this file knows no network.
import { unreachable } from '../errors.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Milliseconds between two wake-ups of the poller: what its timer says (src/systemd), and units/nixacme.cron. */
export const wakeEvery = 15 * minute

/**
 * Renewals wait for no instant later than this before the end of a window: the longest time between two wake-ups, timers
 * being late by up to a minute, and some for the order to be placed (RFC 9773 §4.2, step 5).
 */
const mostLate = wakeEvery + 5 * minute

/** A window of RFC 9773 §4.2: `start` before `end`. */
export interface Window {
  readonly start: Date
  readonly end: Date
}

/** What a CA says of a certificate. */
export interface Suggestion {
  readonly window: Window
  /** A page for people: why the window is what it is. */
  readonly explanationUrl: string | undefined
  /** Seconds, by its Retry-After; undefined where it gave none. */
  readonly retryAfter: number | undefined
}

/** Requests in a row that got no suggestion. */
export interface PollFailures {
  readonly count: number
  readonly first: Date
  readonly last: Date
  /** Of the last one, a clause. */
  readonly what: string
}

/** Where and how to ask for one certificate, and whose it is. */
export interface Subject {
  /** By RFC 9773 §4.1. */
  readonly certificate: string
  /** Directory URL of the CA that issued it. */
  readonly server: string
  readonly plainHttp: boolean
  /** Paths of PEM files with further roots for the CA's own HTTPS. */
  readonly caCertificates: readonly string[]
  /** URL of the account that ordered it; undefined where that is not known. */
  readonly account: string | undefined
  readonly notAfter: Date
  /** Whether the window says when to renew; else the config does (`validMinDays`). */
  readonly followed: boolean
}

export interface RenewalInfo extends Subject {
  readonly window?: Window | undefined
  /** Drawn from `window`. */
  readonly selected?: Date | undefined
  /** The CA moved the window into the past: it wants the certificate replaced, whatever the config says. */
  readonly immediate?: boolean | undefined
  /** Revoked by us, for it is not needed any more: whatever the CA wants, nothing takes its place before its dates say so. */
  readonly ceased?: boolean | undefined
  readonly explanationUrl?: string | undefined
  /** Not to be asked for before. */
  readonly nextPoll: Date
  readonly failures?: PollFailures | undefined
}

/** The file of one certificate (`CertPaths.renewalInfo`). */
export interface Watch {
  /** Undefined until the first certificate is there. */
  readonly info?: RenewalInfo | undefined
  /** A renewal has failed, and may be tried again then. */
  readonly retryAt?: Date | undefined
}

/** A certificate that nothing is known of: to be asked for at once. */
export const firstInfo = (subject: Subject, now: Date): RenewalInfo => ({ ...subject, nextPoll: now })

/** Shortest and longest time between two requests (RFC 9773 §4.3.2), and the one without a Retry-After (§4.3.3). */
const shortestPause = minute
const longestPause = day
const usualPause = 6 * hour

const later = (now: Date, ms: number): Date => new Date(now.getTime() + ms)
const clamped = (ms: number): number => Math.min(longestPause, Math.max(shortestPause, ms))

const isSame = (a: Window | undefined, b: Window): boolean =>
  a?.start.getTime() === b.start.getTime() && a.end.getTime() === b.end.getTime()

/** A uniform instant in a window; `chance` from 0 up to, and without, 1 (RFC 9773 §4.2, step 2). */
const drawn = ({ start, end }: Window, chance: number): Date =>
  new Date(start.getTime() + Math.floor(chance * (end.getTime() - start.getTime())))

/**
 * What is known after a suggestion. The instant drawn before stays as long as the window does. A window that lies in the
 * past from the first, or was moved there, asks for a renewal at once; one that has passed by in time does not.
 */
export function suggested(
  info: RenewalInfo,
  { window, explanationUrl, retryAfter }: Suggestion,
  now: Date,
  chance: number,
): RenewalInfo {
  const kept = isSame(info.window, window)
  const { failures: _, ...rest } = info
  return {
    ...rest,
    window,
    selected: (kept && info.selected) || drawn(window, chance),
    immediate: kept ? info.immediate === true : window.end <= now,
    explanationUrl,
    nextPoll: later(now, retryAfter === undefined ? usualPause : clamped(retryAfter * second)),
  }
}

/** What came of a question. */
export type Reply =
  | { readonly kind: 'suggested'; readonly suggestion: Suggestion }
  /** The CA has no renewal information. */
  | { readonly kind: 'unsupported' }
  | ({ readonly kind: 'failed'; readonly error: Error } & Omit<PollFailure, 'what'>)

/** What is known after a reply. */
export function learned(info: RenewalInfo, reply: Reply, now: Date, chance: number): RenewalInfo {
  switch (reply.kind) {
    case 'suggested':
      return suggested(info, reply.suggestion, now, chance)
    case 'unsupported':
      return unsupported(info, now)
    case 'failed':
      return unanswered(info, { ...reply, what: reply.error.message }, now)
    default:
      return unreachable(reply)
  }
}

/** Why there was no suggestion. */
export interface PollFailure {
  /** A clause. */
  readonly what: string
  /** It may pass soon: a time-out, or a fault of the CA (RFC 9773 §4.3.3). */
  readonly isTemporary: boolean
  /** Seconds that the CA asks to wait. */
  readonly retryAfter: number | undefined
}

/** After so many temporary failures in a row it is a long one. The first is tried again at the next wake-up. */
const mostTries = 5

/** What is known after a failure: what there was, and when to ask again (RFC 9773 §4.3.3). */
export function unanswered(info: RenewalInfo, { what, isTemporary, retryAfter }: PollFailure, now: Date): RenewalInfo {
  const count = (info.failures?.count ?? 0) + 1
  const pause = isTemporary && count < mostTries ? Math.min(usualPause, wakeEvery * 2 ** (count - 1)) : usualPause
  const asked = clamped((retryAfter ?? 0) * second)
  return {
    ...info,
    nextPoll: later(now, Math.max(pause, asked)),
    failures: { count, first: info.failures?.first ?? now, last: now, what },
  }
}

/** What is known of a certificate of a CA that has no renewal information: it may have some day. */
export const unsupported = (
  { window: _, selected: _s, failures: _f, ...info }: RenewalInfo,
  now: Date,
): RenewalInfo => ({
  ...info,
  immediate: false,
  nextPoll: later(now, longestPause),
})

/**
 * Whether the CA is to be asked now: never once the certificate has expired (RFC 9773 §4.3), or is given up. Further ahead than the longest
 * pause nothing was meant: a clock wrote that down which was ahead itself.
 */
export function isToAsk({ nextPoll, notAfter, ceased }: RenewalInfo, now: Date): boolean {
  if (ceased) return false
  const isPausing = nextPoll > now && nextPoll <= later(now, longestPause + minute)
  return !isPausing && now < notAfter
}

/**
 * The instant to renew at: the one drawn, or where no wake-up may come between it and the end of the window, the last that
 * one surely follows. Undefined where the CA has suggested nothing, or its wish does not count.
 */
export function renewalInstant({ window, selected, ceased }: RenewalInfo): Date | undefined {
  if (!window || !selected || ceased) return undefined
  const last = Math.max(window.start.getTime(), window.end.getTime() - mostLate)
  return new Date(Math.min(selected.getTime(), last))
}

/** What the decision is told of a certificate. */
export interface Advice {
  readonly renewAt: Date
  readonly immediate: boolean
  readonly explanationUrl: string | undefined
}

/** The CA's advice on the certificate of this identifier. Undefined where there is none, or it is about another one. */
export function adviceOn(certificate: string | undefined, { info }: Watch): Advice | undefined {
  const renewAt = info && info.certificate === certificate ? renewalInstant(info) : undefined
  return renewAt && { renewAt, immediate: info?.immediate === true, explanationUrl: info?.explanationUrl }
}

/** Whether the renewal is to be started: its instant has come, or that of the next try after a failure. */
export function isDue({ info, retryAt }: Watch, now: Date): boolean {
  if (retryAt) return retryAt <= now
  const instant = info && (info.followed || info.immediate) ? renewalInstant(info) : undefined
  return instant !== undefined && instant <= now
}
