// What an apply that was cut short had still to tell systemd: kept while it works, so that the next one does, whatever the
// config says by then.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readTextIfThere } from '../fs.ts'
import { applyDir } from '../job/paths.ts'
import { writeFile } from './changes.ts'

export interface Todo {
  /** Certificates whose units are to be enabled and started. */
  readonly added: readonly string[]
  /** Certificates whose renewal is to be started. */
  readonly changed: readonly string[]
  /** Certificates whose units are being stopped and disabled: one that comes back is as good as new. */
  readonly removed: readonly string[]
}

const kinds = ['added', 'changed', 'removed'] as const

const pathIn = (root: string): string => join(root, applyDir, 'unfinished')

/** Undefined when the last one was finished, as a rule. Throws `data` (65) or `permission` (77). */
export function readUnfinished(root: string): Todo | undefined {
  const text = readTextIfThere(pathIn(root))
  if (text === undefined) return undefined
  const words = text.split('\n').map((line) => line.split(' '))
  const named = (kind: string) => words.flatMap(([word, cert]) => (word === kind && cert ? [cert] : []))
  return { added: named('added'), changed: named('changed'), removed: named('removed') }
}

/** Throws `write` (73) or `permission` (77). */
export function writeUnfinished(root: string, todo: Todo): void {
  const lines = kinds.flatMap((kind) => todo[kind].map((cert) => `${kind} ${cert}\n`))
  writeFile(pathIn(root), lines.join(''))
}

/** All is told. */
export const dropUnfinished = (root: string): void => rmSync(pathIn(root), { force: true })
