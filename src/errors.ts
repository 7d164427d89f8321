// Every way to fail, with its exit status: the table of nixacme(1), EXIT STATUS, and the only place where a number is chosen.

/** Exit statuses (sysexits.h names where one fits); the manual says what each means. */
export const exitStatuses = {
  ok: 0,
  hook: 1,
  usage: 64,
  data: 65,
  unavailable: 69,
  bug: 70,
  lock: 71,
  write: 73,
  expiring: 74,
  later: 75,
  refused: 76,
  permission: 77,
  config: 78,
} as const

export type ErrorKind = Exclude<keyof typeof exitStatuses, 'ok'>

/** What a refusal says beside its words. */
export interface Refusal {
  /** Seconds that the CA asks to wait, where it does. */
  readonly retryAfter: number | undefined
  /** https URLs that explain it, or lift a pause. */
  readonly links: readonly string[]
  /** The names that could not be validated. */
  readonly unproven: readonly string[]
  /** The same order would end like this again, and cost a certificate each time. */
  readonly isLasting?: boolean
}

/**
 * The base of all errors that nixacme words itself. `message` is one sentence in lower case without a full stop;
 * `hints` say what to do next, one line each.
 */
export class NixacmeError extends Error {
  override readonly name: string = 'NixacmeError'
  readonly kind: ErrorKind
  readonly hints: readonly string[]

  constructor(kind: ErrorKind, message: string, options: { hints?: readonly string[]; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.kind = kind
    this.hints = options.hints ?? []
  }

  /** One word for what is wrong, for programs that read the journal: the kind, or the CA's own word. */
  get problem(): string {
    return this.kind
  }

  /** Of a CA, where it is one. */
  get refusal(): Refusal | undefined {
    return undefined
  }

  get exitStatus(): number {
    return exitStatuses[this.kind]
  }
}

/** What was to prove control over names failed on our side: no CA has said no, and with another one it would be no better. */
export class ProofError extends NixacmeError {
  override readonly name = 'ProofError'
  readonly #problem: string

  constructor(e: NixacmeError) {
    super(e.kind, e.message, { hints: e.hints, cause: e })
    this.#problem = e.problem
  }

  override get problem(): string {
    return this.#problem
  }
}

/** True for a Node.js system error with this code, e.g. `hasCode(e, 'ENOENT')`. */
export const hasCode = (e: unknown, ...codes: string[]): e is NodeJS.ErrnoException =>
  e instanceof Error && 'code' in e && typeof e.code === 'string' && codes.includes(e.code)

/** The words of whatever was thrown, without a stack. */
export const messageOf = (e: unknown): string => (e instanceof Error ? e.message : String(e))

const systemWords: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ELOOP: 'a symbolic link stands where none may be',
  EIO: 'input/output error',
  EMFILE: 'too many open files',
  EEXIST: 'already exists',
}

/** A system error in plain words ("permission denied"), else its message. */
export const systemWord = (e: unknown): string =>
  (e instanceof Error && 'code' in e && systemWords[String(e.code)]) || messageOf(e)

/** Words a failure to write `path` and gives it its status: 77 for permission, 73 for the rest. */
export function writeError(path: string, cause: unknown, hints: readonly string[] = []): NixacmeError {
  if (cause instanceof NixacmeError) return cause
  const kind = hasCode(cause, 'EACCES', 'EPERM') ? 'permission' : 'write'
  const space = hasCode(cause, 'ENOSPC', 'EDQUOT') ? ['free some space and run again; nothing was changed'] : []
  return new NixacmeError(kind, `cannot write '${path}': ${systemWord(cause)}`, { cause, hints: [...hints, ...space] })
}

/** Words a failure to read stored data at `path`: 77 for permission, 65 for the rest. */
export function readError(path: string, cause: unknown, hints: readonly string[] = []): NixacmeError {
  if (cause instanceof NixacmeError) return cause
  const kind = hasCode(cause, 'EACCES', 'EPERM') ? 'permission' : 'data'
  return new NixacmeError(kind, `cannot read '${path}': ${systemWord(cause)}`, { cause, hints })
}

/** For the `default` of a switch over a closed union: a new case does not compile until it is met. */
export function unreachable(value: never): never {
  throw new NixacmeError('bug', `unexpected value ${JSON.stringify(value)}`)
}

/** Does what must not hide a failure that is being told, should it fail, too. */
export function attempt(action: () => void): void {
  try {
    action()
  } catch {
    // A full disk, as a rule: the first failure is the one that matters.
  }
}
