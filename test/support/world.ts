// A fresh world for a test of the command: a folder with config, state and webroot, a CA of its own that looks into that
// webroot, and two ways to run nixacme in it: the executable as built, and `main` in this process.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadConfig } from '../../src/config/load.ts'
import { compile } from '../../src/job/compile.ts'
import { type Job, pathsOf } from '../../src/job/job.ts'
import type { CertPaths, Roots } from '../../src/job/paths.ts'
import { main } from '../../src/main.ts'
import { type Ca, type CaOptions, startCa } from '../ca/ca.ts'
import { serveWebroot } from '../ca/webroot.ts'
import { fakeHost, type HostChanges } from './fake-host.ts'
import { type Running, type RunOptions, runCli, spawnCli, temporaryDir } from './process.ts'
import { memoryFiles, type Tree, treeOf } from './tree.ts'

export const day = 86_400

/** `in-process` is quick and takes a clock; `executable` is what people run. */
export type Way = 'in-process' | 'executable'
export const ways: readonly Way[] = ['in-process', 'executable']

type Value = string | number | boolean | readonly string[]
type Options = Readonly<Record<string, Value>>

export interface ConfigContent {
  readonly global?: Options
  readonly defaults?: Options
  readonly certs?: Readonly<Record<string, Options>>
}

export interface WorldOptions extends ConfigContent {
  /** Default: the executable. */
  readonly way?: Way
  /** First settings of the CA. */
  readonly ca?: CaOptions
}

/** What a run said and how it ended. */
export interface Said {
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface World {
  readonly dir: string
  readonly configFile: string
  readonly roots: Roots
  readonly webroot: string
  readonly ca: Ca
  /** NIXACME_…: where all of it is. */
  readonly env: Readonly<Record<string, string>>
  /** Writes the config; what is not given is as `makeWorld` was told. */
  configure(content: ConfigContent): void
  /** Runs nixacme to its end, in the world's way. */
  nixacme(args: readonly string[], host?: HostChanges): Promise<Said>
  /** Starts the executable. */
  spawn(args: readonly string[], options?: RunOptions): Running
  /** The job of a certificate, as the config says now, and its paths. */
  job(cert?: string): Job
  paths(cert?: string): CertPaths
  /** Gets all certificates, which must go well, and forgets the requests that it took. */
  issueAll(): Promise<void>
  /** Everything a failure must leave alone: state (but its own memory), jobs, config and webroot; `also` adds folders. */
  tree(also?: readonly string[]): Tree
}

const value = (v: Value): string => (typeof v === 'object' ? `[${v.map(value).join(', ')}]` : JSON.stringify(v))
const lines = (options: Options): string =>
  Object.entries(options)
    .map(([key, v]) => `${key} = ${value(v)}\n`)
    .join('')

/** The config as TOML: JSON's strings, numbers and lists are TOML's too. */
export const toml = ({ global = {}, defaults = {}, certs = {} }: ConfigContent): string =>
  `${lines(global)}\n[defaults]\n${lines(defaults)}` +
  Object.entries(certs)
    .map(([name, options]) => `\n[certs.${JSON.stringify(name)}]\n${lines(options)}`)
    .join('')

/** The certificate that there is unless a test wants others. */
export const cert = 'example.com'
const oneCert = { [cert]: { extraDomainNames: ['www.example.com'] } }

const isRoot = process.geteuid?.() === 0

interface Ending {
  after(action: () => unknown): void
}

/** Whoever makes it ends with its test: CA, web server and folder go away. */
export async function makeWorld(t: Ending, options: WorldOptions = {}): Promise<World> {
  const dir = temporaryDir(t, 'nixacme-cli')
  const webroot = join(dir, 'www')
  const web = await serveWebroot(webroot)
  const ca = await startCa({ httpPort: web.port, ...options.ca })
  t.after(() => Promise.all([ca.close(), web.close()]))
  const rootPem = join(dir, 'ca.pem')
  writeFileSync(rootPem, ca.rootPem)
  const configFile = join(dir, 'etc', 'config.toml')
  mkdirSync(dirname(configFile))
  mkdirSync(webroot)
  const state = join(dir, 'state')
  const roots = { state, runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }
  const env = {
    NIXACME_CONFIG: configFile,
    NIXACME_STATE_DIR: roots.state,
    NIXACME_RUNTIME_DIR: roots.runtime,
    NIXACME_JOBS_DIR: roots.jobs,
  }
  const run = async (way: Way, args: readonly string[], changes: HostChanges = {}): Promise<Said> => {
    if (way === 'executable') return runCli(args, { env: { ...env, ...changes.env } })
    const host = fakeHost({ ...changes, env: { PATH: process.env['PATH'], ...env, ...changes.env } })
    return { status: await main(args, host), ...host.said }
  }
  const world: World = {
    dir,
    configFile,
    roots,
    webroot,
    ca,
    env,
    configure({ global = options.global, defaults = options.defaults, certs = options.certs ?? oneCert }) {
      // Root's runs are user acme's unless told; here root plays the only user there is.
      const ids = isRoot ? { useRoot: true } : {}
      const group = isRoot ? { group: 'root' } : {}
      const common = { email: 'admin@example.com', server: ca.directoryUrl, webroot, caCertificates: [rootPem] }
      const content = {
        global: { acceptTerms: true, ...ids, ...global },
        defaults: { ...common, ...group, ...defaults },
        certs,
      }
      writeFileSync(configFile, toml(content))
    },
    nixacme: (args, host) => run(options.way ?? 'executable', args, host),
    spawn: (args, more = {}) => spawnCli(args, { ...more, env: { ...env, ...more.env } }),
    job(name = cert) {
      const job = compile(loadConfig(configFile, true)).find((j) => j.cert === name)
      assert.ok(job, `no certificate '${name}'`)
      return job
    },
    paths: (name) => pathsOf(roots, world.job(name)),
    async issueAll() {
      const { status, stderr } = await run('in-process', ['renew', '--all'])
      assert.equal(status, 0, stderr)
      ca.reset()
    },
    tree: (also = []) => treeOf([state, roots.jobs, dirname(configFile), webroot, ...also], { but: memoryFiles }),
  }
  world.configure({})
  return world
}

/** Lines that begin as errors do, without program name. */
export const errorsIn = ({ stderr }: Said): string[] =>
  [...stderr.matchAll(/^(?:nixacme: |<3>)error: (.*)$/gm)].map((match) => match[1] ?? '')
