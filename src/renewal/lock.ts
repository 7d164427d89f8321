// Locks that die with their holder: flock(2), taken without blocking and tried again, because a blocking one would sit in
// a thread that no signal reaches (DESIGN §5). Lock files of slots say who holds them; folders can be locked as they are.
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { hasCode, messageOf, NixacmeError, systemWord } from '../errors.ts'
import { orAbsent } from '../fs.ts'
import { sleep } from '../wait.ts'

export interface Held {
  readonly path: string
  release(): void
}

/** Who holds a slot, as its lock file says. */
export interface Holder {
  readonly cert: string
  readonly pid: number
  readonly since: Date
}

const { O_RDWR, O_CREAT, O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants

/** The native half of fs-ext: its other half wraps all of node:fs, which a short run would pay for. */
interface Binding {
  readonly constants: { readonly LOCK_EX: number; readonly LOCK_NB: number }
  flock(fd: number, operation: number): void
}

let binding: Binding | undefined

function loadBinding(): Binding {
  try {
    binding ??= createRequire(import.meta.url)('fs-ext/build/Release/fs_ext.node') as Binding
    return binding
  } catch (cause) {
    const [reason] = messageOf(cause).split('\n')
    throw new NixacmeError('lock', `no lock can be taken, as the package 'fs-ext' does not load: ${reason}`, {
      cause,
      hints: [
        "it is compiled at installation, for one version of Node: run 'npm rebuild fs-ext', or install nixacme again",
      ],
    })
  }
}

function flock(fd: number): boolean {
  const { flock, constants } = loadBinding()
  try {
    flock(fd, constants.LOCK_EX | constants.LOCK_NB)
    return true
  } catch (e) {
    if (hasCode(e, 'EAGAIN', 'EWOULDBLOCK')) return false
    throw e
  }
}

/** True when `path` still names the file that is open: a lock on a deleted file excludes nobody. */
const isStill = (path: string, open: fs.BigIntStats): boolean => {
  const now = orAbsent(() => fs.statSync(path, { bigint: true }))
  return now?.ino === open.ino && now.dev === open.dev
}

function take(path: string, flags: number): { fd: number; isEmpty: boolean } | undefined {
  try {
    for (;;) {
      const fd = fs.openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600)
      try {
        if (!flock(fd)) {
          fs.closeSync(fd)
          return undefined
        }
        const open = fs.fstatSync(fd, { bigint: true })
        if (isStill(path, open)) return { fd, isEmpty: open.size === 0n }
      } catch (e) {
        fs.closeSync(fd)
        throw e
      }
      fs.closeSync(fd)
    }
  } catch (cause) {
    if (cause instanceof NixacmeError) throw cause
    const denied = hasCode(cause, 'EACCES', 'EPERM')
    throw new NixacmeError('lock', `cannot take the lock '${path}': ${systemWord(cause)}`, {
      cause,
      hints: denied ? ["run as root or as user 'acme', or name a folder of your own with --runtime-dir"] : [],
    })
  }
}

/** The lock of a slot. */
export interface Slot extends Held {
  /** Has its file say who holds it: for whoever waits. */
  tell(holder: Holder): void
}

/** Takes the lock of a slot, or undefined when it is busy. The file is created when missing. */
export function trySlot(path: string): Slot | undefined {
  const taken = take(path, O_RDWR | O_CREAT)
  if (!taken) return undefined
  const { fd, isEmpty } = taken
  // Of one that was killed.
  if (!isEmpty) note(fd, '')
  let isTold = false
  return {
    path,
    tell({ cert, pid, since }) {
      isTold = true
      note(fd, `${cert} ${pid} ${since.toISOString()}\n`)
    },
    release() {
      if (isTold) note(fd, '')
      fs.closeSync(fd)
    },
  }
}

/** Replaces the text of a lock file. A full disk must not stop a renewal: the note is a courtesy, the lock is the kernel's. */
function note(fd: number, text: string): void {
  try {
    fs.ftruncateSync(fd)
    fs.writeSync(fd, text, 0)
  } catch {
    // As said above.
  }
}

/** Locks a folder that exists, or undefined when somebody else has it. */
export function tryFolder(path: string): Held | undefined {
  const taken = take(path, O_RDONLY | O_DIRECTORY)
  return taken && { path, release: () => fs.closeSync(taken.fd) }
}

/** Locks a file that exists, its text untouched, or undefined when somebody else has it. */
export function tryFile(path: string): Held | undefined {
  const taken = take(path, O_RDONLY)
  return taken && { path, release: () => fs.closeSync(taken.fd) }
}

/** Who holds a slot, or undefined where its file does not say (yet). */
export function readHolder(path: string): Holder | undefined {
  const [cert, pid, since] = (orAbsent(() => fs.readFileSync(path, 'utf8')) ?? '').trim().split(' ')
  const date = new Date(since ?? '')
  return cert && /^\d+$/.test(pid ?? '') && !Number.isNaN(date.getTime())
    ? { cert, pid: Number(pid), since: date }
    : undefined
}

export interface Patience {
  /** Seconds to wait at most; 0: not at all; null: as long as it takes. */
  readonly seconds: number | null
  readonly signal: AbortSignal
  readonly now: () => Date
  /** Called once, when the wait begins. */
  readonly onWait: () => void
  /** What is waited for, as in "gave up waiting for <what>". */
  readonly what: string
}

/** Pauses between two tries, in milliseconds: short at first, then easy on the processor; jittered so that waiters spread. */
const firstPause = 20
const longestPause = 500

/**
 * Tries `attempt` until it gives something. Throws `later` (75) when the patience ends or a signal comes (within
 * milliseconds, whoever holds the lock).
 */
export async function waitFor<T>(attempt: () => T | undefined, patience: Patience): Promise<T> {
  const first = attempt()
  if (first !== undefined) return first
  const { seconds, signal, now, what } = patience
  const start = now().getTime()
  if (seconds !== 0) patience.onWait()
  for (let pause = firstPause; ; pause = Math.min(pause * 1.5, longestPause)) {
    const left = seconds === null ? Number.POSITIVE_INFINITY : start + seconds * 1000 - now().getTime()
    if (left <= 0) {
      throw new NixacmeError(
        'later',
        seconds === 0 ? `${what} is busy` : `gave up waiting for ${what} after ${seconds} seconds`,
        {
          hints: ['the next run tries again; --wait or lockTimeout say how long to wait'],
        },
      )
    }
    await sleep(Math.min(left, pause * (0.5 + Math.random())), signal)
    const got = attempt()
    if (got !== undefined) return got
  }
}
