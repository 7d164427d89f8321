// `renew` in this process, with a state of its own and a CA that is a function: it hands out a prepared set.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Job } from '../../../src/job/job.ts'
import { pathsOf } from '../../../src/job/job.ts'
import type { CertPaths, Roots } from '../../../src/job/paths.ts'
import type { Log } from '../../../src/log.ts'
import type { Decision } from '../../../src/renewal/decision.ts'
import { type Outcome, type RenewOptions, renew, type Tools } from '../../../src/renewal/renew.ts'
import type { StoredSet } from '../../../src/renewal/state.ts'
import type { NewCertificate } from '../../../src/renewal/store.ts'
import { temporaryDir } from '../../support/process.ts'
import { makeJob } from './lock-job.ts'

export type Obtain = Tools['obtain']

export interface Start extends Partial<RenewOptions> {
  readonly job?: Job
  readonly now?: () => Date
  readonly builtAt?: Date
  readonly signal?: AbortSignal
  /** Default: the CA must not be asked. */
  readonly obtain?: Obtain
  /** Default: nothing is there to be taken away. */
  readonly clearChallenges?: () => Promise<void>
}

/** A run on its way. */
export interface Run {
  readonly outcome: Promise<Outcome>
  readonly decisions: readonly Decision[]
  /** Each as `<level>: <message>`. */
  readonly said: readonly string[]
  /** Resolves with the first message that matches, past or to come. */
  heard(pattern: RegExp): Promise<string>
}

export interface Place {
  readonly dir: string
  readonly roots: Roots
  readonly job: Job
  readonly paths: CertPaths
  start(options?: Start): Run
  /** A run to its end. */
  run(options?: Start): Promise<Outcome>
}

/** Folders for `job`, with nothing in them. */
export function makePlace(t: { after(action: () => void): void }, job: Job = makeJob()): Place {
  const dir = temporaryDir(t)
  const roots = { state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }
  mkdirSync(roots.runtime)
  const start = (options: Start = {}): Run => {
    const said: string[] = []
    const decisions: Decision[] = []
    const waiting = new Set<() => void>()
    const say = (level: string) => (message: string) => {
      said.push(`${level}: ${message}`)
      for (const look of waiting) look()
    }
    const log: Log = {
      error: say('error'),
      warning: say('warning'),
      notice: say('notice'),
      info: say('info'),
      about: () => log,
      waiting: say('info'),
      progress() {},
    }
    const host = {
      now: options.now ?? (() => new Date()),
      builtAt: options.builtAt ?? new Date(0),
      pid: process.pid,
      interrupted: options.signal ?? new AbortController().signal,
    }
    const outcome = renew(
      options.job ?? job,
      { atOnce: options.atOnce ?? false, dryRun: options.dryRun ?? false, patience: options.patience },
      {
        roots,
        host,
        log,
        gid: undefined,
        onDecision: (decision) => decisions.push(decision),
        clearChallenges: options.clearChallenges ?? (() => Promise.reject(new Error('nothing was left'))),
        obtain: options.obtain ?? (() => Promise.reject(new Error('the CA was asked'))),
      },
    )
    outcome.catch(() => {})
    const heard = (pattern: RegExp) =>
      new Promise<string>((resolve, reject) => {
        const look = () => {
          const found = said.find((line) => pattern.test(line))
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        outcome.finally(() => reject(new Error(`ended without ${pattern}: ${said.join(' | ')}`))).catch(() => {})
        look()
      })
    return { outcome, decisions, said, heard }
  }
  return { dir, roots, job, paths: pathsOf(roots, job), start, run: (options) => start(options).outcome }
}

/** What the CA half gives for a set. */
export const issued = (set: StoredSet): NewCertificate & { stored(): void } => ({
  key: set.key,
  chain: set.chain,
  certUrl: 'https://ca.test/cert/1',
  stored() {},
})

/** A CA that gives `set`, and counts. */
export function handsOut(set: StoredSet): { obtain: Obtain; readonly calls: number } {
  let calls = 0
  return {
    obtain: async () => {
      calls++
      return issued(set)
    },
    get calls() {
      return calls
    },
  }
}
