// What is to be done for a certificate, and why: the table of DESIGN §6. Knows no clock, no disk, no CA; everything it
// needs comes in, so that `plan` and `renew` cannot disagree.
import type { CertificateFacts } from '../certificate/read.ts'
import { unreachable } from '../errors.ts'
import { isoDay, isoMinute } from '../time.ts'
import type { Advice } from './renewal-info.ts'
import type { StoredState } from './state.ts'

export interface Policy {
  /** The names wanted, as A-labels. */
  readonly names: readonly string[]
  readonly domainHash: string
  /** Whole days, or null: a share of the lifetime decides. */
  readonly validMinDays: number | null
}

/** What holds the next try back (schedule.ts). */
export interface Hold {
  readonly until: Date
  /** A clause. */
  readonly why: string
}

export interface Circumstances {
  readonly now: Date
  /** The release's date: a clock that reads less is wrong. */
  readonly builtAt: Date
  /** `--now`: dates and the failure memory do not count. */
  readonly atOnce: boolean
}

/** What work there can be. */
export type Action = 'run' | 'force-renew' | 'renew'

/** The dates of the certificate judged; both null where there is none. */
interface Dates {
  readonly notAfter: Date | null
  /** The first instant at which the certificate is due. */
  readonly dueAt: Date | null
  /** One clause in lower case without a full stop. */
  readonly reason: string
}

export type Decision = Dates &
  (
    | {
        readonly kind: 'skip'
        /** Same names, other order or spelling: only `domainhash.txt` is written anew. */
        readonly storeHash: boolean
        /** Why the clock is not believed, where it is not. */
        readonly clockDoubt: string | null
      }
    | { readonly kind: Action }
    | { readonly kind: 'wait'; readonly action: Action; readonly until: Date }
  )

/** A decision that there is work. */
export type Work = Extract<Decision, { kind: Action }>

const whatIsDone: Record<Action, string> = {
  run: 'getting a certificate',
  'force-renew': 'getting a new certificate',
  renew: 'renewing',
}

/** What is said when work begins. */
export const headline = ({ kind, reason }: Work): string => `${whatIsDone[kind]}: ${reason}`

const second = 1000
const day = 86_400 * second

/** Certificates that live less than this are renewed at half of their lifetime, others at two thirds (contract 2.5). */
const shortLifetime = 10 * day

/** The share of its lifetime that a certificate is left, however late its CA would have it renewed: for a few tries. */
const lastShare = 10

/**
 * When a certificate becomes due: when its CA wants it replaced at once. Else by `validMinDays` N: as soon as fewer than
 * N + 1 days are left, so that 30 d 23 h counts as 30 (contract 1.10). Else at the CA's own instant, else after a share of
 * the lifetime.
 */
export function dueAt(
  facts: Pick<CertificateFacts, 'notBefore' | 'notAfter'>,
  validMinDays: number | null,
  advice?: Advice,
): Date {
  const end = facts.notAfter.getTime()
  if (advice?.immediate) return advice.renewAt
  if (validMinDays !== null) return new Date(end - (validMinDays + 1) * day + second)
  const lifetime = end - facts.notBefore.getTime()
  if (advice) return new Date(Math.min(advice.renewAt.getTime(), end - Math.floor(lifetime / lastShare)))
  return new Date(end - Math.floor(lifetime / (lifetime < shortLifetime ? 2 : 3)))
}

const quoted = (names: readonly string[]): string => names.map((n) => `'${n}'`).join(', ')
const plural = (n: number, unit: string): string => `${n} ${unit}${Math.abs(n) === 1 ? '' : 's'}`

/** The rule by which `due` came about, as a clause. */
function ruleOf(due: Date, { validMinDays }: Policy, advice: Advice | undefined): string {
  const url = advice?.explanationUrl
  const why = url === undefined ? '' : `; the CA explains it at '${url}'`
  if (advice?.immediate) return `the CA wants it replaced at once, perhaps it is revoked${why}`
  if (validMinDays !== null) return `${plural(validMinDays, 'day')} required`
  return advice ? `due by the renewal time of the CA ${isoMinute(due)}${why}` : `due from ${isoMinute(due)}`
}

