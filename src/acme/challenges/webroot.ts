// http-01 (RFC 8555 §8.3) with files in the folder that a web server serves.
import * as fs from 'node:fs'
import { basename, join } from 'node:path'
import { NixacmeError, systemWord, writeError } from '../../errors.ts'
import { ensureDirs, isTemporary, lstatIfThere, temporaryName, writeAtomically, writeNew } from '../../fs.ts'
import type { Log } from '../../log.ts'
import type { Solver } from './solver.ts'
import { isToken } from './token.ts'

export interface WebrootOptions {
  readonly webroot: string
  /** The group of folders that are made here; undefined keeps the system's choice. */
  readonly groupGid: number | undefined
  /** The name of that group, for words. */
  readonly groupName: string
  now(): Date
  readonly log: Log
}

/** Milliseconds: what is not finished after so long belongs to a run that was killed; other certificates use the folder. */
const unfinished = 3_600_000
/** Whatever the umask, the web server has to read them. */
const folderMode = 0o755
const fileMode = 0o644

const place = join('.well-known', 'acme-challenge')

export function webrootSolver({ webroot, groupGid, groupName, now, log }: WebrootOptions): Solver {
  const folder = join(webroot, place)
  const hints = [`make sure that '${folder}' exists and that user 'acme' or group '${groupName}' may write there`]
  const removeUnfinished = () => {
    for (const name of fs.readdirSync(folder).filter(isTemporary)) {
      const path = join(folder, name)
      const stat = lstatIfThere(path)
      if (!stat?.isFile() || now().getTime() - stat.mtimeMs <= unfinished) continue
      try {
        fs.rmSync(path, { force: true })
      } catch (e) {
        log.warning(`cannot remove '${path}': ${systemWord(e)}, ignoring`)
      }
    }
  }
  return {
    type: 'http-01',
    hint: `the CA must be able to fetch 'http://<name>/.well-known/acme-challenge/<token>' on port 80, from '${folder}'`,

    prepare() {
      try {
        ensureDirs(folder, { mode: folderMode, gid: groupGid })
        removeUnfinished()
        const probe = temporaryName(folder, 'probe')
        writeNew(probe, '', { mode: fileMode, isPassing: true })
        fs.rmSync(probe)
      } catch (e) {
        throw writeError(folder, e, hints)
      }
    },

    present(presentations, note) {
      note(presentations.map(({ token }) => ({ kind: 'file', path: join(folder, token) })))
      for (const { token, keyAuthorization } of presentations) {
        const path = join(folder, token)
        try {
          writeAtomically(path, keyAuthorization, { mode: fileMode, isPassing: true })
        } catch (e) {
          throw writeError(path, e, hints)
        }
      }
    },
  }
}

/** Removes what `present` has made, in whichever webroot that was. Throws the system's words. */
export function removeChallenge(path: string): void {
  const folder = path.slice(0, -basename(path).length - 1)
  // The file that names it is ours; a look does no harm.
  if (!folder.endsWith(`/${place}`) || !isToken(basename(path))) throw new NixacmeError('config', 'it is no challenge')
  try {
    fs.rmSync(path, { force: true })
  } catch (e) {
    throw new NixacmeError('write', systemWord(e), { cause: e })
  }
}
