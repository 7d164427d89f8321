// What killed runs leave behind: temporary files, which no reader ever looks at.
import * as fs from 'node:fs'
import { orAbsent, under } from '../fs.ts'

/** The names that this room gives to what is not finished: `.<stem>.<pid>[-<n>].tmp`. */
const temporary = /^\..+\.\d+(-\d+)?\.tmp$/

/**
 * Removes the temporary files and folders in `dir`, if `dir` is there. To be called before new ones are made: where
 * process ids repeat (each run of a container has the same), an old one has the very name that is wanted now. The caller
 * holds the lock under which they are made. Throws the system's error.
 */
export function removeTemporaries(dir: string): void {
  for (const name of orAbsent(() => fs.readdirSync(dir)) ?? []) {
    if (temporary.test(name)) fs.rmSync(under(dir, name), { recursive: true, force: true })
  }
}
