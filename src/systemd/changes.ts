// What becomes of the files that nixacme gives the system: compared with what is there, written in one step each. A list of
// them, kept beside the jobs, tells which are its own to remove; it is written before the first of them and after the last.
import { lstatSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NixacmeError, readError, writeError } from '../errors.ts'
import { ensureDirs, lstatIfThere, readTextIfThere, writeAtomically } from '../fs.ts'
import { applyDir } from '../job/paths.ts'
import { byBytes } from '../job/slots.ts'
import type { SystemFile } from './machine.ts'
import { madeByUs } from './text.ts'

export type FileChange = 'added' | 'changed' | 'removed' | 'unchanged'

export interface FileChanges {
  /** By path, in byte order; the paths are those inside of the root. */
  readonly kinds: ReadonlyMap<string, FileChange>
  /** Whether all is as it should be, the list of nixacme's own files too: a name left in it might be somebody else's later. */
  readonly isSettled: boolean
}

const listPath = (root: string): string => join(root, applyDir, 'files')

/** The paths of the files written by earlier runs. Throws `data` (65) or `permission` (77). */
const ownFiles = (root: string): string[] => readTextIfThere(listPath(root))?.split('\n').filter(Boolean) ?? []

/**
 * Compares with what is there below `root`. Throws `config` (78) for a file that stands where one of ours should and is
 * somebody else's, `data` (65) or `permission` (77) for what cannot be read.
 */
export function compareFiles(root: string, wanted: readonly SystemFile[]): FileChanges {
  const texts = new Map(wanted.map(({ path, text }) => [path, text]))
  const listed = ownFiles(root)
  const own = new Set(listed.filter((path) => lstatIfThere(join(root, path)) !== undefined))
  const paths = [...new Set([...texts.keys(), ...own])].sort(byBytes)
  const kinds = new Map(paths.map((path) => [path, kindOf(join(root, path), texts.get(path), own.has(path))]))
  const isListed = listed.length === texts.size && listed.every((path) => texts.has(path))
  return { kinds, isSettled: isListed && [...kinds.values()].every((kind) => kind === 'unchanged') }
}

function kindOf(path: string, text: string | undefined, isOwn: boolean): FileChange {
  if (text === undefined) return 'removed'
  try {
    const there = lstatSync(path, { throwIfNoEntry: false })
    if (!there) return 'added'
    const content = there.isFile() ? readFileSync(path, 'utf8') : undefined
    // One of ours that the admin has masked stays so.
    const isMasked = isOwn && there.isSymbolicLink() && readlinkSync(path) === '/dev/null'
    if (content === text || isMasked) return 'unchanged'
    if (isOwn || content?.startsWith(madeByUs)) return 'changed'
  } catch (e) {
    throw readError(path, e)
  }
  throw new NixacmeError('config', `'${path}' is there already, and nixacme did not make it`, {
    hints: ['move it away, or give the certificate another name'],
  })
}

/** Writes what differs and removes what is gone. Throws `write` (73) or `permission` (77). */
export function writeFiles(root: string, wanted: readonly SystemFile[], { kinds }: Pick<FileChanges, 'kinds'>): void {
  const texts = new Map(wanted.map(({ path, text }) => [path, text]))
  const list = (paths: readonly string[]) => writeFile(listPath(root), paths.map((path) => `${path}\n`).join(''))
  list([...kinds.keys()])
  for (const [path, kind] of kinds) {
    const text = texts.get(path)
    if (text !== undefined && kind !== 'unchanged') writeFile(join(root, path), text)
    if (kind === 'removed') remove(join(root, path))
  }
  list([...texts.keys()].sort(byBytes))
}

/** Writes a file that everybody may read, in one step, with the folders that it needs. Throws `write` (73) or `permission` (77). */
export function writeFile(path: string, text: string): void {
  try {
    ensureDirs(dirname(path), { mode: 0o755 })
    writeAtomically(path, text, { mode: 0o644 })
  } catch (e) {
    throw writeError(path, e)
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch (e) {
    throw writeError(path, e)
  }
}
