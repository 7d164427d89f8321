// The world outside, gathered once: nobody else reads process.env, the clock, the ids, or ends the process.
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { hasCode } from './errors.ts'
import { statusSender, writeJournal } from './service-manager.ts'

export interface Output {
  /** Writes all of `text` before it returns; a reader that went away is ignored. */
  write(text: string): void
  readonly isTerminal: boolean
  /** Columns of the terminal, 80 where unknown. */
  readonly columns: number
}

export interface Identity {
  readonly uid: number
  readonly gid: number
  /** All groups of the process, supplementary ones too. */
  readonly groups: readonly number[]
}

export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>
  now(): Date
  readonly pid: number
  readonly identity: Identity
  readonly stdout: Output
  readonly stderr: Output
  /** True when stderr goes to the systemd journal: $JOURNAL_STREAM names the device and inode of fd 2 (systemd.exec(5)). */
  readonly stderrIsJournal: boolean
  /** Tells the service manager in a few words what this process is doing, where it listens ($NOTIFY_SOCKET). */
  status(text: string): void
  /** Writes one entry, lines of `FIELD=value`, to the journal; false when it cannot: then a plain line has to do. */
  journal(entry: readonly string[]): boolean
  /** Aborted by SIGTERM, SIGINT or SIGHUP, with the signal's name as reason. The first use installs the handlers. */
  readonly interrupted: AbortSignal
  /** The command line that starts this program anew: executable, its own flags, script. */
  readonly self: readonly string[]
  /** This program's own version. */
  readonly version: string
  /** The release's date; a clock that reads less is wrong. */
  readonly builtAt: Date
  /** Everything there is to read on file descriptor `fd`. */
  readAll(fd: number): string
  /**
   * The end of the run, with this exit status. A unit's run that a signal has ended dies of it: systemd then knows that it
   * was stopped, while by any status of ours the unit would have failed.
   */
  end(status: number): void
  /** Gives up root for good; the groups replace the supplementary ones. */
  become(identity: Identity): void
}

// Filled in by the build.
declare const NIXACME_BUILT_AT: string | undefined
declare const NIXACME_VERSION: string | undefined

function output(fd: number): Output {
  let terminal: boolean | undefined
  const isTerminal = () => {
    if (terminal === undefined) {
      // node:tty loads the network stack: ask it only about what can be a terminal.
      terminal = mayBeTerminal(fd) && (createRequire(import.meta.url)('node:tty').isatty(fd) as boolean)
    }
    return terminal
  }
  return {
    write(text) {
      let rest = Buffer.from(text)
      while (rest.length > 0) {
        try {
          rest = rest.subarray(fs.writeSync(fd, rest))
        } catch (e) {
          if (hasCode(e, 'EPIPE', 'EBADF')) return
          if (!hasCode(e, 'EAGAIN')) throw e
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
        }
      }
    },
    get isTerminal() {
      return isTerminal()
    },
    get columns() {
      return (isTerminal() && process.stdout.columns) || 80
    },
  }
}

/** Major number of the memory devices, /dev/null among them (Linux, devices.txt). */
const memoryDevices = 1

function mayBeTerminal(fd: number): boolean {
  try {
    const stat = fs.fstatSync(fd)
    return stat.isCharacterDevice() && stat.rdev >> 8 !== memoryDevices
  } catch {
    return false
  }
}

function isJournal(fd: number, journalStream: string | undefined): boolean {
  if (!journalStream) return false
  try {
    const { dev, ino } = fs.fstatSync(fd, { bigint: true })
    return journalStream === `${dev}:${ino}`
  } catch {
    return false
  }
}

export function systemHost(): Host {
  let interrupted: AbortSignal | undefined
  return {
    env: process.env,
    now: () => new Date(),
    pid: process.pid,
    get identity() {
      return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [] }
    },
    stdout: output(1),
    stderr: output(2),
    stderrIsJournal: isJournal(2, process.env['JOURNAL_STREAM']),
    status: statusSender(process.env),
    journal: (entry) => writeJournal(entry, process.env),
    get interrupted() {
      if (!interrupted) {
        const controller = new AbortController()
        for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => controller.abort(name))
        interrupted = controller.signal
      }
      return interrupted
    },
    get self() {
      return [process.execPath, ...process.execArgv, process.argv[1] ?? '']
    },
    version: typeof NIXACME_VERSION === 'string' ? NIXACME_VERSION : '0.0.0',
    builtAt: new Date(typeof NIXACME_BUILT_AT === 'string' ? NIXACME_BUILT_AT : 0),
    readAll: (fd) => fs.readFileSync(fd, 'utf8'),
    end(status) {
      const signal = interrupted?.aborted && process.env['INVOCATION_ID'] ? interrupted.reason : undefined
      if (signal && status !== 0) {
        process.removeAllListeners(signal)
        process.kill(process.pid, signal)
      }
      process.exitCode = status
    },
    become({ uid, gid, groups }) {
      process.setgroups?.([...groups])
      process.setgid?.(gid)
      process.setuid?.(uid)
    },
  }
}
