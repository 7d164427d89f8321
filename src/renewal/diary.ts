// The memory of one certificate at one CA while a run works on it: each change is on disk when the call returns, so that
// whatever ends the run, the next one knows what the CA was asked for.
import { NixacmeError, ProofError } from '../errors.ts'
import { type Limits, nameSet, provenName } from '../job/limits.ts'
import { isoMinute } from '../time.ts'
import { type Counted, type Failure, type FailureKind, type Memory, together, writeMemory } from './memory.ts'
import { byOrders, longest, orderWindow, retryAt, standingFailure, validationWindow, type Wish } from './schedule.ts'

export interface DiaryOptions {
  /** Path of `nixacme.json`. */
  readonly path: string
  readonly gid: number | undefined
  /** Directory URL. */
  readonly server: string
  readonly wish: Wish
  /** What counts, too, beside what the memory has. */
  readonly elsewhere: Counted
  readonly limits: Limits
  /** `--now` */
  readonly atOnce: boolean
  now(): Date
  /** From 0 to 1, another one at each call. */
  chance(): number
}

export class Diary {
  #memory: Memory
  readonly #before: Memory
  readonly #options: DiaryOptions
  #asked: readonly string[] = []
  #ordered = false
  /** It has answered: what fails from here on costs it something each time. */
  #hasReached = false

  /** The certificate's lock must be held. `memory` is what was read under it. */
  constructor(memory: Memory, options: DiaryOptions) {
    this.#before = memory
    this.#memory = memory
    this.#options = options
  }

  /** Work with the CA begins. Throws `write` (73) or `permission` (77), as all do. */
  begin(): void {
    const { attempt } = this.#before
    this.#write({ attempt: { since: this.#options.now(), crashes: attempt ? attempt.crashes + 1 : 0 } })
  }