/** "25 days left", or in smaller units when there are few. */
export function timeLeft(notAfter: Date, now: Date): string {
  const left = notAfter.getTime() - now.getTime()
  if (left <= 0) return `expired since ${isoDay(notAfter)}`
  if (left >= 2 * day) return `${plural(Math.floor(left / day), 'day')} left`
  const hours = Math.floor(left / (3600 * second))
  if (hours >= 2) return `${plural(hours, 'hour')} left`
  const minutes = Math.floor(left / (60 * second))
  return minutes >= 2 ? `${plural(minutes, 'minute')} left` : `${plural(Math.floor(left / second), 'second')} left`
}

function namesChange({ names, addresses = [] }: CertificateFacts, wanted: readonly string[]) {
  const held = [...names, ...addresses]
  return {
    added: wanted.filter((name) => !held.includes(name)),
    removed: held.filter((name) => !wanted.includes(name)),
  }
}

function clockDoubt(facts: CertificateFacts | undefined, { now, builtAt }: Circumstances): string | null {
  if (facts && now < facts.notBefore)
    return `the clock reads ${now.toISOString()}, before the certificate's notBefore ${facts.notBefore.toISOString()}`
  if (now < builtAt) return `the clock reads ${now.toISOString()}, before this nixacme was built`
  return null
}

/** The first four rows of the table: what is wanted, may the CA be asked for it now or not. */
export function decide(state: StoredState, policy: Policy, at: Circumstances): Exclude<Decision, { kind: 'wait' }> {
  const { candidate, account } = state
  const none = { notAfter: null, dueAt: null }
  switch (candidate.kind) {
    case 'missing':
      return { kind: 'run', ...none, reason: `no ${candidate.what} yet` }
    case 'unusable':
      return { kind: 'run', ...none, reason: `what is stored cannot be used: ${candidate.reason}` }
    case 'usable':
      break
    default:
      return unreachable(candidate)
  }
  const { facts } = candidate
  const due = dueAt(facts, policy.validMinDays, state.advice)
  const dates = { notAfter: facts.notAfter, dueAt: due }
  if (account !== 'registered')
    return {
      kind: 'run',
      ...dates,
      reason: account === 'key' ? 'the account key is not registered' : 'no account is registered',
    }
  const { added, removed } = namesChange(facts, policy.names)
  const hashDiffers = state.domainHash !== policy.domainHash
  // An unwanted name alone counts only with a changed config: state taken over may hold one that lego once kept.
  if (added.length > 0 || (hashDiffers && removed.length > 0)) {
    const changes = [
      added.length > 0 ? `${quoted(added)} added` : '',
      removed.length > 0 ? `${quoted(removed)} removed` : '',
    ]
    return { kind: 'force-renew', ...dates, reason: `the names changed: ${changes.filter(Boolean).join(', ')}` }
  }
  if (at.atOnce) return { kind: 'renew', ...dates, reason: 'asked for with --now' }
  const left = timeLeft(facts.notAfter, at.now)
  const doubt = clockDoubt(facts, at)
  if (doubt)
    return {
      kind: 'skip',
      ...dates,
      reason: `${doubt}: not judging whether it is due`,
      storeHash: hashDiffers,
      clockDoubt: doubt,
    }
  const rule = ruleOf(due, policy, state.advice)
  if (at.now >= due) return { kind: 'renew', ...dates, reason: `${left}, ${rule}` }
  return { kind: 'skip', ...dates, reason: `${left}, ${rule}`, storeHash: hashDiffers, clockDoubt: null }
}

/** Its last row: work that waits, by the memory of the CA whose turn it is. */
export function postpone(work: Work, { now, atOnce }: Circumstances, heldBack: Hold | undefined): Decision {
  if (atOnce || !heldBack || now >= heldBack.until) return work
  const { until, why } = heldBack
  const reason = `${work.reason}; not before ${isoMinute(until)}: ${why}`
  return { ...work, kind: 'wait', action: work.kind, until, reason }
}

/**
 * Whether a renewal that fails is to be told as a failure: less than half is left of the time that there was when the
 * certificate became due. Before that the next tries have time enough.
 */
export function isUrgent({ notAfter, dueAt }: Pick<Decision, 'notAfter' | 'dueAt'>, now: Date): boolean {
  if (!notAfter || !dueAt) return true
  const end = notAfter.getTime()
  return end - now.getTime() < (end - dueAt.getTime()) / 2
}
