// A machine with many certificates, none of them due: config, compiled jobs and state as nixacme itself leaves them, but
// written without syncing each file.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadConfig } from '../src/config/load.ts'
import { compile } from '../src/job/compile.ts'
import { type Job, pathsOf, renderJob } from '../src/job/job.ts'
import { manifestPath, renderManifest } from '../src/job/manifest.ts'
import { type CertPaths, jobPath, type Roots } from '../src/job/paths.ts'
import { type Leaves, makeLeaves } from './leaves.ts'

export interface Fleet {
  readonly dir: string
  readonly config: string
  readonly roots: Roots
  readonly jobs: readonly Job[]
  /** The environment in which nixacme finds it. */
  readonly env: Readonly<Record<string, string>>
}

export interface FleetOptions {
  readonly count: number
  /** Whether the certificates are there; else all of them are to be got. */
  readonly stored: boolean
  /** `maxConcurrentRenewals` */
  readonly slots: number
}

/** Nobody answers there: a run that opened a socket would fail. */
const nowhere = 'https://127.0.0.1:1/directory'
const isRoot = process.geteuid?.() === 0
/** The options that root needs where there is no user acme. */
export const rootConfig = { global: isRoot ? 'useRoot = true\n' : '', defaults: isRoot ? 'group = "root"\n' : '' }

/** All of one length, as leaves.ts wants them. */
const nameOf = (i: number): string => `c${String(i).padStart(5, '0')}.example.com`

const file = (path: string, text: string) => writeFileSync(path, text, { mode: 0o640 })
const folder = (path: string) => mkdirSync(path, { recursive: true, mode: 0o750 })

function writeAccount(paths: CertPaths): void {
  folder(dirname(paths.accountKey))
  const account = { email: 'hostmaster@example.com', registration: { body: {}, uri: 'https://127.0.0.1:1/account/1' } }
  file(paths.accountJson, JSON.stringify(account))
  file(paths.accountKey, 'never read when nothing is due\n')
}

function writeCertificate({ domain, domainHash }: Job, paths: CertPaths, { key, issuer, leafOf }: Leaves): void {
  const fullchain = leafOf(domain) + issuer
  const generation = join(paths.out, '.generations', 'bench')
  folder(paths.certificates)
  folder(generation)
  file(paths.key, key)
  file(paths.certificate, fullchain)
  file(paths.issuer, issuer)
  file(paths.resource, JSON.stringify({ domain }))
  file(paths.domainHash, `${domainHash}\n`)
  const installed = { 'key.pem': key, 'fullchain.pem': fullchain, 'chain.pem': issuer, 'full.pem': key + fullchain }
  for (const [name, text] of Object.entries(installed)) file(join(generation, name), text)
  symlinkSync('fullchain.pem', join(generation, 'cert.pem'))
  symlinkSync(join('.generations', 'bench'), join(paths.out, 'current'))
  for (const name of [...Object.keys(installed), 'cert.pem']) symlinkSync(join('current', name), join(paths.out, name))
}

/** Writes the fleet into `dir`, which is made. */
export async function makeFleet(dir: string, { count, stored, slots }: FleetOptions): Promise<Fleet> {
  const config = join(dir, 'config.toml')
  const roots: Roots = { state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }
  for (const path of [dir, roots.state, roots.jobs]) mkdirSync(path, { recursive: true, mode: 0o755 })
  const certs = Array.from({ length: count }, (_, i) => `[certs."${nameOf(i)}"]\n`).join('')
  writeFileSync(
    config,
    `acceptTerms = true\nmaxConcurrentRenewals = ${slots}\n${rootConfig.global}[defaults]\nserver = "${nowhere}"\n` +
      `email = "hostmaster@example.com"\nwebroot = "${dir}/webroot"\n${rootConfig.defaults}${certs}`,
  )
  const jobs = compile(loadConfig(config, true))
  const leaves = await makeLeaves(nameOf(0))
  for (const [i, job] of jobs.entries()) {
    const paths = pathsOf(roots, job)
    if (stored && i === 0) writeAccount(paths)
    if (stored) writeCertificate(job, paths, leaves)
    file(jobPath(roots, job.cert), renderJob(job))
  }
  writeFileSync(manifestPath(roots), renderManifest(jobs.map((job) => job.cert)))
  const env = {
    PATH: process.env['PATH'] ?? '',
    NIXACME_CONFIG: config,
    NIXACME_STATE_DIR: roots.state,
    NIXACME_RUNTIME_DIR: roots.runtime,
    NIXACME_JOBS_DIR: roots.jobs,
  }
  return { dir, config, roots, jobs, env }
}
