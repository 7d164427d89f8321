// The list of the compiled jobs, written last: it tells that they are all there.
import { readTextIfThere, under } from '../fs.ts'
import type { Roots } from './paths.ts'
import { byBytes } from './slots.ts'

export const manifestPath = (roots: Roots): string => under(roots.jobs, 'manifest')

/** One name a line, in byte order. */
export const renderManifest = (certs: readonly string[]): string =>
  [...certs]
    .sort(byBytes)
    .map((cert) => `${cert}\n`)
    .join('')

/** The names of all jobs, or undefined when `apply` was never finished. Throws `data` (65) or `permission` (77). */
export const readManifest = (roots: Roots): string[] | undefined =>
  readTextIfThere(manifestPath(roots))?.split('\n').filter(Boolean)
