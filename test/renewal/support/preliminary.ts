// One certificate that starts self-signed, in a folder of its own: runs in this process, with a clock of the test's choice.
import * as fs from 'node:fs'
import { join } from 'node:path'
import { issuePreliminary, makeLocalCa } from '../../../src/certificate/local-ca.ts'
import type { LocalCa } from '../../../src/certificate/local-ca-check.ts'
import { pathsOf } from '../../../src/job/job.ts'
import { type CertPaths, type LocalCaPaths, localCaPaths, type Roots } from '../../../src/job/paths.ts'
import { plainLog } from '../../../src/log.ts'
import { ensureLocalCa } from '../../../src/renewal/local-ca-files.ts'
import { ensurePreliminary } from '../../../src/renewal/preliminary.ts'
import { fakeHost, type HostChanges } from '../../support/fake-host.ts'
import { temporaryDir } from '../../support/process.ts'
import { cert, jobOf } from './job-of.ts'

export interface Start {
  readonly roots: Roots
  readonly paths: CertPaths
  readonly ca: LocalCaPaths
  /** Runs the work for these names to its end; gives what it said. */
  selfsign(names?: readonly string[], host?: HostChanges): Promise<string>
  /** Makes the CA if it is missing; gives what it said. */
  selfsignCa(): Promise<string>
  /** What services read by this name. */
  shown(name: string): string
}

export function makeStart(t: Parameters<typeof temporaryDir>[0], gid?: number): Start {
  const dir = temporaryDir(t)
  const roots = { state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }
  const paths = pathsOf(roots, jobOf([cert]))
  return {
    roots,
    paths,
    ca: localCaPaths(roots),
    async selfsign(names = [cert, 'www.x.test'], changes = {}) {
      const host = fakeHost(changes)
      await ensurePreliminary(jobOf(names), { roots, host, log: plainLog(host), gid, caGid: undefined })
      return host.said.stderr
    },
    async selfsignCa() {
      const host = fakeHost()
      await ensureLocalCa({ roots, host, log: plainLog(host), gid: undefined, now: new Date() })
      return host.said.stderr
    },
    shown: (name) => fs.readFileSync(join(paths.out, name), 'utf8'),
  }
}

/** Puts a CA there. */
export function layCa({ ca: paths }: Pick<Start, 'ca'>, ca: LocalCa): void {
  fs.mkdirSync(paths.folder, { recursive: true, mode: 0o750 })
  fs.writeFileSync(paths.key, ca.key, { mode: 0o600 })
  fs.writeFileSync(paths.certificate, ca.certificate, { mode: 0o600 })
}

/** Plain files as the module's minica and script leave them (contract 1.9). */
export async function layMinica(start: Start, ca: LocalCa, names: readonly string[], now = new Date()): Promise<void> {
  const set = await issuePreliminary(ca, names, now)
  const { out } = start.paths
  fs.mkdirSync(out, { recursive: true, mode: 0o750 })
  const fullchain = set.leaf + set.ca
  const files = { 'key.pem': set.key, 'cert.pem': set.leaf, 'chain.pem': set.ca, 'fullchain.pem': fullchain }
  for (const [name, content] of Object.entries({ ...files, 'full.pem': set.key + fullchain }))
    fs.writeFileSync(join(out, name), content, { mode: 0o640 })
}

export const aCa = (): Promise<LocalCa> => makeLocalCa(new Date())
