// A process of its own that stores and installs one set: to be killed, traced, or run as another user or with another umask.
//   install-driver PLAN KILL-AT
// Prints `{changes}`, the number of changes of the disk; or `{kind, message, status}` of the error, and exits with 1.
import { readFileSync, writeSync } from 'node:fs'
import { NixacmeError } from '../../../src/errors.ts'
import type { StoredSet } from '../../../src/renewal/state.ts'
import { injectKill } from './faults.ts'
import { makeWorld, putIn } from './world.ts'

export interface Plan {
  readonly dir: string
  readonly gid: number | undefined
  readonly set: StoredSet
}

const [planPath = '', killAt = ''] = process.argv.slice(2)
const { dir, gid, set } = JSON.parse(readFileSync(planPath, 'utf8')) as Plan
// In a container each run has the same process id, and so meets the temporary names of the one before.
Object.defineProperty(process, 'pid', { value: 7 })

try {
  const faults = injectKill(Number(killAt))
  putIn(makeWorld(dir, gid), set)
  writeSync(1, JSON.stringify({ changes: faults.count }))
} catch (e) {
  if (!(e instanceof NixacmeError)) throw e
  writeSync(1, JSON.stringify({ kind: e.kind, message: e.message, status: e.exitStatus }))
  process.exitCode = 1
}
