// Makes the machine what the config says: compiles jobs and units, shows what changes, checks all of it, writes it, and
// tells systemd. A second run changes nothing; one that was cut short is finished by the next.
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { NixacmeError } from '../errors.ts'
import { lstatIfThere } from '../fs.ts'
import { compareJobs, type JobChanges, writeJobs } from '../job/changes.ts'
import { compile } from '../job/compile.ts'
import type { Job } from '../job/job.ts'
import { applyDir, defaultRoots, type Roots, renewalInfoDir } from '../job/paths.ts'
import { assertOnlyOurs } from '../job/trust.ts'
import { type Held, tryFolder, waitFor } from '../renewal/lock.ts'
import { forgetWatch } from '../renewal/renewal-info-file.ts'
import { groupId } from '../system-users.ts'
import { type Activation, activate, makeFolders, makeUser, reload, stopRemoved } from '../systemd/activate.ts'
import { compareFiles, type FileChange, writeFiles } from '../systemd/changes.ts'
import { isBooted, SystemControl } from '../systemd/control.ts'
import { type SystemFile, systemFiles, unitsDir } from '../systemd/machine.ts'
import { renewalService, renewalTimer } from '../systemd/names.ts'
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
  /** An earlier one was cut short. */
  readonly resumed: boolean
}

export async function apply(options: ApplyOptions, context: Context): Promise<number> {
  const { host } = context
  const isLive = options.root === undefined && options.systemctl && isBooted()
  const withUnits = isOfMachine(context) && (isLive || options.root !== undefined || !options.systemctl)
  if (withUnits && options.root === undefined && host.identity.uid !== 0)
    throw new NixacmeError('permission', 'only root can apply the config to the machine', {
      hints: ['run as root; or with --root DIR for an image, with --state-dir for a state of your own'],
    })
  const control = new SystemControl(host)
  // What comes with newer ones is left out where another systemd will read it.
  const system = { isLive, withUnits, control, systemdVersion: isLive ? await control.version() : undefined }
  const lock = withUnits && !options.dryRun ? await takeLock(options.root ?? '/', context) : undefined
  try {
    return await applyAlone(options, system, context)
  } finally {
    lock?.release()
  }
}

interface System {
  /** The systemd that runs this machine is told. */
  readonly isLive: boolean
  readonly withUnits: boolean
  readonly control: SystemControl
  readonly systemdVersion: number | undefined
}

/** Seconds to wait for another apply. */
const patience = 300

/** Two at once would each take the other's files for its own. The first of all finds no folder, and nothing to confuse. */
async function takeLock(root: string, { host, log }: Context): Promise<Held | undefined> {
  const folder = join(root, applyDir)
  if (!lstatIfThere(folder)) return undefined
  return waitFor(() => tryFolder(folder), {
    seconds: patience,
    signal: host.interrupted,
    now: host.now,
    what: "another 'nixacme apply'",
    onWait: () => log.waiting("waiting for another 'nixacme apply'"),
  })
}

async function applyAlone(options: ApplyOptions, system: System, context: Context): Promise<number> {
  const { isLive, withUnits, control } = system
  const plan = await planFor(options, system, context)
  if (withUnits) await assertApplicable(plan.config, plan.program, plan.root, isLive ? control : undefined)
  const { stdout } = context.host
  const sum = await showChanges({ ...plan, stateRoot: context.roots.state }, context.host)
  if (options.dryRun) {
    stdout.write(`would be: ${sum}`)
    return 0
  }
  if (!withUnits && isOfMachine(context))
    context.log.info('systemd does not run here: wrote jobs only', [
      "let cron run 'nixacme renew --all': units/nixacme.cron",
    ])
  if (isDone(plan, options)) {
    stdout.write(sum)
    return 0
  }
  const isTold = withUnits && options.systemctl
  const { todo, resumed, fileChanges: files } = plan
  const wanted = plan.jobs.map(({ cert }) => cert)
  const activation = isTold ? { control, image: options.root, files, ...todo, wanted, resumed } : undefined
  // On this machine a later one is to tell systemd what this one may not.
  if (isTold || (withUnits && options.root === undefined)) writeUnfinished(plan.root, todo)
  const status = await write(plan, activation, context)
  stdout.write(sum)
  return status
}

