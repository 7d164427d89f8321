// The `renewed` marker between the run that installs (user acme) and the one that runs the hook (root): up before the
// flip, gone only when hook and reloads have succeeded, so that each new certificate is told at least once (DESIGN §4).
// Root works here in a folder that acme can write: it opens the folder once without following a link, and from then on
// goes through that open folder, so that nothing swapped in later leads it elsewhere.
import * as fs from 'node:fs'
import { hasCode, NixacmeError, systemWord, writeError } from '../errors.ts'
import { lstatIfThere, orAbsent, under, writeAtomically } from '../fs.ts'
import { markerName, takenMarkerName } from '../job/paths.ts'

const markerMode = 0o640

/** What was installed: a certificate of the CA, or a self-signed one to start with. */
export type Kind = 'acme' | 'selfsigned'

/** The marker's content. The module's markers are empty, and so are ours for what its markers stand for. */
const contents: Record<Kind, string> = { acme: '', selfsigned: 'selfsigned\n' }

/** Raises the marker in `out/`, over one that is up, whoever put it there. Throws the system's error. */
export const raiseMarker = (out: string, gid: number | undefined, kind: Kind = 'acme'): void =>
  writeAtomically(under(out, markerName), contents[kind], { mode: markerMode, gid })

/** True when the marker is up and nobody has taken it. */
export const isRaised = (out: string): boolean => lstatIfThere(under(out, markerName)) !== undefined

/** True when there is something to tell. */
export const isPending = (out: string): boolean =>
  [markerName, takenMarkerName].some((name) => lstatIfThere(under(out, name)) !== undefined)

/** A folder held open: `path` leads to it, whatever its names lead to by now. */
export interface OpenFolder {
  readonly path: string
  /** By which it was found, for messages. */
  readonly name: string
  close(): void
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants

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

/** Takes the marker aside. Undefined when there is nothing to tell. Throws `permission` or `write`. */
export function takeMarker(out: OpenFolder): Kind | undefined {
  const taken = under(out.path, takenMarkerName)
  try {
    const fresh = orAbsent(() => fs.renameSync(under(out.path, markerName), taken) ?? true)
    return fresh || lstatIfThere(taken) ? kindOf(taken) : undefined
  } catch (e) {
    throw writeError(under(out.name, markerName), e)
  }
}

/**
 * What a marker says. User acme may have put anything there: no link is followed, nothing is waited for, no more is read
 * than there can be, and whatever is not exactly ours is the module's kind.
 */
function kindOf(path: string): Kind {
  const longest = contents.selfsigned.length
  let fd: number | undefined
  try {
    fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    const s = fs.fstatSync(fd)
    if (!s.isFile() || s.nlink !== 1 || s.size !== longest) return 'acme'
    const bytes = Buffer.alloc(longest)
    fs.readSync(fd, bytes, 0, longest, 0)
    return bytes.toString('latin1') === contents.selfsigned ? 'selfsigned' : 'acme'
  } catch {
    return 'acme'
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/** All was told. A marker raised meanwhile stays for the next time. */
export function dropMarker(out: OpenFolder): void {
  try {
    orAbsent(() => fs.unlinkSync(under(out.path, takenMarkerName)))
  } catch (e) {
    throw writeError(under(out.name, takenMarkerName), e)
  }
}
