// What lies below a folder, to the byte: taken before and after a run, so that a test can say what must not have changed.
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Path below the folder → how it looks, as one line of text. */
export type Tree = ReadonlyMap<string, string>

export interface TreeOptions {
  /** Also when entries of a folder came and went; else a probe file that was removed again leaves no trace. */
  readonly folderTimes?: boolean
  /** Paths that are passed over. */
  readonly but?: RegExp
}

function look(path: string, { folderTimes = false }: TreeOptions): string {
  const s = lstatSync(path, { bigint: true })
  const owner = `${(s.mode & 0o7777n).toString(8)} ${s.uid}:${s.gid}`
  if (s.isDirectory()) return `folder ${owner}${folderTimes ? ` ${s.mtimeNs}` : ''}`
  if (s.isSymbolicLink()) return `link -> ${readlinkSync(path)}`
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex')
  return `file ${owner} ${s.size} ${hash} ${s.mtimeNs}`
}

/** What a run remembers, which is all that a failure changes: what failed, and when to look again. */
export const memoryFiles = /\/nixacme\.json$|\/\.renewal-info(\/|$)/

/** Everything below `roots` (those that are there), by absolute path. Links are not followed. */
export function treeOf(roots: readonly string[], options: TreeOptions = {}): Tree {
  const tree = new Map<string, string>()
  const visit = (path: string) => {
    if (options.but?.test(path) || !lstatSync(path, { throwIfNoEntry: false })) return
    tree.set(path, look(path, options))
    if (lstatSync(path).isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name))
  }
  for (const root of roots) visit(root)
  return tree
}

/** What differs: `+path`, `-path`, `~path`, sorted by path. Empty: not one byte, mode, owner or date of a file. */
export function changesBetween(before: Tree, after: Tree): string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  return paths.flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)]
    if (was === is) return []
    return [`${was === undefined ? '+' : is === undefined ? '-' : '~'}${path}`]
  })
}

/** Paths of the files below these folders that hold a text, and of those that have it in their name. */
export function filesWith(text: string, folders: readonly string[]): string[] {
  const entries = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
  return entries.flatMap((entry) => {
    const path = join(entry.parentPath, entry.name)
    return entry.name.includes(text) || (entry.isFile() && readFileSync(path).includes(text)) ? [path] : []
  })
}
