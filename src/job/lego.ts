// Where the lego program is that `engine = "lego"` runs, looked for as a shell would, and without starting it.
import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { NixacmeError } from '../errors.ts'

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * The path of lego: what `legoPath` names, else the first in PATH. Throws `config` (78) where there is none. Which version
 * it is shows only when it is started.
 */
export function findLego(legoPath: string | null, searched: string | undefined): string {
  if (legoPath !== null) {
    if (isProgram(legoPath)) return legoPath
    throw new NixacmeError('config', `'${legoPath}' of option 'legoPath' is no program that can be run`, {
      hints: ["name lego's full path, or leave 'legoPath' out: it is found in PATH then"],
    })
  }
  const folders = (searched ?? '').split(':').filter(isAbsolute)
  const found = folders.map((folder) => join(folder, 'lego')).find(isProgram)
  if (found !== undefined) return found
  throw new NixacmeError('config', `engine = "lego" needs the program 'lego', which is not in PATH`, {
    hints: ["install it (Debian: apt-get install lego), or name it with 'legoPath'"],
  })
}
