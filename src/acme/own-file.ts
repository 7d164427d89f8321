// Files of our own that say what is to be done: who could put words into one could have it done.
import * as fs from 'node:fs'
import { orAbsent } from '../fs.ts'
import { Flaw } from './types.ts'

/**
 * The text of a regular file of at most `largest` bytes that belongs to user `uid`, and to which nobody else may write;
 * undefined where there is none. Throws Flaw for any other, and the system's error.
 */
export function readOwn(
  { path, uid }: { readonly path: string; readonly uid: number },
  largest: number,
): string | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  const fd = orAbsent(() => fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  if (fd === undefined) return undefined
  try {
    const stat = fs.fstatSync(fd)
    if (!stat.isFile()) throw new Flaw('it is not a regular file')
    if (stat.uid !== uid) throw new Flaw('it belongs to another user')
    if ((stat.mode & 0o022) !== 0) throw new Flaw('others may write to it')
    if (stat.size > largest) throw new Flaw(`it has more than ${largest} bytes`)
    return fs.readFileSync(fd, 'utf8')
  } finally {
    fs.closeSync(fd)
  }
}
