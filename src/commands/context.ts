// What every command gets, and the questions that several of them ask: which jobs, whose files.
import type { Config } from '../config/config.ts'
import { changedSource } from '../config/sources.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import { compile } from '../job/compile.ts'
import { type Job, readJob } from '../job/job.ts'
import { readManifest } from '../job/manifest.ts'
import type { Roots } from '../job/paths.ts'
import { byBytes } from '../job/slots.ts'
import { assertTrusted } from '../job/trust.ts'
import type { Log } from '../log.ts'

export interface Context {
  readonly host: Host
  readonly log: Log
  /** `--quiet`: the log says no infos. */
  readonly quiet: boolean
  readonly roots: Roots
  readonly config: { readonly path: string; readonly explicit: boolean }
}

/** The certificates asked for: names, or all there are. */
export type Wanted = readonly string[] | 'all'

export interface Found {
  /** In byte order of the names. */
  readonly jobs: readonly Job[]
  /** What could not be read, by certificate; with `all` only, else it is thrown. */
  readonly faults: ReadonlyMap<string, NixacmeError>
}

/** Reads and checks the config; its warnings are said. The checker is loaded only here. */
export async function loadConfig({ config, log }: Context): Promise<Config> {
  const { loadConfig: load } = await import('../config/load.ts')
  const loaded = load(config.path, config.explicit)
  for (const warning of loaded.warnings) log.warning(warning)
  return loaded
}

interface Stored {
  /** The certificates that there should be a job of; undefined: no compilation was finished. */
  readonly names: readonly string[] | undefined
  readonly jobs: Job[]
  readonly faults: Map<string, NixacmeError>
}

function storedJobs({ roots, host }: Context, wanted: Wanted): Stored {
  const names = wanted === 'all' ? readManifest(roots) : wanted
  const jobs: Job[] = []
  const faults = new Map<string, NixacmeError>()
  for (const name of names ?? []) {
    try {
      if (host.identity.uid === 0) assertTrusted(roots, name, 0)
      const job = readJob(roots, name)
      if (job) jobs.push(job)
    } catch (e) {
      if (wanted !== 'all' || !(e instanceof NixacmeError)) throw e
      faults.set(name, e)
    }
  }
  jobs.sort((a, b) => byBytes(a.cert, b.cert))
  return { names, jobs, faults }
}

/** Why the stored jobs do not do, as a clause; undefined when they do. */
export function staleness(
  { config, roots }: Pick<Context, 'config' | 'roots'>,
  { names, jobs, faults }: Stored,
): string | undefined {
  if (names === undefined || jobs.length + faults.size < names.length) {
    const count = jobs.length === 0 ? 'no job is' : 'not all jobs are'
    return `${count} compiled in '${roots.jobs}'`
  }
  let checked = ''
  for (const { sources } of jobs) {
    // Jobs of one compilation share their sources: one look at the disk is enough for all.
    const key = JSON.stringify(sources)
    if (key === checked) continue
    checked = key
    if (config.explicit && !sources.some(({ path }) => path === config.path))
      return `the jobs were compiled from another config than '${config.path}'`
    const changed = changedSource(sources)
    if (changed !== undefined) return `'${changed}' changed since the jobs were compiled`
  }
  return undefined
}

/** A unit's run sees only the folders that systemd has made for the job that was compiled with it. */
const isBoundToJobs = ({ host }: Context, wanted: Wanted, jobs: readonly Job[]): boolean =>
  host.env['STATE_DIRECTORY'] !== undefined && wanted !== 'all' && jobs.length === wanted.length

/**
 * The jobs of the certificates wanted: compiled ones, or, where these are missing or older than the config, compiled in
 * memory (and said so). A config that has faults by now does not stop what was compiled before.
 * Throws `usage` (64) for a certificate that the config does not have, and what reading jobs and config throw.
 */
export async function findJobs(context: Context, wanted: Wanted): Promise<Found> {
  const { log } = context
  const stored = storedJobs(context, wanted)
  const { jobs, faults } = stored
  const stale = staleness(context, stored)
  if (!stale) return { jobs, faults }
  if (isBoundToJobs(context, wanted, jobs)) {
    log.warning(`${stale}: going on with the jobs compiled before`, ["run 'nixacme apply'"])
    return { jobs, faults }
  }
  let config: Config
  try {
    config = await loadConfig(context)
  } catch (e) {
    if (jobs.length === 0 || (wanted !== 'all' && jobs.length < wanted.length)) throw e
    log.warning(`${stale}, but the config cannot be used: going on with the jobs compiled before`, [
      messageOf(e),
      "run 'nixacme check', then 'nixacme apply'",
    ])
    return { jobs, faults }
  }
  log.info(`${stale}: compiling in memory`, ["run 'nixacme apply' to compile once for all runs"])
  const compiled = compile(config)
  if (wanted === 'all') return { jobs: compiled, faults: new Map() }
  const unknown = wanted.find((name) => !compiled.some((job) => job.cert === name))
  if (unknown !== undefined) {
    const known = compiled.map((job) => `'${job.cert}'`).join(', ')
    throw new NixacmeError('usage', `there is no certificate '${unknown}' in the config '${context.config.path}'`, {
      hints: [known ? `known: ${known.slice(0, 500)}` : 'the config defines none'],
    })
  }
  return { jobs: compiled.filter((job) => wanted.includes(job.cert)), faults: new Map() }
}

/** Says which jobs could not be read, and gives the status of the first. */
export function sayFaults({ faults }: Found, { log }: Context): number {
  for (const [cert, e] of faults) log.about(cert).error(e.message, e.hints)
  return [...faults.values()][0]?.exitStatus ?? 0
}
