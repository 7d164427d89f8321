// A month in the life of one certificate, with a clock of its own: `renew` as it is, started by timers, restarts, the poller
// and crash loops, killed at random, against a CA that is away, refuses, or cannot validate for days, and that counts.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { NixacmeError } from '../../../src/errors.ts'
import type { Job } from '../../../src/job/job.ts'
import { readState } from '../../../src/renewal/state.ts'
import { makeSet } from '../../support/certificates.ts'
import { Refused } from './failing.ts'
import { makeJob } from './lock-job.ts'
import { issued, makePlace, type Obtain, type Place } from './renewal.ts'
import { writeAccount, writeCertificate } from './stored.ts'

const second = 1000
const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** How the world is: all well, CA away, names that do not lead here, a limit of the CA, an order refused. */
export type Weather = 'fine' | 'away' | 'unproven' | 'limited' | 'refused'

export interface Spell {
  readonly from: number
  readonly to: number
  readonly weather: Weather
}

export interface MonthOptions {
  readonly seed: number
  /** Milliseconds that certificates live. */
  readonly lifetime: number
  readonly days: number
  /** In order; between them all is fine. Milliseconds from the beginning. */
  readonly spells: readonly Spell[]
  /** Share of the runs with work that are killed in its midst. */
  readonly kills: number
  /** So many starts, a second apart, each killed when it has work; milliseconds from the beginning. */
  readonly crashLoop?: { readonly at: number; readonly starts: number }
}

export interface Month {
  /** What a CA would have refused, in words; none, as it should be. */
  readonly beyondLimits: readonly string[]
  /** Certificates that ended before there was a new one, though a patient operator would have had it. */
  readonly lost: readonly string[]
  readonly starts: number
  readonly requests: number
  readonly orders: number
  readonly issued: number
}

class Killed extends Error {}

/** A CA with the limits of Let's Encrypt, which counts instead of refusing. */
class CountingCa {
  readonly beyondLimits: string[] = []
  requests = 0
  readonly orders: number[] = []
  readonly #failed = new Map<string, number[]>()

  order(now: number): void {
    this.requests += 3
    this.orders.push(now)
    const within = this.orders.filter((at) => at > now - 7 * day).length
    if (within > 5) this.beyondLimits.push(`${within} orders in 7 days at ${new Date(now).toISOString()}`)
  }

