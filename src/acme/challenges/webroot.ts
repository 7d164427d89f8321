// http-01 (RFC 8555 §8.3) with files in the folder that a web server serves.
import * as fs from 'node:fs'
import { join } from 'node:path'
import { NixacmeError, systemWord, writeError } from '../../errors.ts'
import { ensureDirs, isTemporary, lstatIfThere, temporaryName, writeAtomically, writeNew } from '../../fs.ts'
import type { Log } from '../../log.ts'
import type { Presentation, Solver } from './solver.ts'

export interface WebrootOptions {
  readonly webroot: string
  /** The group of folders that are made here; undefined keeps the system's choice. */
  readonly groupGid: number | undefined
  /** The name of that group, for words. */
  readonly groupName: string
  now(): Date
  readonly log: Log
}

/** base64url (RFC 8555 §8.3), and nothing that could lead out of the folder. */
const tokenAlphabet = /^[A-Za-z0-9_-]{1,255}$/
/** Milliseconds: what is not finished after so long belongs to a run that was killed; other certificates use the folder. */
const unfinished = 3_600_000
/** Whatever the umask, the web server has to read them. */
const folderMode = 0o755
const fileMode = 0o644

export function webrootSolver({ webroot, groupGid, groupName, now, log }: WebrootOptions): Solver {
  const folder = join(webroot, '.well-known', 'acme-challenge')
  const hints = [`make sure that '${folder}' exists and that user 'acme' or group '${groupName}' may write there`]
  const presented = new Set<string>()
  const remove = (path: string) => {
    try {
      fs.rmSync(path, { force: true })
    } catch (e) {
      log.warning(`cannot remove '${path}': ${systemWord(e)}, ignoring`)
    }
  }
  const removeUnfinished = () => {
    for (const name of fs.readdirSync(folder).filter(isTemporary)) {
      const stat = lstatIfThere(join(folder, name))
      if (stat?.isFile() && now().getTime() - stat.mtimeMs > unfinished) remove(join(folder, name))
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
        writeNew(probe, '', { mode: fileMode })
        fs.rmSync(probe)
      } catch (e) {
        throw writeError(folder, e, hints)
      }
    },

    present({ name, token, keyAuthorization }: Presentation) {
      if (!tokenAlphabet.test(token))
        throw new NixacmeError('refused', `the CA sent a token for '${name}' that is no base64url text`, {
          hints: ['nothing was written; a CA that sends this is broken or hostile'],
        })
      const path = join(folder, token)
      presented.add(path)
      try {
        writeAtomically(path, keyAuthorization, { mode: fileMode })
      } catch (e) {
        throw writeError(path, e, hints)
      }
    },

    inherit(tokens) {
      for (const token of tokens) if (tokenAlphabet.test(token)) presented.add(join(folder, token))
    },

    cleanUp() {
      for (const path of presented) remove(path)
      presented.clear()
    },
  }
}
