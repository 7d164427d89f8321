// A process that does what it is told, a line of JSON at a time, through the real `renew`: locks as in a real run, but the
// CA is a pause, framed by two lines in a file that all workers append to. Ends when stdin does.
import * as fs from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { NixacmeError } from '../../../src/errors.ts'
import { systemHost } from '../../../src/host.ts'
import type { Job } from '../../../src/job/job.ts'
import { type Roots, slotPath } from '../../../src/job/paths.ts'
import type { Log } from '../../../src/log.ts'
import { readHolder } from '../../../src/renewal/lock.ts'
import { renew } from '../../../src/renewal/renew.ts'

export interface Assignment {
  readonly round: number
  readonly job: Job
  readonly roots: Roots
  /** The file that enters and leaves are written to. */
  readonly events: string
  readonly delayMs: number
  readonly holdMs: number
  /** To hold the account's lock too, for so long; undefined: not at all. */
  readonly accountMs: number | undefined
}

export type Word =
  | { readonly said: 'ready' }
  | { readonly said: 'waiting' | 'holding'; readonly round: number }
  /** `status` is the exit status that a command would have; 0 when the work was reached. */
  | { readonly said: 'done'; readonly round: number; readonly status: number; readonly message: string }

const say = (word: Word) => fs.writeSync(1, `${JSON.stringify(word)}\n`)
const host = systemHost()
const { interrupted } = host

const silent = (onInfo: (message: string) => void): Log => ({
  error() {},
  warning() {},
  notice() {},
  info: onInfo,
  about: () => silent(onInfo),
  waiting: onInfo,
  progress() {},
})

async function perform({ round, job, roots, events, delayMs, holdMs, accountMs }: Assignment): Promise<void> {
  const log = fs.openSync(events, fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT)
  /** One write, so that lines of several processes do not mix. CLOCK_MONOTONIC is the same for all of them. */
  const note = (what: 'enter' | 'leave', key: string) =>
    fs.writeSync(log, `${what} ${key} ${process.pid} ${round} ${process.hrtime.bigint()}\n`)
  const during = async (key: string, ms: number) => {
    note('enter', key)
    if (ms > 0) await sleep(ms)
    note('leave', key)
  }
  /** The slot that our own words stand in. */
  const slot = () =>
    Array.from({ length: job.lock.slots }, (_, i) => i + 1).find(
      (n) => readHolder(slotPath(roots, n))?.pid === process.pid,
    ) ?? 0
  let reached = false
  const done = (status: number, message: string) => say({ said: 'done', round, status, message })
  try {
    await sleep(delayMs)
    await renew(
      job,
      { atOnce: true, dryRun: false, patience: undefined },
      {
        roots,
        host,
        log: silent((message) => {
          if (message.startsWith('waiting')) say({ said: 'waiting', round })
        }),
        gid: undefined,
        onDecision() {},
        async clearChallenges() {},
        async obtain(_job, { withAccountLock }) {
          reached = true
          say({ said: 'holding', round })
          const key = `slot${slot()}`
          note('enter', key)
          note('enter', `cert:${job.cert}`)
          if (holdMs > 0) await sleep(holdMs)
          if (accountMs !== undefined)
            await withAccountLock(() => during(`account:${job.servers[0].hashes.account}`, accountMs))
          note('leave', `cert:${job.cert}`)
          note('leave', key)
          throw new NixacmeError('later', 'this far and no further')
        },
      },
    )
    done(70, 'renew came back')
  } catch (e) {
    if (interrupted.aborted) process.exit(75)
    if (reached && e instanceof NixacmeError && e.kind === 'later') done(0, '')
    else done(e instanceof NixacmeError ? e.exitStatus : 70, String(e))
  } finally {
    fs.closeSync(log)
  }
}

say({ said: 'ready' })
for await (const line of createInterface({ input: process.stdin })) await perform(JSON.parse(line))