  fail(names: readonly string[], now: number): void {
    for (const name of names) {
      const failed = [...(this.#failed.get(name) ?? []), now].filter((at) => at > now - hour)
      this.#failed.set(name, failed)
      if (failed.length > 5)
        this.beyondLimits.push(`'${name}' failed ${failed.length} times at ${new Date(now).toISOString()}`)
    }
  }
}

const start = Date.UTC(2027, 0, 1)

/** The weather at an instant, in milliseconds from the beginning. */
const weatherAt = (spells: readonly Spell[], at: number): Weather =>
  spells.find(({ from, to }) => at >= from && at < to)?.weather ?? 'fine'

/** The longest time without a break, between two instants, in which all was fine. */
function longestFine(spells: readonly Spell[], from: number, to: number): number {
  let longest = 0
  let since = from
  for (const spell of spells.filter((s) => s.to > from && s.from < to)) {
    longest = Math.max(longest, spell.from - since)
    since = Math.max(since, spell.to)
  }
  return Math.max(longest, to - since)
}

interface Life extends MonthOptions {
  readonly place: Place
  readonly ca: CountingCa
  readonly chance: () => number
}

/** What the CA half does at `now`, and where it is killed. */
const obtainAt =
  ({ ca, spells, lifetime, chance, place, kills }: Life, now: number, isKilled: boolean): Obtain =>
  async (job: Job, { diary }) => {
    const weather = weatherAt(spells, now - start)
    const step = isKilled || chance() < kills ? Math.floor(chance() * 5) : -1
    const killAt = (n: number) => {
      if (n !== step) return
      // What a SIGKILL would have left: nothing that comes after may change it.
      throw Object.assign(new Killed(), { memory: readFileSync(place.paths.memory) })
    }
    killAt(0)
    ca.requests++
    if (weather === 'away') throw new NixacmeError('unavailable', 'cannot reach the CA')
    diary.ordering()
    killAt(1)
    if (weather === 'limited') throw new Refused('later', { retryAfter: 34 * 3600 })
    if (weather === 'refused') throw new Refused('refused', {})
    ca.order(now)
    killAt(2)
    diary.answering(job.names)
    ca.requests += 2 * job.names.length
    if (weather === 'unproven') ca.fail(job.names, now)
    killAt(3)
    if (weather === 'unproven') throw new Refused('refused', { unproven: job.names })
    ca.requests += 3
    const set = await makeSet({
      names: job.names,
      notBefore: new Date(now - hour),
      notAfter: new Date(now - hour + lifetime),
    })
    killAt(4)
    return issued(set)
  }

/** One start: its exit status; undefined: it was killed. */
async function run(life: Life, now: number, isKilled = false): Promise<number | undefined> {
  const { place } = life
  try {
    await place.run({ now: () => new Date(now), obtain: obtainAt(life, now, isKilled) })
    return 0
  } catch (e) {
    const cause = e instanceof NixacmeError ? e.cause : e
    const killed = [e, cause, cause instanceof NixacmeError ? cause.cause : undefined].find((x) => x instanceof Killed)
    if (killed) {
      writeFileSync(place.paths.memory, (killed as Killed & { memory: Buffer }).memory)
      return undefined
    }
    if (e instanceof NixacmeError) return e.exitStatus
    throw e
  }
}

/** Statuses after which the unit is started once more, 90 seconds later. */
const restarted = [69, 76]

/** Lives through it. Folders are made under `t`, and gone when it ends. */
export async function liveThrough(t: { after(action: () => void): void }, options: MonthOptions): Promise<Month> {
  const place = makePlace(t, makeJob({ validMinDays: null, extraDomainNames: ['www.example.com'] }))
  const life: Life = { ...options, place, ca: new CountingCa(), chance: chanceOf(options.seed) }
  const { ca, chance, lifetime, days, spells, crashLoop } = life
  const first = await makeSet({
    names: place.job.names,
    notBefore: new Date(start - hour),
    notAfter: new Date(start - hour + lifetime),
  })
  writeCertificate(place.paths, place.job, first)
  writeAccount(place.paths)
  const lost: string[] = []
  let starts = 0
  let issuedCount = 0
  let inUse = start - hour
  const startAt = async (now: number, isKilled = false): Promise<void> => {
    starts++
    const status = await run(life, now, isKilled)
    const { candidate } = readState(place.paths)
    if (candidate.kind !== 'usable') throw new Error(`the stored certificate is ${candidate.kind}`)
    const from = candidate.facts.notBefore.getTime()
    if (from !== inUse) {
      issuedCount++
      inUse = from
    }
    // Whoever is killed is started anew by whoever started it.
    if (status === undefined && !isKilled) await startAt(now + minute)
    else if (status !== undefined && restarted.includes(status)) await startAt(now + 90 * second)
  }
  const judgeLoss = (now: number): void => {
    const end = inUse + lifetime
    if (now < end || now - end > 15 * minute) return
    const due = end - Math.floor(lifetime / (lifetime < 10 * day ? 2 : 3))
    const fine = longestFine(spells, due - start, end - start)
    if (fine >= Math.max(26 * hour, (end - due) / 4))
      lost.push(`ended ${new Date(end).toISOString()}, after ${Math.round(fine / hour)} h in which all was fine`)
  }
  for (let at = 0; at < days * day; at += 15 * minute) {
    const now = start + at + Math.floor(chance() * minute)
    await startAt(now)
    judgeLoss(now)
    if (crashLoop && at <= crashLoop.at && crashLoop.at < at + 15 * minute)
      for (let i = 0; i < crashLoop.starts; i++) await startAt(now + i * second, true)
  }
  rmSync(place.dir, { recursive: true, force: true })
  return {
    beyondLimits: ca.beyondLimits,
    lost,
    starts,
    requests: ca.requests,
    orders: ca.orders.length,
    issued: issuedCount,
  }
}

/** Spells of bad weather, of two hours to five days, about half of the time. */
export function randomSpells(seed: number, days: number): Spell[] {
  const chance = chanceOf(seed)
  const bad: readonly Weather[] = ['away', 'unproven', 'limited', 'refused']
  const spells: Spell[] = []
  for (let at = chance() * 2 * day; at < days * day; ) {
    const to = at + 2 * hour + chance() * 5 * day
    spells.push({ from: at, to, weather: bad[Math.floor(chance() * bad.length)] ?? 'away' })
    at = to + chance() * 4 * day
  }
  return spells
}
