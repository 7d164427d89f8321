// The `renewed` marker between the run that installs (user acme) and the one that runs the hook (root): up before the
// flip, gone only when hook and reloads have succeeded, so that each new certificate is told at least once (DESIGN §4).
// Root works here in a folder that acme can write: it opens the folder once without following a link, and from then on
// goes through that open folder, so that nothing swapped in later leads it elsewhere.
import * as fs from 'node:fs'
import { hasCode, NixacmeError, systemWord, writeError } from '../errors.ts'
import { lstatIfThere, orAbsent, under, writeAtomically } from '../fs.ts'

const markerName = 'renewed'
/** The marker while its hook runs, and after a hook that failed. */
const takenName = '.renewed.taken'
const markerMode = 0o640

/** Raises the marker in `out/`, over one that is up, whoever put it there. Throws the system's error. */
export const raiseMarker = (out: string, gid: number | undefined): void =>
  writeAtomically(under(out, markerName), '', { mode: markerMode, gid })

/** True when the marker is up and nobody has taken it. */
export const isRaised = (out: string): boolean => lstatIfThere(under(out, markerName)) !== undefined

/** True when there is something to tell. */
export const isPending = (out: string): boolean =>
  [markerName, takenName].some((name) => lstatIfThere(under(out, name)) !== undefined)

/** A folder held open: `path` leads to it, whatever its names lead to by now. */
export interface OpenFolder {
  readonly path: string
  /** By which it was found, for messages. */
  readonly name: string
  close(): void
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants

/**
 * Opens `<state>/<cert>`. The state root may be a link (its parent is root's), the folder in it may not. Undefined when
 * it is not there; throws `permission` (77) for a link or anything that is no folder.
 */
export function openOut(state: string, cert: string): OpenFolder | undefined {
  return orAbsent(() => {
    const root = fs.openSync(state, O_RDONLY | O_DIRECTORY)
    try {
      const fd = fs.openSync(`/proc/self/fd/${root}/${cert}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      return { path: `/proc/self/fd/${fd}`, name: under(state, cert), close: () => fs.closeSync(fd) }
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) throw cause
      throw new NixacmeError('permission', `'${under(state, cert)}' is not a folder of its own: ${systemWord(cause)}`, {
        cause,
        hints: ['someone put a link or a file in its place; remove it and run again'],
      })
    } finally {
      fs.closeSync(root)
    }
  })
}

/** Takes the marker aside. False when there is nothing to tell. Throws `permission` or `write`. */
export function takeMarker(out: OpenFolder): boolean {
  try {
    const fresh = orAbsent(() => fs.renameSync(under(out.path, markerName), under(out.path, takenName)) ?? true)
    return fresh ?? lstatIfThere(under(out.path, takenName)) !== undefined
  } catch (e) {
    throw writeError(under(out.name, markerName), e)
  }
}

/** All was told. A marker raised meanwhile stays for the next time. */
export function dropMarker(out: OpenFolder): void {
  try {
    orAbsent(() => fs.unlinkSync(under(out.path, takenName)))
  } catch (e) {
    throw writeError(under(out.name, takenName), e)
  }
}
