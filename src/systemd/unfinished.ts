// What an apply that was cut short had still to start: kept while it works, so that the next one does.
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readError, writeError } from '../errors.ts'
import { ensureDirs, readIfThere, writeAtomically } from '../fs.ts'

export interface Todo {
  /** Certificates whose units are to be enabled and started. */
  readonly added: readonly string[]
  /** Certificates whose renewal is to be started. */
  readonly changed: readonly string[]
}

const pathIn = (root: string): string => join(root, '/var/lib/nixacme/unfinished')

/** Nothing, as a rule. Throws `data` (65) or `permission` (77). */
export function readUnfinished(root: string): Todo {
  const path = pathIn(root)
  let text: string | undefined
  try {
    text = readIfThere(path)?.toString()
  } catch (e) {
    throw readError(path, e)
  }
  const words = (text ?? '').split('\n').map((line) => line.split(' '))
  const named = (kind: string) => words.flatMap(([word, cert]) => (word === kind && cert ? [cert] : []))
  return { added: named('added'), changed: named('changed') }
}

/** Throws `write` (73) or `permission` (77). */
export function writeUnfinished(root: string, { added, changed }: Todo): void {
  const path = pathIn(root)
  const lines = [...added.map((cert) => `added ${cert}`), ...changed.map((cert) => `changed ${cert}`)]
  try {
    ensureDirs(dirname(path), { mode: 0o755 })
    writeAtomically(path, lines.map((line) => `${line}\n`).join(''), { mode: 0o644 })
  } catch (e) {
    throw writeError(path, e)
  }
}

/** All is started. */
export const dropUnfinished = (root: string): void => rmSync(pathIn(root), { force: true })
