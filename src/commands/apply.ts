// Compiles the config into jobs: shows what changes, writes each job in one step, removes those whose certificate is gone
// (its state stays). A second run changes nothing.
import { mkdirSync, readdirSync, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { NixacmeError, readError, writeError } from '../errors.ts'
import { ensureDir, type FileMode, orAbsent, readIfThere, writeAtomically } from '../fs.ts'
import { compile } from '../job/compile.ts'
import { isJobOf, renderJob } from '../job/job.ts'
import { manifestPath, readManifest, renderManifest } from '../job/manifest.ts'
import { jobPath } from '../job/paths.ts'
import { byBytes } from '../job/slots.ts'
import { assertOnlyOurs } from '../job/trust.ts'
import { paintFor } from '../log.ts'
import { groupId } from '../system-users.ts'
import { type Context, loadConfig } from './context.ts'
import { acmeUser } from './owner.ts'

type Change = 'added' | 'changed' | 'removed' | 'unchanged'
const signs: Record<Change, string> = { added: '+', changed: '~', removed: '-', unchanged: ' ' }

export async function apply({ dryRun }: { readonly dryRun: boolean }, context: Context): Promise<number> {
  const { host, roots } = context
  const texts = new Map(compile(await loadConfig(context)).map((job) => [job.cert, renderJob(job)]))
  const changes = compare(roots.jobs, texts)
  const paint = await paintFor(host, host.stdout)
  const colour = { added: paint.green, changed: paint.yellow, removed: paint.red, unchanged: paint.dim }
  for (const [cert, change] of changes) {
    if (change === 'unchanged') continue
    const what = change === 'removed' ? `${cert} (its certificate and keys stay in '${join(roots.state, cert)}')` : cert
    host.stdout.write(`${colour[change](`${signs[change]} ${what}`)}\n`)
  }
  const isNews = [...changes.values()].some((c) => c !== 'unchanged') || readManifest(roots) === undefined
  if (!dryRun && isNews) await write(context, texts, changes)
  const count = (change: Change) => [...changes.values()].filter((c) => c === change).length
  const summary = (['added', 'changed', 'removed', 'unchanged'] as const).map((c) => `${count(c)} ${c}`).join(', ')
  host.stdout.write(`${dryRun ? 'would be: ' : ''}${summary}\n`)
  return 0
}

/** What becomes of each certificate, in byte order of the names. */
function compare(jobs: string, texts: ReadonlyMap<string, string>): Map<string, Change> {
  try {
    const stored = (orAbsent(() => readdirSync(jobs)) ?? [])
      .filter((f) => f.endsWith('.json'))
      .map((f) => f.slice(0, -5))
      .filter((cert) => isJobOf(readIfThere(join(jobs, `${cert}.json`))?.toString() ?? '', cert))
    const changeOf = (cert: string): Change => {
      const text = texts.get(cert)
      if (text === undefined) return 'removed'
      const held = readIfThere(join(jobs, `${cert}.json`))?.toString()
      return held === undefined ? 'added' : held === text ? 'unchanged' : 'changed'
    }
    return new Map([...new Set([...stored, ...texts.keys()])].sort(byBytes).map((cert) => [cert, changeOf(cert)]))
  } catch (e) {
    throw readError(jobs, e)
  }
}

async function write(
  { host, roots }: Context,
  texts: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, Change>,
): Promise<void> {
  // Hooks may hold secrets: only root, and user acme who runs the jobs, may read them.
  const gid = host.identity.uid === 0 ? await groupId(acmeUser) : undefined
  const [dirMode, mode]: FileMode[] = [
    { mode: 0o750, gid },
    { mode: 0o640, gid },
  ] as const
  if (host.identity.uid === 0) assertOnlyOurs(roots.jobs, 0)
  try {
    mkdirSync(join(roots.jobs, '..'), { recursive: true, mode: 0o755 })
    ensureDir(roots.jobs, dirMode)
    // Gone while the jobs are written, so that half of them never pass for all.
    rmSync(manifestPath(roots), { force: true })
    for (const [cert, change] of changes) {
      const text = texts.get(cert)
      if (change === 'removed') unlinkSync(jobPath(roots, cert))
      else if (change !== 'unchanged' && text !== undefined) writeAtomically(jobPath(roots, cert), text, mode)
    }
    writeAtomically(manifestPath(roots), renderManifest([...texts.keys()]), mode)
  } catch (e) {
    const hints = host.identity.uid === 0 ? [] : ['run as root, or name a folder of your own with --jobs-dir']
    throw e instanceof NixacmeError ? e : writeError(roots.jobs, e, hints)
  }
}
