// What becomes of the compiled jobs: compared by what they say, written in one step each, those whose certificate is gone
// removed (its state stays). The list of them comes last, so that half of them never pass for all.
import { mkdirSync, readdirSync, rmSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readError, writeError } from '../errors.ts'
import { ensureDir, type FileMode, orAbsent, readIfThere, writeAtomically } from '../fs.ts'
import { isJobOf, type Job, renderJob } from './job.ts'
import { manifestPath, readManifest, renderManifest } from './manifest.ts'
import { jobPath, type Roots } from './paths.ts'
import { byBytes } from './slots.ts'

/** `moved`: only its lock slot is another one, as when a certificate before it came or went. */
export type JobChange = 'added' | 'changed' | 'moved' | 'removed' | 'unchanged'

export interface JobChanges {
  /** By certificate, in byte order. */
  readonly kinds: ReadonlyMap<string, JobChange>
  /** The texts that are to be written, by certificate: those that are not on disk to the byte. */
  readonly texts: ReadonlyMap<string, string>
  /** Whether the folder is as it should be, to the byte. */
  readonly isSettled: boolean
}

/** Compares the jobs with those on disk. Throws `data` (65) or `permission` (77) for what cannot be read. */
export function compareJobs(roots: Roots, jobs: readonly Job[]): JobChanges {
  try {
    const wanted = new Map(jobs.map((job) => [job.cert, renderJob(job)]))
    const stored = new Map(storedTexts(roots))
    const names = [...new Set([...wanted.keys(), ...stored.keys()])].sort(byBytes)
    const kinds = new Map(names.map((cert) => [cert, kindOf(stored.get(cert), wanted.get(cert))]))
    const texts = new Map([...wanted].filter(([cert, text]) => text !== stored.get(cert)))
    const isSame = texts.size === 0 && wanted.size === names.length
    return { kinds, texts, isSettled: isSame && readManifest(roots) !== undefined }
  } catch (e) {
    throw readError(roots.jobs, e)
  }
}

const storedTexts = (roots: Roots): [cert: string, text: string][] =>
  (orAbsent(() => readdirSync(roots.jobs)) ?? [])
    .filter((file) => file.endsWith('.json'))
    .map((file): [string, string] => [file.slice(0, -5), readIfThere(join(roots.jobs, file))?.toString() ?? ''])
    .filter(([cert, text]) => isJobOf(text, cert))

function kindOf(stored: string | undefined, wanted: string | undefined): JobChange {
  if (wanted === undefined) return 'removed'
  if (stored === undefined) return 'added'
  if (stored === wanted || meaning(stored) === meaning(wanted)) return 'unchanged'
  return meaning(stored, 'lock') === meaning(wanted, 'lock') ? 'moved' : 'changed'
}

/** What a job says, but for what each edit of the config changes in all of them. */
const meaning = (text: string, besides?: keyof Job): string =>
  JSON.stringify({ ...(JSON.parse(text) as object), sources: undefined, ...(besides && { [besides]: undefined }) })

export interface Writer {
  /** Whoever writes is root. */
  readonly isRoot: boolean
  /** The group that may read the jobs, for hooks may hold secrets; undefined: as the system has it. */
  readonly gid: number | undefined
}

/** Writes what differs. Throws `write` (73) or `permission` (77). */
export function writeJobs(roots: Roots, { kinds, texts }: JobChanges, { isRoot, gid }: Writer): void {
  const mode: FileMode = { mode: 0o640, gid }
  try {
    mkdirSync(dirname(roots.jobs), { recursive: true, mode: 0o755 })
    ensureDir(roots.jobs, { mode: 0o750, gid })
    rmSync(manifestPath(roots), { force: true })
    for (const [cert, kind] of kinds) if (kind === 'removed') unlinkSync(jobPath(roots, cert))
    for (const [cert, text] of texts) writeAtomically(jobPath(roots, cert), text, mode)
    const certs = [...kinds].flatMap(([cert, kind]) => (kind === 'removed' ? [] : [cert]))
    writeAtomically(manifestPath(roots), renderManifest(certs), mode)
  } catch (e) {
    throw writeError(roots.jobs, e, isRoot ? [] : ['run as root, or name a folder of your own with --jobs-dir'])
  }
}