const isDone = ({ todo, resumed, jobChanges, areFilesSettled }: Plan, { systemctl }: ApplyOptions): boolean =>
  jobChanges.isSettled && areFilesSettled && (!systemctl || (!resumed && todo.added.length + todo.changed.length === 0))

/** A state of one's own has no units: those are for the folders that systemd makes. */
const isOfMachine = ({ roots }: Context): boolean =>
  roots.state === defaultRoots.state && roots.runtime === defaultRoots.runtime && roots.jobs === defaultRoots.jobs

async function planFor({ root: rootOption }: ApplyOptions, system: System, context: Context): Promise<Plan> {
  const { withUnits, systemdVersion } = system
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
  const left = withUnits ? readUnfinished(root) : undefined
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
    todo: todoFor(jobs, jobChanges, fileChanges.kinds, left),
    resumed: left !== undefined,
  }
}

/** What is new and what has something else to do, whether the jobs tell it or the units. */
function todoFor(
  jobs: readonly Job[],
  { kinds }: JobChanges,
  files: ReadonlyMap<string, FileChange>,
  left: Todo | undefined,
): Todo {
  const wanted = new Set(jobs.map(({ cert }) => cert))
  const jobsThat = (are: string) => [...kinds].flatMap(([cert, kind]) => (kind === are ? [cert] : []))
  const unitsThat = (are: FileChange, unitOf: (cert: string) => string) =>
    [...wanted].filter((cert) => files.get(`${unitsDir}/${unitOf(cert)}`) === are)
  const added = new Set([
    ...jobsThat('added'),
    ...unitsThat('added', renewalService),
    ...unitsThat('added', renewalTimer),
    ...(left ? [...left.added, ...left.removed] : []),
  ])
  const changed = new Set([...jobsThat('changed'), ...unitsThat('changed', renewalService), ...(left?.changed ?? [])])
  return {
    added: [...added].filter((cert) => wanted.has(cert)),
    changed: [...changed].filter((cert) => wanted.has(cert) && !added.has(cert)),
    removed: [...new Set([...jobsThat('removed'), ...(left?.removed ?? [])])].filter((cert) => !wanted.has(cert)),
  }
}

/** The config of an image is the image's, unless another one was named. */
const withinRoot = (context: Context, root: string): Context =>
  context.config.explicit
    ? context
    : { ...context, config: { ...context.config, path: join(root, context.config.path) } }

async function write(plan: Plan, activation: Activation | undefined, context: Context): Promise<number> {
  const { root, roots, jobs, jobChanges, files, fileChanges, areFilesSettled } = plan
  const isRoot = context.host.identity.uid === 0
  if (isRoot && root === '/') assertOnlyOurs(roots.jobs, 0)
  if (activation) await stopRemoved(activation)
  if (!areFilesSettled) writeFiles(root, files, { kinds: fileChanges })
  if (activation && jobs.length > 0) await makeUser(activation)
  const gid = isRoot && root === '/' ? await groupId(acmeUser) : undefined
  writeJobs(roots, jobChanges, { isRoot, gid })
  const known = join(root, renewalInfoDir(roots))
  for (const [cert, kind] of jobChanges.kinds) if (kind === 'removed') forgetWatch(known, cert)
  if (!activation) return 0
  if (jobs.length > 0) await makeFolders(activation)
  await reload(activation)
  // Files of another owner can be mended by root alone; the unit has no such right.
  const isHere = activation.image === undefined && jobs.length > 0
  const status = isHere ? await fixPermissions(context, { jobs, faults: new Map() }) : 0
  await activate(activation)
  dropUnfinished(root)
  return status
}
