// All that nixacme says to a person goes through here. The rules: stderr only; program name first except in the journal
// (which adds it); lower case, no full stop, names in single quotes; what to do next on a line of its own, as a hint.
// Info: decisions and waits. Notice: the world changed. Warning: going on all the same ("…, ignoring"). Error: once, at the end.

import type { NixacmeError } from './errors.ts'
import type { Host } from './host.ts'

type Level = 'error' | 'warning' | 'notice' | 'info'
type Painter = (text: string) => string

/** Priorities of syslog(3), which sd-daemon(3) takes as line prefixes. */
const priorities: Record<Level, number> = { error: 3, warning: 4, notice: 5, info: 6 }

export interface Log {
  error(message: string, hints?: readonly string[]): void
  warning(message: string, hints?: readonly string[]): void
  notice(message: string): void
  info(message: string, hints?: readonly string[]): void
  /** The same log with `<prefix>: ` before each message, as a rule a certificate's name. */
  about(prefix: string): Log
  /** Long work, on a terminal only: one line that the next message replaces. */
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
  const say = (level: Level, prefix: string, message: string, hints: readonly string[] = []) => {
    const word = level === 'error' || level === 'warning' ? `${colour[level](`${level}:`)} ` : ''
    const text = printable(prefix + message)
    line(level, word + (level === 'notice' ? colour.notice(text) : text))
    for (const hint of hints) line(level, `${paint.cyan('hint:')} ${printable(hint)}`)
  }
  const about = (prefix: string): Log => ({
    error: (message, hints) => say('error', prefix, message, hints),
    warning: (message, hints) => say('warning', prefix, message, hints),
    notice: (message) => say('notice', prefix, message),
    info: (message, hints) => (quiet ? undefined : say('info', prefix, message, hints)),
    about: (inner) => about(`${prefix}${inner}: `),
    progress(message) {
      if (!animated) return
      host.stderr.write(`\r\u001b[K${paint.dim(printable(`${prefix}${message}`).slice(0, host.stderr.columns - 1))}`)
      progressShown = true
    },
  })
  return about('')
}

/** Says an error with its hints. */
export const logError = (log: Log, e: NixacmeError): void => log.error(e.message, e.hints)
