// The locks of one run: the certificate's own, a slot, and for a registration the account's. They are waited for in this
// order, so that nobody waits in a circle, and a wait says who it waits for.
import { NixacmeError, systemWord } from '../errors.ts'
import { ensureDir } from '../fs.ts'
import type { Host } from '../host.ts'
import type { Job } from '../job/job.ts'
import { type Roots, slotPath } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { isoMinute } from '../time.ts'
import { type Held, readHolder, type Slot, tryFolder, trySlot, waitFor } from './lock.ts'

/** Seconds: a registration is a few requests, each with its own time limit. */
const accountPatience = 300
/** Milliseconds after which a waiting run says anew who holds its slot. */
const newsEvery = 60_000

export interface RunLocksOptions {
  readonly job: Job
  readonly roots: Roots
  /** The certificate's folder, which its lock is taken on. */
  readonly legoCert: string
  readonly host: Pick<Host, 'now' | 'pid' | 'interrupted'>
  readonly log: Log
  /** A slot that is held already: the short way waited for it. */
  readonly slot?: HeldSlot | undefined
  /** Seconds to wait for the slot and for another run of the certificate: 0 not at all, null as long as it takes. */
  readonly patience: number | null
}

export interface HeldSlot {
  readonly held: Slot
  readonly number: number
}

export class RunLocks {
  readonly #options: RunLocksOptions
  #slot: HeldSlot | undefined
  #certificate: Held | undefined

  constructor(options: RunLocksOptions) {
    this.#options = options
    this.#slot = options.slot
  }

  /** The slot held, or undefined. */
  get slot(): HeldSlot | undefined {
    return this.#slot
  }

  release(): void {
    this.#releaseSlot()
    this.#certificate?.release()
    this.#certificate = undefined
  }

  #releaseSlot(): void {
    this.#slot?.held.release()
    this.#slot = undefined
  }

  /**
   * Takes the home slot if it is free, for a moment as yet: it says who holds it when there is work. Throws `lock` (71) when
   * it cannot be asked for.
   */
  tryHome(): void {
    const { home } = this.#options.job.lock
    if (home !== null) this.#trySlots([home])
  }

  /** Takes the certificate's lock if it is free. */
  tryCertificate(): boolean {
    this.#certificate ??= tryFolder(this.#options.legoCert)
    return this.#certificate !== undefined
  }

  /** Takes the certificate's lock and a slot, waiting for them. Throws `later` (75) when the patience ends. */
  async takeAll(): Promise<void> {
    await this.#takeCertificate()
    await this.takeSlot()
  }

  /** Runs `work` while nobody else works on the account in this folder. */
  async withAccount<T>(accountRoot: string, work: () => Promise<T>): Promise<T> {
    const { log } = this.#options
    const held = await this.#wait(
      () => tryFolder(accountRoot),
      { seconds: accountPatience, what: 'the registration of the account by another run' },
      () => log.waiting('waiting: another run registers the account'),
    )
    try {
      return await work()
    } finally {
      held.release()
    }
  }

  async #takeCertificate(): Promise<void> {
    if (this.tryCertificate()) return
    // The other run may need the very slot that we hold.
    this.#releaseSlot()
    const { legoCert, patience, log } = this.#options
    this.#certificate = await this.#wait(
      () => tryFolder(legoCert),
      { seconds: patience, what: 'the other run for this certificate' },
      () => log.waiting('waiting: another run works on this certificate'),
    )
  }

  /** Takes a slot as the policy says, waiting for it, and has it tell so. Throws `later` (75) when the patience ends. */
  async takeSlot(): Promise<void> {
    if (!this.#slot) await this.#waitForSlot()
    const { job, host } = this.#options
    this.#slot?.held.tell({ cert: job.cert, pid: host.pid, since: host.now() })
  }

  async #waitForSlot(): Promise<void> {
    const { job, patience, log, roots, host } = this.#options
    const { home, policy, slots } = job.lock
    if (home === null) return
    const others = Array.from({ length: slots }, (_, i) => i + 1).filter((n) => n !== home)
    const wanted = policy === 'any' ? [home, ...others] : [home]
    const what = policy === 'any' ? `one of the ${slots} slots` : `slot ${home}`
    const path = slotPath(roots, home)
    let told = host.now().getTime()
    await this.#wait(
      () => {
        const got = this.#trySlots(wanted)
        if (!got && host.now().getTime() >= told + newsEvery) {
          told = host.now().getTime()
          log.progress(`waiting for ${what}, ${holderWords(path)}`)
        }
        return got
      },
      { seconds: patience, what },
      () => {
        const who = holderWords(path)
        log.waiting(`waiting for ${what}: '${path}' is ${who}`, `waiting for ${what}, ${who}`)
      },
    )
  }

  #trySlots(numbers: readonly number[]): true | undefined {
    if (this.#slot) return true
    const { roots } = this.#options
    ensureRuntime(roots)
    for (const number of numbers) {
      const held = trySlot(slotPath(roots, number))
      if (!held) continue
      this.#slot = { held, number }
      return true
    }
    return undefined
  }

  #wait<T>(
    attempt: () => T | undefined,
    { seconds, what }: { readonly seconds: number | null; readonly what: string },
    onWait: () => void,
  ): Promise<T> {
    const { now, interrupted } = this.#options.host
    return waitFor(attempt, { seconds, signal: interrupted, now, what, onWait })
  }
}

/** Who holds a slot, as the rest of a sentence. */
function holderWords(path: string): string {
  const holder = readHolder(path)
  return holder ? `held by '${holder.cert}' (process ${holder.pid}) since ${isoMinute(holder.since)}` : 'busy'
}

/** The folder of the lock files: tmpfiles or root made it, or it is ours (`--runtime-dir`). */
function ensureRuntime({ runtime }: Roots): void {
  try {
    ensureDir(runtime, { mode: 0o700 })
  } catch (cause) {
    throw runtimeError(runtime, cause)
  }
}

/** Words a failure to make the folder of the lock files: `lock` (71). */
export const runtimeError = (runtime: string, cause: unknown): NixacmeError =>
  new NixacmeError('lock', `cannot make the folder of the lock files, '${runtime}': ${systemWord(cause)}`, {
    cause,
    hints: ['make it, or name another one with --runtime-dir'],
  })
