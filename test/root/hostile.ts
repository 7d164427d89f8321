// A machine on which user acme is hostile: a state that is his, things outside that are not, and programs of his that swap
// names as fast as they can while root works.
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { build } from 'esbuild'
import { type Job, renderJob } from '../../src/job/job.ts'
import { manifestPath, renderManifest } from '../../src/job/manifest.ts'
import { jobPath, type Roots } from '../../src/job/paths.ts'
import { type JobOptions, makeJob } from '../renewal/support/lock-job.ts'
import { asUser, runUnderMounts } from '../support/other-user.ts'
import { type RunResult, repository, run, start, temporaryDir } from '../support/process.ts'
import { acme, web } from './machine.ts'

export { acme, web }
export const cert = 'x.test'

/** User acme with the one capability of the unit, and no way to another. */
export const asUnit = [
  'setpriv',
  `--reuid=${acme.uid}`,
  `--regid=${acme.gid}`,
  '--clear-groups',
  '--no-new-privs',
  '--bounding-set=-all,+chown',
  '--inh-caps=-all,+chown',
  '--ambient-caps=-all,+chown',
]

export interface Hostile {
  readonly dir: string
  readonly roots: Roots
  /** Where everything is root's. */
  readonly outside: string
  /** Runs a command of ours on this machine for so long (0: once); root unless told. `how`: what stands before it. */
  command(name: string, milliseconds?: number, how?: readonly string[]): Promise<RunResult>
  /** Starts a loop of acme's: JavaScript in which `fs`, `state`, `outside` and `attempt` are there. */
  attack(script: string): { stop(): Promise<number> }
}

const add = (file: string, to: string, lines: readonly string[]) =>
  fs.writeFileSync(to, `${[fs.readFileSync(file, 'utf8').trimEnd(), ...lines].join('\n')}\n`)

async function bundleDriver(dir: string): Promise<string> {
  const outfile = join(dir, 'program', 'driver.mjs')
  await build({
    absWorkingDir: repository,
    entryPoints: ['test/root/driver.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // For packages of the older kind.
    banner: { js: "import { createRequire as _of } from 'node:module'; const require = _of(import.meta.url)" },
    logLevel: 'warning',
  })
  // Where every user can read it, whatever the modes above the checkout.
  const fsExt = join('node_modules', 'fs-ext')
  fs.cpSync(join(repository, fsExt), join(dir, 'program', fsExt), { recursive: true, dereference: true })
  return outfile
}

export function writeJobs(roots: Roots, jobs: readonly Job[]): void {
  fs.mkdirSync(roots.jobs, { recursive: true, mode: 0o755 })
  for (const job of jobs) fs.writeFileSync(jobPath(roots, job.cert), renderJob(job), { mode: 0o644 })
  fs.writeFileSync(manifestPath(roots), renderManifest(jobs.map((job) => job.cert)), { mode: 0o644 })
}

/** The job of one certificate on a machine where user acme does the work. */
export const acmeJob = ({ useRoot = false, ...options }: JobOptions & { useRoot?: boolean } = {}): Job => ({
  ...makeJob({ name: cert, ...options }),
  useRoot,
})

/** The machine; `options` change its one job. Needs root. */
export async function makeHostile(t: TestContext, options: Parameters<typeof acmeJob>[0] = {}): Promise<Hostile> {
  const dir = temporaryDir(t, 'nixacme-hostile')
  fs.chmodSync(dir, 0o755)
  const [state, runtime, jobs, outside] = ['state', 'run', 'jobs', 'outside'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ]
  const roots = { state, runtime, jobs }
  writeJobs(roots, [acmeJob({ group: 'web', ...options })])
  for (const [folder, mode] of [
    [state, 0o755],
    [runtime, 0o700],
  ] as const) {
    fs.mkdirSync(folder, { mode })
    fs.chownSync(folder, acme.uid, acme.gid)
  }
  fs.mkdirSync(outside, { mode: 0o755 })
  const file = (name: string) => join(dir, name)
  add('/etc/passwd', file('passwd'), [`acme:x:${acme.uid}:${acme.gid}::/var/lib/acme:/usr/sbin/nologin`])
  add('/etc/group', file('group'), [`acme:x:${acme.gid}:`, `web:x:${web.gid}:`])
  fs.writeFileSync(file('nsswitch.conf'), 'passwd: files\ngroup: files\n')
  const mounts = ['passwd', 'group', 'nsswitch.conf'].map((name) => `mount --bind '${file(name)}' /etc/${name}`)
  const driver = await bundleDriver(dir)
  return {
    dir,
    roots,
    outside,
    command(name, milliseconds = 0, how = []) {
      const args = [name, `${milliseconds}`, file('none.toml'), state, runtime, jobs]
      return runUnderMounts(mounts.join('\n'), [...how, process.execPath, driver, ...args])
    },
    attack(script) {
      const [command = '', ...args] = asUser(acme, [process.execPath, '--input-type=module', '-e', loopOf(script)])
      const running = start(command, args, { env: { STATE: state, OUTSIDE: outside } })
      return {
        async stop() {
          const { stdout, stderr } = await running.end('SIGTERM')
          if (stderr) throw new Error(stderr)
          return Number(stdout)
        },
      }
    },
  }
}

/** Around an attack: what fails is tried again, it ends by SIGTERM, and tells how often it came round. */
const loopOf = (script: string): string => `
import * as fs from 'node:fs'
const { STATE: state, OUTSIDE: outside } = process.env
let rounds = 0, isOver = false
process.once('SIGTERM', () => { isOver = true })
const attempt = (action) => { try { action() } catch {} }
const round = () => { ${script} }
const loop = () => {
  for (let i = 0; i < 200; i++) { round(); rounds++ }
  if (isOver) console.log(rounds)
  else setImmediate(loop)
}
loop()
`

/** Gives all that is below a folder, and the folder itself, to acme, as he would have made it. */
export async function giveToAcme(folder: string): Promise<void> {
  await run('chown', ['-R', '-h', `${acme.uid}:${acme.gid}`, folder])
}
