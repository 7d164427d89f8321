// The generations of `out/`: folders with one whole set each, written once and never changed. Which of them services see
// is install.ts's business.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { hasCode } from '../errors.ts'
import { ensureDir, lstatIfThere, readIfThere, syncDir, temporaryName, under, writeNew } from '../fs.ts'
import type { StoredSet } from './state.ts'

/** Modes of contract 1.6. */
export const fileMode = 0o640
export const dirMode = 0o750

/** In `out/`. */
export const generationsDir = '.generations'

/** Regular files by name. Where there is no `cert.pem` among them, it is a link to `fullchain.pem` (contract 1.6). */
export type Files = ReadonlyMap<string, Buffer>

export const filesOf = (set: StoredSet): Files =>
  new Map([
    ['key.pem', Buffer.from(set.key)],
    ['fullchain.pem', Buffer.from(set.fullchain)],
    ['chain.pem', Buffer.from(set.issuers)],
    ['full.pem', Buffer.from(set.key + set.fullchain)],
  ])

/** A name that says which set it is: the same files give the same name. */
export function generationId(prefix: string, files: Files): string {
  const hash = createHash('sha256')
  for (const content of files.values()) hash.update(content)
  return `${prefix}-${hash.digest('hex').slice(0, 16)}`
}

const needsLink = (files: Files): boolean => !files.has('cert.pem') && files.has('fullchain.pem')

/** The target of a link; undefined when nothing or something else stands there. */
export function linkOf(path: string): string | undefined {
  try {
    return fs.readlinkSync(path)
  } catch (e) {
    if (hasCode(e, 'EINVAL', 'ENOENT', 'ENOTDIR')) return undefined
    throw e
  }
}

/** True when the folder `generation` holds all of `files`, byte for byte. */
export function holds(generation: string, files: Files): boolean {
  for (const [name, content] of files) {
    if (!readIfThere(under(generation, name))?.equals(content)) return false
  }
  return !needsLink(files) || linkOf(under(generation, 'cert.pem')) === 'fullchain.pem'
}

/** Writes `files` whole under a temporary name first, so that a folder with a generation's name was once complete. */
function write(parent: string, name: string, files: Files, gid: number | undefined): void {
  const temporary = temporaryName(parent, name)
  try {
    ensureDir(temporary, { mode: dirMode, gid })
    for (const [file, content] of files) writeNew(under(temporary, file), content, { mode: fileMode, gid })
    if (needsLink(files)) fs.symlinkSync('fullchain.pem', under(temporary, 'cert.pem'))
    syncDir(temporary)
    fs.renameSync(temporary, under(parent, name))
  } catch (e) {
    fs.rmSync(temporary, { recursive: true, force: true })
    throw e
  }
  syncDir(parent)
}

/**
 * Gives the generation of `files`, relative to `out`: one that is there already and whole, or a new one. One that is no
 * longer whole (changed by hand, half removed by a killed run) is left alone, since readers may be in it; the new one then
 * gets a number. Throws the system's error.
 */
export function ensureGeneration(out: string, id: string, files: Files, gid: number | undefined): string {
  const parent = under(out, generationsDir)
  ensureDir(parent, { mode: dirMode, gid })
  for (let n = 1; ; n++) {
    const name = n === 1 ? id : `${id}-${n}`
    const path = under(parent, name)
    const isThere = lstatIfThere(path) !== undefined
    if (!isThere) write(parent, name, files, gid)
    if (!isThere || holds(path, files)) return under(generationsDir, name)
  }
}

/** Removes all generations but `keep`, given relative to `out`. */
export function prune(out: string, keep: readonly (string | undefined)[]): void {
  for (const name of fs.readdirSync(under(out, generationsDir))) {
    const generation = under(generationsDir, name)
    if (!keep.includes(generation)) fs.rmSync(under(out, generation), { recursive: true, force: true })
  }
}
