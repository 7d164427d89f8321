// What every command gets, and the questions that several of them ask: which jobs, whose files.
import { readdirSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import { changedSource } from '../config/sources.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import { orAbsent } from '../fs.ts'
import type { Host } from '../host.ts'
import { compile } from '../job/compile.ts'
import { type Job, readJob } from '../job/job.ts'
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

function storedJobs({ roots, host }: Context, wanted: Wanted): { jobs: Job[]; faults: Map<string, NixacmeError> } {
  const names =
    wanted === 'all'
      ? (orAbsent(() => readdirSync(roots.jobs)) ?? []).filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5))
      : wanted
  const jobs: Job[] = []
  const faults = new Map<string, NixacmeError>()
  for (const name of names) {
    try {
      if (host.identity.uid === 0) assertTrusted(roots, name, 0)
      const job = readJob(roots, name)
      if (job) jobs.push(job)
    } catch (e) {
      if (wanted !== 'all' || !(e instanceof NixacmeError)) throw e
      faults.set(name, e)
    }
  }
  return { jobs, faults }
}

/** Why the stored jobs do not do, as a clause; undefined when they do. */
export function staleness(
  { config, roots }: Pick<Context, 'config' | 'roots'>,
  wanted: Wanted,
  jobs: readonly Job[],
  anyFault: boolean,
): string | undefined {
  if (wanted === 'all' ? jobs.length === 0 && !anyFault : jobs.length < wanted.length)
    return `no job is compiled in '${roots.jobs}'`
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

/**
 * The jobs of the certificates wanted: compiled ones, or, where these are missing or older than the config, compiled in
 * memory (and said so). A config that has faults by now does not stop what was compiled before.
 * Throws `usage` (64) for a certificate that the config does not have, and what reading jobs and config throw.
 */
export async function findJobs(context: Context, wanted: Wanted): Promise<Found> {
  const { log } = context
  const { jobs, faults } = storedJobs(context, wanted)
  const stale = staleness(context, wanted, jobs, faults.size > 0)
  if (!stale) return { jobs, faults }
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

/** All certificates of jobs and faults, in byte order. */
export const namesOf = ({ jobs, faults }: Found): string[] =>
  [...jobs.map((job) => job.cert), ...faults.keys()].sort(byBytes)
