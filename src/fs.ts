// Small file-system helpers, all synchronous: the offline half is a short run of small files, and a sync call costs least.
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { hasCode, readError } from './errors.ts'

/** `action()`, or undefined when the file (or a folder on its path) is not there. */
export function orAbsent<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch (e) {
    if (hasCode(e, 'ENOENT', 'ENOTDIR')) return undefined
    throw e
  }
}

/**
 * `dir`/`name`/…, all of them in order already: path.join would read them anew letter by letter, which V8 finds worth
 * optimising, and that takes longer than all else that a run with nothing to do does.
 */
export const under = (dir: string, ...names: readonly string[]): string => [dir, ...names].join('/')

/** What stands at `path`, links not followed, or undefined. */
export const lstatIfThere = (path: string): fs.Stats | undefined => fs.lstatSync(path, { throwIfNoEntry: false })

/** The bytes of a file, or undefined when it is not there. (Asked first: a system error costs more than the question.) */
export const readIfThere = (path: string): Buffer | undefined =>
  lstatIfThere(path) && orAbsent(() => fs.readFileSync(path))

/** A text, or undefined when it is not there. Throws `permission` (77) or `data` (65), with these hints. */
export function readTextIfThere(path: string, hints: readonly string[] = []): string | undefined {
  try {
    return readIfThere(path)?.toString()
  } catch (e) {
    throw readError(path, e, hints)
  }
}

/** Makes a rename or a new name in `dir` durable. */
export function syncDir(dir: string): void {
  const fd = fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

export interface FileMode {
  /** Permission bits, e.g. 0o640: set whatever the umask says. */
  readonly mode: number
  /** Numeric group, or undefined to keep the one the system gives. */
  readonly gid?: number | undefined
}

export interface FileOptions extends FileMode {
  /** It serves this run alone: nobody misses it after a power cut, and nothing is synced. */
  readonly isPassing?: boolean
}

/**
 * Creates `path`, which must not exist (never follows a link), with its mode and group set before the content, and syncs
 * it. Throws the system's error; a half-written file is removed.
 */
export function writeNew(path: string, content: string | Uint8Array, { mode, gid, isPassing }: FileOptions): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    if (gid !== undefined && fs.fstatSync(fd).gid !== gid) fs.fchownSync(fd, -1, gid)
    fs.fchmodSync(fd, mode)
    fs.writeFileSync(fd, content)
    if (!isPassing) fs.fsyncSync(fd)
  } catch (e) {
    fs.rmSync(path, { force: true })
    throw e
  } finally {
    fs.closeSync(fd)
  }
}

// From anywhere, not from 0: in a container each run may have the same process id, and find what a killed one left.
let temporaries = Math.floor(Math.random() * 1e9)

/** A name in `dir` that no other process and no other call uses; starts with a dot. */
export const temporaryName = (dir: string, stem: string): string =>
  join(dir, `.${stem}.${process.pid}-${++temporaries}.tmp`)

/** What killed runs leave behind, which no reader ever looks at: `.<stem>.<pid>[-<n>].tmp`. */
export const isTemporary = (name: string): boolean => /^\..+\.\d+(-\d+)?\.tmp$/.test(name)

/**
 * Removes the temporary files and folders in `dir`, if `dir` is there. To be called before new ones are made: where
 * process ids repeat (each run of a container has the same), an old one has the very name that is wanted now. The caller
 * holds the lock under which they are made. Throws the system's error.
 */
export function removeTemporaries(dir: string): void {
  for (const name of orAbsent(() => fs.readdirSync(dir)) ?? []) {
    if (isTemporary(name)) fs.rmSync(under(dir, name), { recursive: true, force: true })
  }
}

/**
 * Replaces `path` in one step: temporary file in the same folder, mode and group before content, synced, renamed. A
 * reader sees the old file or the new one, and a failure leaves the old one. Throws the system's error.
 */
export function writeAtomically(path: string, content: string | Uint8Array, options: FileOptions): void {
  const dir = dirname(path)
  const temporary = temporaryName(dir, path.slice(dir.length + 1))
  writeNew(temporary, content, options)
  try {
    fs.renameSync(temporary, path)
  } catch (e) {
    fs.rmSync(temporary, { force: true })
    throw e
  }
  if (!options.isPassing) syncDir(dir)
}

/**
 * Creates a folder with exactly this mode and group when it is missing; one that is there is left as it is. The mode is
 * there from the beginning, whatever the umask: a kill cannot leave a folder that shuts everybody else out.
 */
export function ensureDir(path: string, { mode, gid }: FileMode): void {
  if (orAbsent(() => fs.statSync(path))?.isDirectory()) return
  const umask = process.umask(0)
  try {
    fs.mkdirSync(path, { mode })
  } catch (e) {
    // Somebody else made it meanwhile.
    if (hasCode(e, 'EEXIST') && fs.statSync(path).isDirectory()) return
    throw e
  } finally {
    process.umask(umask)
  }
  if (gid !== undefined && fs.lstatSync(path).gid !== gid) fs.lchownSync(path, -1, gid)
}

/** As `ensureDir`, with all folders above it that are missing; they get the same mode and group. */
export function ensureDirs(path: string, mode: FileMode): void {
  if (fs.existsSync(path)) return
  ensureDirs(dirname(path), mode)
  ensureDir(path, mode)
}
