// Root runs the hooks that a job names, so it reads a job only where nobody else could have written it (DESIGN §4).
import { realpathSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { NixacmeError, readError } from '../errors.ts'
import { lstatIfThere, orAbsent } from '../fs.ts'
import { jobPath, type Roots } from './paths.ts'

const othersMayWrite = (s: Stats): boolean => (s.mode & 0o022) !== 0 && (s.mode & 0o1000) === 0

/**
 * Throws `permission` (77) unless the job file and every folder above it belong to root or `uid` and are writable by no
 * one else. A job that is not there is fine.
 */
export const assertTrusted = (roots: Roots, cert: string, uid: number): void =>
  assertTrustedFile(jobPath(roots, cert), uid, 'the job')

/** The same of any file, for a sentence that begins with `what`. */
export function assertTrustedFile(file: string, uid: number, what: string): void {
  let real: string | undefined
  try {
    real = orAbsent(() => realpathSync(file))
  } catch (e) {
    throw readError(file, e)
  }
  if (real === undefined) return
  // The names on the way, and what they lead to.
  for (const start of new Set([file, real])) assertOnlyOurs(start, uid, file, what)
}

/** Throws `permission` (77) unless `start` and all above it, as far as it is there, belong to root or `uid` alone. */
export function assertOnlyOurs(start: string, uid: number, file = start, what = 'the job'): void {
  for (let path = start; ; path = dirname(path)) {
    let s: Stats | undefined
    try {
      s = lstatIfThere(path)
    } catch (e) {
      throw readError(path, e)
    }
    const isOurs = !s || s.uid === 0 || s.uid === uid
    if (!isOurs || (s && !s.isSymbolicLink() && othersMayWrite(s))) {
      throw new NixacmeError(
        'permission',
        `${what} '${file}' is not to be trusted: others than root may write '${path}'`,
        {
          hints: [`mend owner and mode of '${path}', then run 'nixacme apply'`],
        },
      )
    }
    if (path === dirname(path)) return
  }
}
