// What is wrong with a config: every fault with its place, gathered over all files, thrown once.
import { NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'

/** Both count from 1; columns in UTF-16 code units, as editors do. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface Place {
  readonly file: string
  readonly at: Position | null
  /** The way to the option: keys, and numbers for places in a list. */
  readonly path: readonly (string | number)[]
}

export interface Fault {
  readonly file: string
  readonly line: number | null
  readonly column: number | null
  /** As an admin would write it: `certs."example.com".webroot`; '' for the file as a whole. */
  readonly path: string
  readonly message: string
  readonly hint: string | null
}

/** `certs."example.com".extraDomainNames[1]`: keys are quoted where TOML needs it. */
export const optionPath = (path: readonly (string | number)[]): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const key = /^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part)
    return text === '' ? key : `${text}.${key}`
  }, '')

/** `file:line:column: path: sentence`, without the parts that are not known. */
export function formatFault({ file, line, column, path, message }: Fault): string {
  const place = [file, line, column].filter((part) => part !== null).join(':')
  return [place, path, message].filter((part) => part !== '').join(': ')
}

/** All faults of one reading of the config (status 78, or 77 when a file may not be read). `faults` is never empty. */
export class ConfigError extends NixacmeError {
  override readonly name = 'ConfigError'
  readonly faults: readonly Fault[]
  readonly warnings: readonly string[]

  constructor(faults: readonly Fault[], more: { warnings?: readonly string[]; denied?: boolean } = {}) {
    const [first] = faults.map(formatFault)
    const count = faults.length > 1 ? `${faults.length} faults in the config, the first: ` : ''
    const hint = faults[0]?.hint ?? null
    super(more.denied ? 'permission' : 'config', `${count}${first ?? 'the config has faults'}`, {
      hints: hint === null ? [] : [hint],
    })
    this.faults = faults
    this.warnings = more.warnings ?? []
  }
}

/** Says each fault once, with its hint: what a command does with a ConfigError instead of saying its message. */
export function sayFaults(log: Log, { faults }: ConfigError): void {
  for (const fault of faults) log.error(formatFault(fault), fault.hint === null ? [] : [fault.hint])
}

/** Gathers faults and warnings while the config is read. */
export class Findings {
  readonly #faults: Fault[] = []
  readonly #warnings: string[] = []
  #denied = false

  fault(place: Place, message: string, hint: string | null = null): void {
    this.#faults.push(toFault(place, message, hint))
  }

  /** A file that may not be read: the run then ends with the status for that. */
  denied(place: Place, message: string, hint: string | null = null): void {
    this.#denied = true
    this.fault(place, message, hint)
  }

  warning(place: Place, message: string): void {
    this.#warnings.push(formatFault(toFault(place, message, null)))
  }

  get warnings(): readonly string[] {
    return this.#warnings
  }

  /**
   * Throws all faults so far, by file and line; `files` is the order in which the files were read. What every certificate
   * has from defaults is told once.
   */
  throwIfAny(files: readonly string[]): void {
    if (this.#faults.length === 0) return
    const rank = new Map(files.map((file, i) => [file, i]))
    const last = files.length
    const distinct = new Map(this.#faults.map((fault) => [JSON.stringify(fault), fault]))
    const faults = [...distinct.values()].sort(
      (a, b) =>
        (rank.get(a.file) ?? last) - (rank.get(b.file) ?? last) ||
        (a.line ?? 0) - (b.line ?? 0) ||
        (a.column ?? 0) - (b.column ?? 0),
    )
    throw new ConfigError(faults, { warnings: this.#warnings, denied: this.#denied })
  }
}

const toFault = ({ file, at, path }: Place, message: string, hint: string | null): Fault => ({
  file,
  line: at?.line ?? null,
  column: at?.column ?? null,
  path: optionPath(path),
  message,
  hint,
})