  /**
   * A new order is about to be placed, or one `again` in place of one that the CA failed at, which is not spread over the
   * time that is left. Throws `later` (75) where that would be one too many (the run has begun for one that was under way),
   * or `refused` (76) where its certificate could not be used either, and nobody asked for it.
   */
  ordering(again?: 'again'): void {
    const { wish, elsewhere, limits, now, atOnce } = this.#options
    if (!atOnce) this.#refuseUseless()
    const counted = together(this.#memory, elsewhere)
    const due = again ? { ...wish, notAfter: undefined } : wish
    const held = atOnce ? undefined : longest(byOrders(counted, limits, due, now()), now())
    if (held) throw new NixacmeError('later', `no new order before ${isoMinute(held.until)}: ${held.why}`)
    this.#ordered = true
    this.#write({ orders: [...this.#memory.orders, { at: now(), names: nameSet(wish.names) }] })
  }

  #refuseUseless(): void {
    const { useless } = this.#memory
    if (useless?.config !== this.#options.wish.config) return
    throw new NixacmeError(
      'refused',
      `no new order, as that of ${isoMinute(useless.at)} was in vain: ${useless.message}`,
      {
        hints: ['a changed config, or --now, orders again'],
      },
    )
  }

  /** It was not placed after all: refused, or nothing got as far as the CA. */
  notOrdered(): void {
    if (!this.#ordered) return
    this.#ordered = false
    this.#write({ orders: this.#memory.orders.slice(0, -1) })
  }

  /** The challenges of these names are about to be answered: failures, until the contrary is known. */
  answering(names: readonly string[]): void {
    this.#asked = names.map(provenName)
    const at = this.#options.now()
    this.#write({ unproven: [...this.#memory.unproven, ...this.#asked.map((name) => ({ at, name }))] })
  }

  /** What the CA offers: on disk with what is written next. */
  offers({ profiles }: { readonly profiles: readonly string[] }): void {
    this.#hasReached = true
    this.#memory = { ...this.#memory, offered: profiles }
  }

  /** The certificate is there, made for this lifetime (seconds). */
  succeeded(lifetime: number | undefined): void {
    const { unproven } = this.#before
    this.#write({ failure: undefined, attempt: undefined, unproven, useless: undefined, lifetime })
  }

  /** A signal ended the work, which is no failure. */
  interrupted(): void {
    this.#write({ attempt: undefined })
  }

  /**
   * Writes a failure down. `undefined` where the fault is this machine's and the CA was not asked: that is not its
   * business, and the next run may try at once.
   */
  failed(e: NixacmeError): Failure | undefined {
    const { now, chance, wish } = this.#options
    const kind = kindOf(e)
    const isHarmless = kind === 'local' && !this.#ordered && !this.#hasReached
    const earlier = standingFailure(this.#before, wish.config, now())
    const failure = isHarmless ? earlier : failureOf(e, kind, earlier, { at: now(), config: wish.config, chance })
    const failed = e.refusal?.unproven ?? []
    const proven = this.#asked.filter((name) => failed.length > 0 && !failed.includes(name))
    // Those of this run alone: what an earlier one could not prove stays as it was.
    const unproven = this.#memory.unproven.filter(
      (entry) => this.#before.unproven.includes(entry) || !proven.includes(entry.name),
    )
    const lasting = e.refusal?.isLasting && {
      useless: { at: now(), message: e.message.slice(0, longestText), config: wish.config },
    }
    this.#write({ failure, attempt: undefined, unproven, ...lasting })
    return isHarmless ? undefined : failure
  }

  #write(change: { readonly [K in keyof Memory]?: Memory[K] | undefined }): void {
    const { path, gid, server, now } = this.#options
    const since = (window: number) => (entry: { readonly at: Date }) => entry.at.getTime() > now().getTime() - window
    const { orders = [], unproven = [], failure, attempt, offered, useless, lifetime } = { ...this.#memory, ...change }
    this.#memory = {
      server,
      ...(failure && { failure }),
      ...(attempt && { attempt }),
      orders: orders.filter(since(orderWindow)).slice(-mostKept.orders),
      unproven: unproven.filter(since(validationWindow)).slice(-mostKept.unproven),
      ...(offered && { offered }),
      ...(useless && { useless }),
      ...(lifetime !== undefined && { lifetime }),
    }
    writeMemory(path, this.#memory, gid)
  }
}

/** Problems that are this CA's own: a CAA record that lets another one in, no account without its credentials. */
const ofThisCa = ['caa', 'externalAccountRequired']

function kindOf(e: NixacmeError): FailureKind {
  const { kind, problem, refusal } = e
  if (e instanceof ProofError) return 'local'
  if (ofThisCa.includes(problem)) return 'refused'
  if (kind === 'unavailable') return 'network'
  if (kind === 'later' && refusal) return 'rateLimited'
  if (kind !== 'refused') return 'local'
  return refusal !== undefined && refusal.unproven.length > 0 ? 'validation' : 'refused'
}

interface Moment {
  readonly at: Date
  readonly config: string
  chance(): number
}

/** Characters: the CA's words end up here. */
const longestText = 500
const mostDetails = 120
/** More than any limit counts: whoever says --now all the time must not fill the file until nobody reads it any more. */
const mostKept = { orders: 200, unproven: 1000 }

function failureOf(
  e: NixacmeError,
  kind: FailureKind,
  earlier: Failure | undefined,
  { at, config, chance }: Moment,
): Failure {
  const count = (earlier?.count ?? 0) + 1
  const seconds = e.refusal?.retryAfter
  return {
    kind,
    problem: e.problem,
    message: e.message.slice(0, longestText),
    details: e.hints.slice(0, mostDetails).map((hint) => hint.slice(0, longestText)),
    links: (e.refusal?.links ?? []).slice(0, 5),
    count,
    first: earlier?.first ?? at,
    last: at,
    ...(seconds !== undefined && { retryAfter: new Date(at.getTime() + seconds * 1000) }),
    retryAt: retryAt(at, count, seconds, chance()),
    config,
  }
}
