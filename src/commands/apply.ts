// Makes the machine what the config says: compiles jobs and units, shows what changes, checks all of it, writes it, and
// tells systemd. A second run changes nothing; one that was cut short is finished by the next.
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { NixacmeError } from '../errors.ts'
import { compareJobs, type JobChanges, writeJobs } from '../job/changes.ts'
import { compile } from '../job/compile.ts'
import type { Job } from '../job/job.ts'
import { defaultRoots, type Roots } from '../job/paths.ts'
import { assertOnlyOurs } from '../job/trust.ts'
import { groupId } from '../system-users.ts'
import { type Activation, activate, makeFolders, makeUser, stopRemoved } from '../systemd/activate.ts'
import { compareFiles, type FileChange, writeFiles } from '../systemd/changes.ts'
import { isBooted, SystemControl } from '../systemd/control.ts'
import { type SystemFile, systemFiles } from '../systemd/machine.ts'
import type { Program } from '../systemd/service.ts'
import { dropUnfinished, readUnfinished, type Todo, writeUnfinished } from '../systemd/unfinished.ts'
import { assertApplicable } from './apply-checks.ts'
import { showChanges } from './apply-report.ts'
import { type Context, loadConfig } from './context.ts'
import { fixPermissions } from './fix-permissions.ts'
import { acmeUser } from './owner.ts'
import { programOf } from './units.ts'

export interface ApplyOptions {
  readonly dryRun: boolean
  /** Folder that stands for `/`; undefined: the machine itself. */
  readonly root: string | undefined
  /** Whether the running systemd is told. */
  readonly systemctl: boolean
}

/** What is to be on disk, and how it differs from what is. */
interface Plan {
  readonly config: Config
  readonly program: Program
  readonly jobs: readonly Job[]
  readonly roots: Roots
  readonly root: string
  readonly jobChanges: JobChanges
  readonly files: readonly SystemFile[]
  readonly fileChanges: ReadonlyMap<string, FileChange>
  readonly areFilesSettled: boolean
  readonly todo: Todo
}

export async function apply(options: ApplyOptions, context: Context): Promise<number> {
  const { host, log } = context
  const isLive = options.root === undefined && options.systemctl && isBooted()
  const withUnits = isOfMachine(context) && (isLive || options.root !== undefined || !options.systemctl)
  if (withUnits && options.root === undefined && host.identity.uid !== 0)
    throw new NixacmeError('permission', 'only root can apply the config to the machine', {
      hints: ['run as root; or with --root DIR for an image, with --state-dir for a state of your own'],
    })
  const control = new SystemControl(host)
  // What comes with newer ones is left out where another systemd will read it.
  const systemdVersion = isLive ? await control.version() : undefined
  const plan = await planFor(options, withUnits, systemdVersion, context)
  if (withUnits) await assertApplicable(plan.config, plan.program, plan.root, isLive ? control : undefined)
  await showChanges({ ...plan, stateRoot: context.roots.state }, options.dryRun, host)
  if (options.dryRun) return 0
  if (!withUnits && isOfMachine(context))
    log.info('systemd does not run here: wrote jobs only', ["let cron run 'nixacme renew --all': units/nixacme.cron"])
  if (isDone(plan)) return 0
  const isTold = withUnits && options.systemctl
  const activation = isTold ? { control, image: options.root, files: plan.fileChanges, ...plan.todo } : undefined
  return write(plan, activation, context)
}

const isDone = ({ todo, jobChanges, areFilesSettled }: Plan): boolean =>
  jobChanges.isSettled && todo.added.length + todo.changed.length === 0 && areFilesSettled

/** A state of one's own has no units: those are for the folders that systemd makes. */
const isOfMachine = ({ roots }: Context): boolean =>
  roots.state === defaultRoots.state && roots.runtime === defaultRoots.runtime && roots.jobs === defaultRoots.jobs

async function planFor(
  { root: rootOption }: ApplyOptions,
  withUnits: boolean,
  systemdVersion: number | undefined,
  context: Context,
): Promise<Plan> {
  const root = rootOption ?? '/'
  const config = await loadConfig(rootOption === undefined ? context : withinRoot(context, root))
  const compiled = compile(config)
  // In an image the files of the config will not look as they do here.
  const jobs = rootOption === undefined ? compiled : compiled.map((job) => ({ ...job, sources: [] }))
  const roots = { ...context.roots, jobs: join(root, context.roots.jobs) }
  const program = programOf(context, rootOption)
  const files = withUnits ? systemFiles(config, jobs, { program, systemdVersion }) : []
  const jobChanges = compareJobs(roots, jobs)
  const fileChanges = withUnits ? compareFiles(root, files) : { kinds: new Map(), isSettled: true }
  const of = (...kinds: string[]) =>
    [...jobChanges.kinds].flatMap(([cert, kind]) => (kinds.includes(kind) ? [cert] : []))
  const left = withUnits ? readUnfinished(root) : { added: [], changed: [] }
  const wanted = new Set(jobs.map(({ cert }) => cert))
  const added = new Set([...of('added'), ...left.added].filter((cert) => wanted.has(cert)))
  const changed = new Set([...of('changed'), ...left.changed].filter((cert) => wanted.has(cert) && !added.has(cert)))
  return {
    config,
    program,
    jobs,
    roots,
    root,
    jobChanges,
    files,
    fileChanges: fileChanges.kinds,
    areFilesSettled: fileChanges.isSettled,
    todo: { added: [...added], changed: [...changed] },
  }
}

/** The config of an image is the image's, unless another one was named. */
const withinRoot = (context: Context, root: string): Context =>
  context.config.explicit
    ? context
    : { ...context, config: { ...context.config, path: join(root, context.config.path) } }

async function write(plan: Plan, activation: Activation | undefined, context: Context): Promise<number> {
  const { root, roots, jobs, jobChanges, files, fileChanges, areFilesSettled, todo } = plan
  const isRoot = context.host.identity.uid === 0
  if (isRoot && root === '/') assertOnlyOurs(roots.jobs, 0)
  if (activation) {
    writeUnfinished(root, todo)
    await stopRemoved(activation)
  }
  if (!areFilesSettled) writeFiles(root, files, { kinds: fileChanges })
  if (activation && jobs.length > 0) await makeUser(activation)
  const gid = isRoot && root === '/' ? await groupId(acmeUser) : undefined
  writeJobs(roots, jobs, jobChanges, gid)
  if (!activation) return 0
  if (jobs.length > 0) await makeFolders(activation)
  // Files of another owner can be mended by root alone; the unit has no such right.
  const isHere = activation.image === undefined && jobs.length > 0
  const status = isHere ? await fixPermissions(context) : 0
  await activate(activation)
  dropUnfinished(root)
  return status
}
