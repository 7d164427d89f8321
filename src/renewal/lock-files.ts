// The lock files of the slots, as many as there are slots (contract 1.13). One that is held is never removed: its holder
// and whoever came after a new file of that name would both have the slot.
import * as fs from 'node:fs'
import { hasCode, NixacmeError, systemWord } from '../errors.ts'
import { lstatIfThere, orAbsent } from '../fs.ts'
import { type Roots, slotPath } from '../job/paths.ts'
import { byBytes } from '../job/slots.ts'
import { tryFile } from './lock.ts'

const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = fs.constants
const fileMode = 0o600

export interface Outcome {
  /** Paths of files that went. */
  readonly removed: readonly string[]
  /** Paths of files that are to go, once their holders are done. */
  readonly held: readonly string[]
}

/**
 * Makes `1.lock` … `<slots>.lock` in the folder of the lock files, which is there, and removes all other plain files that
 * nobody holds. Folders, links and the like are left alone. Throws `lock` (71).
 */
export function arrangeLockFiles(roots: Roots, slots: number): Outcome {
  const wanted = Array.from({ length: slots }, (_, i) => slotPath(roots, i + 1))
  for (const path of wanted) ensureLockFile(path)
  const keep = new Set(wanted)
  const removed: string[] = []
  const held: string[] = []
  for (const name of namesIn(roots.runtime)) {
    const path = `${roots.runtime}/${name}`
    if (keep.has(path) || !lstatIfThere(path)?.isFile()) continue
    const isGone = removeFree(path)
    if (isGone) removed.push(path)
    else if (isGone === false) held.push(path)
  }
  return { removed, held }
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort(byBytes)
  } catch (cause) {
    throw new NixacmeError('lock', `cannot look into '${folder}': ${systemWord(cause)}`, { cause })
  }
}

/** Makes a lock file that is missing, without touching the text or the lock of one that is there. */
function ensureLockFile(path: string): void {
  try {
    const fd = fs.openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, fileMode)
    try {
      const stat = fs.fstatSync(fd)
      if (!stat.isFile()) throw new Error('not a file')
      if ((stat.mode & 0o7777) !== fileMode) fs.fchmodSync(fd, fileMode)
    } finally {
      fs.closeSync(fd)
    }
  } catch (cause) {
    throw new NixacmeError('lock', `'${path}' cannot be a lock file: ${systemWord(cause)}`, {
      cause,
      hints: [
        hasCode(cause, 'EACCES', 'EPERM')
          ? 'it belongs to another user: remove it while no renewal runs'
          : 'remove what stands there',
      ],
    })
  }
}

/** Removes a file under its own lock. False when it is held; undefined when somebody else removed it. */
function removeFree(path: string): boolean | undefined {
  let lock: ReturnType<typeof tryFile>
  try {
    lock = tryFile(path)
  } catch (e) {
    // take() in lock.ts keeps the system's error as the cause.
    if (e instanceof NixacmeError && hasCode(e.cause, 'ENOENT')) return undefined
    throw e
  }
  if (!lock) return false
  try {
    return orAbsent(() => fs.unlinkSync(path) ?? true)
  } catch (cause) {
    throw new NixacmeError('lock', `cannot remove '${path}': ${systemWord(cause)}`, { cause })
  } finally {
    lock.release()
  }
}
