// A year of many certificates, with a clock of its own: woken as the poller's timer wakes it, asking a CA that suggests
// windows as Boulder does, renewing in as many slots as the config gives. Real are the rules: when to ask, what to make of
// the answer, when to renew (src/renewal); what is counted is how many orders come while their window is open.
import { dueAt } from '../../../src/renewal/decision.ts'
import {
  adviceOn,
  firstInfo,
  isDue,
  isToAsk,
  learned,
  type RenewalInfo,
  renewalInstant,
  type Window,
  wakeEvery,
} from '../../../src/renewal/renewal-info.ts'
import { chanceOf, day, hour } from './month.ts'

const second = 1000
const minute = 60 * second

export interface YearOptions {
  readonly seed: number
  readonly certificates: number
  /** Milliseconds that certificates live. */
  readonly lifetime: number
  readonly days: number
  /** Share of the questions that a fault of the CA leaves without an answer. */
  readonly faults: number
  /** Renewals at a time. */
  readonly slots: number
}

export interface Year {
  readonly renewals: number
  /** Of these, ordered while the window was open that the CA had suggested last. */
  readonly inside: number
  readonly questions: number
  /** Certificates that ended before there was a new one. */
  readonly lost: number
}

/** Boulder: 2 % of the lifetime, around two thirds of it. */
function windowOf(from: number, lifetime: number): Window {
  const middle = from + (lifetime * 2) / 3
  return { start: new Date(middle - lifetime / 100), end: new Date(middle + lifetime / 100) }
}

/** Milliseconds from start to order, and of a whole renewal, waits of the CA included. */
const untilOrder = 2 * second
const renewalTime = 30 * second

interface Cert {
  readonly id: string
  readonly from: number
  readonly window: Window
  info: RenewalInfo
}

/** Lives through it. */
export function liveYear({ seed, certificates, lifetime, days, faults, slots }: YearOptions): Year {
  const chance = chanceOf(seed)
  const start = Date.UTC(2027, 0, 1)
  const end = start + days * day
  const found = { renewals: 0, inside: 0, questions: 0, lost: 0 }
  const freeAt = Array.from({ length: slots }, () => start)

  const ask = (cert: Cert, now: Date): void => {
    found.questions++
    const suggestion = { window: cert.window, explanationUrl: undefined, retryAfter: (6 * hour) / second }
    const error = new Error('the CA answers with 503')
    cert.info =
      chance() < faults
        ? learned(cert.info, { kind: 'failed', error, isTemporary: true, retryAfter: undefined }, now, chance())
        : learned(cert.info, { kind: 'suggested', suggestion }, now, chance())
  }
  const issue = (id: string, now: number): Cert => {
    // CAs date certificates back by an hour.
    const from = now - hour
    const subject = {
      certificate: id,
      server: 'https://ca.example/directory',
      plainHttp: false,
      caCertificates: [],
      account: undefined,
      notAfter: new Date(from + lifetime),
      followed: true,
    }
    const cert: Cert = { id, from, window: windowOf(from, lifetime), info: firstInfo(subject, new Date(now)) }
    ask(cert, new Date(now))
    return cert
  }
  /** In the first slot that is free: when the order is placed. */
  const orderedAt = (now: number): number => {
    const slot = freeAt.indexOf(Math.min(...freeAt))
    const begins = Math.max(now, freeAt[slot] ?? now)
    freeAt[slot] = begins + renewalTime
    return begins + untilOrder
  }

  // Who has something to do at a wake-up, by its number: the others need not be looked at.
  const agenda = new Map<number, Cert[]>()
  const note = (cert: Cert, after: number): void => {
    const next = Math.min(cert.info.nextPoll.getTime(), renewalInstant(cert.info)?.getTime() ?? end)
    const wake = Math.max(after + 1, Math.floor((next - start) / wakeEvery))
    const page = agenda.get(wake)
    if (page) page.push(cert)
    else agenda.set(wake, [cert])
  }
  for (let i = 0; i < certificates; i++) {
    const first = issue(`${i}`, start)
    // Everywhere in their lives at the beginning.
    const from = start - chance() * (lifetime / 2)
    const info = firstInfo({ ...first.info, notAfter: new Date(from + lifetime) }, new Date(start))
    note({ ...first, from, window: windowOf(from, lifetime), info }, -1)
  }

  for (let wake = 0; start + wake * wakeEvery < end; wake++) {
    // AccuracySec=
    const now = new Date(start + wake * wakeEvery + Math.floor(chance() * minute))
    for (let cert of agenda.get(wake) ?? []) {
      if (isToAsk(cert.info, now)) ask(cert, now)
      if (isDue({ info: cert.info }, now)) {
        const at = orderedAt(now.getTime())
        const facts = { notBefore: new Date(cert.from), notAfter: cert.info.notAfter }
        if (dueAt(facts, null, adviceOn(cert.id, { info: cert.info })).getTime() > at)
          throw new Error('started, and the decision is to do nothing')
        found.renewals++
        if (at >= cert.window.start.getTime() && at < cert.window.end.getTime()) found.inside++
        if (at >= facts.notAfter.getTime()) found.lost++
        cert = issue(cert.id, at)
      }
      note(cert, wake)
    }
    agenda.delete(wake)
  }
  return found
}
