// What systemd is told besides lines on stderr: the state of a unit (`Status:` in `systemctl status`), and journal entries
// with fields. Both go to datagram sockets, which Node does not have, so programs of every systemd machine send them:
// systemd-notify(1) and logger(1). They are started here and not through process.ts, because its execa costs 100 ms, and
// memory in a process that only waits for its slot. Nothing in here can fail a run.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

type Environment = Readonly<Record<string, string | undefined>>

/** Loaded at the first use: a run with nothing to do never needs it. */
const childProcess = (): typeof import('node:child_process') => createRequire(import.meta.url)('node:child_process')

/** Milliseconds after which a systemd-notify that hangs is ended. */
const notifyPatience = 10_000
/** systemd drops notifications from 4096 bytes on, and nobody reads that much in a status line. */
const longestStatus = 500

/**
 * A function that tells the service manager what this process is doing; without $NOTIFY_SOCKET (sd_notify(3)) it does
 * nothing. It returns at once. One child at a time; of what comes meanwhile only the last is sent. None keeps the process
 * from ending.
 */
export function statusSender(env: Environment): (text: string) => void {
  if (!env['NOTIFY_SOCKET']) return () => {}
  let wanted: string | undefined
  let isBusy = false
  let isBroken = false
  const send = (text: string) => {
    isBusy = true
    const child = childProcess().spawn('systemd-notify', [`--status=${text}`], {
      env: { PATH: env['PATH'], NOTIFY_SOCKET: env['NOTIFY_SOCKET'] },
      stdio: 'ignore',
    })
    const limit = setTimeout(() => child.kill('SIGKILL'), notifyPatience).unref()
    child.unref()
    child.once('error', () => {
      isBroken = true
    })
    child.once('exit', () => {
      clearTimeout(limit)
      isBusy = false
      if (wanted !== undefined && wanted !== text) send(wanted)
    })
  }
  return (text) => {
    const status = text.slice(0, longestStatus)
    if (isBroken || status === wanted) return
    wanted = status
    try {
      if (!isBusy) send(status)
    } catch {
      isBroken = true
    }
  }
}

export interface JournalSettings {
  /** Where the journal takes entries with fields. */
  readonly socket: string
  /** There when systemd knows the processes of units by cgroup v2: in v1 the dead belong to no unit (cgroups(7)). */
  readonly cgroup2: string
  /** Milliseconds after which the journal is given up. */
  readonly patience: number
}

const ofThisMachine: JournalSettings = {
  socket: '/run/systemd/journal/socket',
  cgroup2: '/sys/fs/cgroup/cgroup.controllers',
  patience: 5000,
}

/**
 * journald looks up the unit of an entry by its sender's process id when it reads the entry, a tenth of a second later on a
 * busy machine; a sender that is gone by then has no unit, and `journalctl -u` would not show the entry. So `sleep` takes
 * the place of the shell, without ever collecting logger: dead but not gone, that one keeps its unit. logger's echo says
 * that the entry was sent.
 */
const sendAndLinger = 'exec 3<&0; logger --journald --stderr <&3 3<&- & exec sleep 0.2 2>&- 3<&-'

/**
 * Writes one journal entry, lines of `FIELD=value` (systemd.journal-fields(7); several MESSAGE lines are one text), and
 * waits for it: a fifth of a second. False when it cannot be done, or not so that the unit's log would show it.
 */
export function writeJournal(entry: readonly string[], env: Environment, settings = ofThisMachine): boolean {
  const { socket, cgroup2, patience } = settings
  try {
    if (!existsSync(socket) || !existsSync(cgroup2)) return false
    const { stderr } = childProcess().spawnSync('sh', ['-c', sendAndLinger], {
      env: { PATH: env['PATH'] },
      input: `${entry.join('\n')}\n`,
      stdio: ['pipe', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: patience,
      killSignal: 'SIGKILL',
    })
    return typeof stderr === 'string' && stderr.includes('MESSAGE=') && !/^logger: /m.test(stderr)
  } catch {
    return false
  }
}
