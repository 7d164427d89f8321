// The options that every command has, their environment variables and their defaults: one place, so that the short way
// of `renew <cert>` and the full command line agree.
import { isAbsolute, join, resolve } from 'node:path'
import { defaultConfigPath } from '../config/sources.ts'
import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import { defaultRoots, type Roots } from '../job/paths.ts'
import { createLog } from '../log.ts'
import type { Context } from './context.ts'

export interface GlobalOptions {
  config?: string
  stateDir?: string
  runtimeDir?: string
  jobsDir?: string
  quiet?: true
}

/** The name of the certificate when the command line is that of a unit: `renew <cert>` and nothing else. */
export function certOfUnit([command, cert, ...more]: readonly string[]): string | undefined {
  return command === 'renew' && cert && !cert.startsWith('-') && more.length === 0 ? cert : undefined
}

function folder(host: Host, option: string | undefined, flag: string, variable: string): string | undefined {
  const fromEnv = host.env[variable] || undefined
  if (option !== undefined) {
    if (option === '') throw new NixacmeError('usage', `${flag} needs the name of a folder`)
    return resolve(option)
  }
  if (fromEnv !== undefined && !isAbsolute(fromEnv))
    throw new NixacmeError('usage', `${variable} is '${fromEnv}', expected an absolute path`)
  return fromEnv === undefined ? undefined : resolve(fromEnv)
}

/** A state of one's own brings its jobs with it, so that it never meets those of the machine. */
export function rootsOf(host: Host, options: GlobalOptions): Roots {
  const state = folder(host, options.stateDir, '--state-dir', 'NIXACME_STATE_DIR') ?? defaultRoots.state
  const jobs = folder(host, options.jobsDir, '--jobs-dir', 'NIXACME_JOBS_DIR')
  return {
    state,
    runtime: folder(host, options.runtimeDir, '--runtime-dir', 'NIXACME_RUNTIME_DIR') ?? defaultRoots.runtime,
    jobs: jobs ?? (state === defaultRoots.state ? defaultRoots.jobs : join(state, '.nixacme', 'jobs')),
  }
}

/** The config file, and whether the user named it. */
export function configOf(host: Host, options: GlobalOptions): Context['config'] {
  const config = folder(host, options.config, '--config', 'NIXACME_CONFIG')
  return { path: config ?? defaultConfigPath, explicit: config !== undefined }
}

export async function contextFor(host: Host, options: GlobalOptions): Promise<Context> {
  const quiet = options.quiet === true
  return {
    host,
    quiet,
    log: await createLog(host, { quiet }),
    roots: rootsOf(host, options),
    config: configOf(host, options),
  }
}
