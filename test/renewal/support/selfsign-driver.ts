// A process of its own that makes a self-signed certificate, and the local CA before it: to be killed.
//   selfsign-driver PLAN KILL-AT
// Prints `{changes}`, the number of changes of the disk.
import { readFileSync, writeSync } from 'node:fs'
import type { Roots } from '../../../src/job/paths.ts'
import { plainLog } from '../../../src/log.ts'
import { ensurePreliminary } from '../../../src/renewal/preliminary.ts'
import { fakeHost } from '../../support/fake-host.ts'
import { injectKill } from './faults.ts'
import { jobOf } from './job-of.ts'

export interface Plan {
  readonly roots: Roots
  readonly gid: number | undefined
  readonly names: readonly string[]
}

const [planPath = '', killAt = ''] = process.argv.slice(2)
const { roots, gid, names } = JSON.parse(readFileSync(planPath, 'utf8')) as Plan
// In a container each run has the same process id, and so meets the temporary names of the one before.
Object.defineProperty(process, 'pid', { value: 7 })

const host = fakeHost()
const faults = injectKill(Number(killAt))
ensurePreliminary(jobOf(names), { roots, host, log: plainLog(host), gid, caGid: undefined }).then(() =>
  writeSync(1, JSON.stringify({ changes: faults.count })),
)
