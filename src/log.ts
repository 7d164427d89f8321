// All that nixacme says to a person goes through here. The rules: stderr only; program name first except in the journal
// (which adds it); lower case, no full stop, names in single quotes; what to do next on a line of its own, as a hint.
// Info: decisions and waits. Notice: the world changed. Warning: going on all the same ("…, ignoring"). Error: once, at the end.
// Under systemd, waits and work are the unit's status too, and what ends a run has fields in the journal.

import type { NixacmeError } from './errors.ts'
import type { Host } from './host.ts'

type Level = 'error' | 'warning' | 'notice' | 'info'
type Painter = (text: string) => string

/** Priorities of syslog(3), which sd-daemon(3) takes as line prefixes. */
const priorities: Record<Level, number> = { error: 3, warning: 4, notice: 5, info: 6 }

/** What a message is about, as fields of the journal: NIXACME_CERT=, NIXACME_ACTION=, NIXACME_PROBLEM=. */
export interface Fields {
  readonly cert: string
  /** `run`, `renew`, …; undefined where none was decided. */
  readonly action: string | undefined
  /** The CA's problem type without its namespace, or the kind of our error. */
  readonly problem?: string
}

export interface Log {
  error(message: string, hints?: readonly string[], fields?: Fields): void
  warning(message: string, hints?: readonly string[]): void
  notice(message: string, fields?: Fields): void
  info(message: string, hints?: readonly string[]): void
  /** The same log with `<prefix>: ` before each message, as a rule a certificate's name. */
  about(prefix: string): Log
  /** An info that a wait begins; in `short` words it is the unit's status. */
  waiting(message: string, short?: string): void
  /** Work that takes time: the unit's status, and on a terminal one line that the next message replaces. */
  progress(message: string): void
}

export interface Paint {
  red: Painter
  yellow: Painter
  green: Painter
  cyan: Painter
  dim: Painter
  bold: Painter
}

const plain: Paint = { red: same, yellow: same, green: same, cyan: same, dim: same, bold: same }

function same(text: string): string {
  return text
}

/** The colours for an output: none unless it is a terminal and NO_COLOR (no-color.org) is unset or empty. */
export async function paintFor(host: Host, output: Host['stdout']): Promise<Paint> {
  if (host.env['NO_COLOR'] || host.env['TERM'] === 'dumb' || !output.isTerminal) return plain
  const { Chalk } = await import('chalk')
  return new Chalk({ level: 1 })
}

/** Control characters would let a CA's words or a file's name write on the terminal: they are shown, not sent. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
  text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')

/** `quiet`: no infos, hence no decisions and waits. */
export const createLog = async (host: Host, { quiet = false } = {}): Promise<Log> =>
  logWith(host, await paintFor(host, host.stderr), quiet)

/** The log without colours: for where there is no terminal. */
export const plainLog = (host: Host): Log => logWith(host, plain, false)

function logWith(host: Host, paint: Paint, quiet: boolean): Log {
  const journal = host.stderrIsJournal
  const colour: Record<Level, Painter> = { error: paint.red, warning: paint.yellow, notice: paint.green, info: same }
  const animated = !journal && host.stderr.isTerminal && host.env['TERM'] !== 'dumb'
  let progressShown = false

  const line = (level: Level, text: string) => {
    const start = journal ? `<${priorities[level]}>` : 'nixacme: '
    host.stderr.write(`${progressShown ? '\r\u001b[K' : ''}${start}${text}\n`)
    progressShown = false
  }
  const say = (level: Level, text: string, hints: readonly string[] = [], fields?: Fields) => {
    const word = level === 'error' || level === 'warning' ? `${colour[level](`${level}:`)} ` : ''
    const first = word + (level === 'notice' ? colour.notice(printable(text)) : printable(text))
    const lines = [first, ...hints.map((hint) => `${paint.cyan('hint:')} ${printable(hint)}`)]
    if (fields && journal && host.journal(entryOf(level, lines, fields))) return
    for (const text of lines) line(level, text)
  }
  const about = (prefix: string): Log => ({
    error: (message, hints, fields) => say('error', prefix + message, hints, fields),
    warning: (message, hints) => say('warning', prefix + message, hints),
    notice: (message, fields) => say('notice', prefix + message, [], fields),
    info: (message, hints) => (quiet ? undefined : say('info', prefix + message, hints)),
    about: (inner) => about(`${prefix}${inner}: `),
    waiting(message, short = message) {
      if (!quiet) say('info', prefix + message)
      host.status(printable(prefix + short))
    },
    progress(message) {
      host.status(printable(prefix + message))
      if (!animated) return
      host.stderr.write(`\r\u001b[K${paint.dim(printable(`${prefix}${message}`).slice(0, host.stderr.columns - 1))}`)
      progressShown = true
    },
  })
  return about('')
}

/** A journal entry: the lines as one message, and the fields. */
const entryOf = (level: Level, lines: readonly string[], { cert, action, problem }: Fields): string[] => [
  `PRIORITY=${priorities[level]}`,
  'SYSLOG_IDENTIFIER=nixacme',
  ...lines.map((text) => `MESSAGE=${text}`),
  ...Object.entries({ CERT: cert, ACTION: action, PROBLEM: problem }).flatMap(([name, value]) =>
    value === undefined ? [] : [`NIXACME_${name}=${printable(value)}`],
  ),
]

/** Says an error with its hints; `about`: the certificate whose run it ends. */
export const logError = (log: Log, e: NixacmeError, about?: Omit<Fields, 'problem'>): void =>
  log.error(e.message, e.hints, about && { ...about, problem: e.problem })
