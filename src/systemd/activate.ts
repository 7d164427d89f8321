// From files to running units: what systemd is told before they are written, and after. Only what is new or changed is
// started; whatever else runs, or waits for its timer, is not touched.
import { basename } from 'node:path'
import { sleep } from '../wait.ts'
import type { FileChange } from './changes.ts'
import type { SystemControl } from './control.ts'
import { sysusersPath, tmpfilesPath, unitsDir } from './machine.ts'
import {
  finishedTarget,
  lockFilesService,
  permissionsService,
  pollTimer,
  renewalService,
  renewalTimer,
  selfsignedCaService,
  selfsignedService,
} from './names.ts'

export interface Activation {
  readonly control: SystemControl
  /** The folder of an image, where units can be enabled and nothing runs; undefined: this machine. */
  readonly image: string | undefined
  readonly files: ReadonlyMap<string, FileChange>
  /** Certificates. */
  readonly added: readonly string[]
  /** There before, and with something else to do now. */
  readonly changed: readonly string[]
  /** All certificates of the config. */
  readonly wanted: readonly string[]
  /** Whether an earlier one was cut short: what it had told systemd is not known. */
  readonly resumed: boolean
}

const isUnit = (path: string): boolean => path.startsWith(`${unitsDir}/`)

const changeOf = ({ files }: Activation, path: string): FileChange => files.get(path) ?? 'unchanged'

/**
 * Before the files are gone that say how: units that are no more end. Not those for self-signed certificates of what stays:
 * these do not run, and a stop of them would stop who requires them.
 */
export async function stopRemoved({ control, files, image, wanted }: Activation): Promise<void> {
  const spared = new Set([...wanted.map(selfsignedService), ...(wanted.length > 0 ? [selfsignedCaService] : [])])
  const gone = [...files].flatMap(([path, kind]) => (isUnit(path) && kind === 'removed' ? [basename(path)] : []))
  const units = gone.filter((name) => !spared.has(name))
  if (units.length === 0) return
  if (image !== undefined) return control.run('systemctl', `--root=${image}`, '--quiet', 'disable', '--', ...units)
  await control.run('systemctl', '--quiet', 'disable', '--now', '--', ...units)
  // One that has failed would be remembered without its file.
  const list = ['list-units', '--all', '--state=failed', '--plain', '--no-legend', '--', ...units]
  const failed = ((await control.ask('systemctl', ...list)) ?? '')
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || [])
  if (failed.length > 0) await control.run('systemctl', 'reset-failed', '--', ...failed)
}

/** The user and the folders: before jobs are written that only they may read. */
export async function makeUser(activation: Activation): Promise<void> {
  if (activation.image === undefined && changeOf(activation, sysusersPath) !== 'unchanged')
    await activation.control.run('systemd-sysusers', sysusersPath)
}

export async function makeFolders({ control, image }: Activation): Promise<void> {
  if (image === undefined) await control.run('systemd-tmpfiles', '--create', tmpfilesPath)
}

/** Units with an [Install] section of their own. */
const enabled = (cert: string): string[] => [renewalService(cert), renewalTimer(cert), finishedTarget(cert)]

/** Of the machine, with such a section; there is one where there is a certificate. */
const machineTimers = [pollTimer]

/** To be enabled and started: written just now, or by a run that was cut short. */
const isNew = ({ files, resumed }: Activation, name: string): boolean => {
  const change = files.get(`${unitsDir}/${name}`)
  return change === 'added' || (resumed && change !== undefined && change !== 'removed')
}

/** What is newly enabled. */
const news = (activation: Activation): string[] => [
  ...machineTimers.filter((name) => isNew(activation, name)),
  ...activation.added.flatMap(enabled),
]

/**
 * After the files are written: systemd reads them, and what still works by the old ones is ended. Whose files it makes is
 * told by its unit and its job, and these may differ by now: it would leave files that nobody but root could mend.
 */
export async function reload(activation: Activation): Promise<void> {
  const { control, files, changed, image, resumed } = activation
  if (image !== undefined) return
  const isOther = [...files].some(([path, kind]) => isUnit(path) && kind !== 'unchanged')
  if (resumed || isOther || news(activation).length > 0) await control.run('systemctl', 'daemon-reload')
  await endOutdated(
    control,
    changed.flatMap((cert) => [renewalService(cert), selfsignedService(cert)]),
  )
}

/** Then: enabled, started. Starts are not waited for. */
export async function activate(activation: Activation): Promise<void> {
  const { control, files, added, changed, image, resumed } = activation
  const timers = machineTimers.filter((name) => isNew(activation, name))
  const units = news(activation)
  if (units.length > 0) {
    const root = image === undefined ? [] : [`--root=${image}`]
    await control.run('systemctl', ...root, '--quiet', 'enable', '--', ...units)
  }
  if (image !== undefined) return
  const setUp = [permissionsService, lockFilesService].filter((name) => {
    const change = files.get(`${unitsDir}/${name}`)
    return change === 'changed' || (resumed && change === 'unchanged')
  })
  if (setUp.length > 0) await control.run('systemctl', 'try-restart', '--', ...setUp)
  const restarted = await underWay(control, changed)
  const moved = machineTimers.filter((name) => files.get(`${unitsDir}/${name}`) === 'changed')
  if (moved.length > 0) await control.run('systemctl', 'try-restart', '--', ...moved)
  const started = [
    ...timers,
    ...added.flatMap((cert) => [renewalTimer(cert), renewalService(cert), finishedTarget(cert)]),
  ]
  const again = changed.map(renewalService).filter((name) => !restarted.includes(name))
  if (restarted.length > 0) await control.run('systemctl', 'restart', '--no-block', '--', ...restarted)
  if (started.length + again.length > 0)
    await control.run('systemctl', 'start', '--no-block', '--', ...started, ...again)
}

/** One property of each unit, in their order; empty when systemd cannot be asked. */
async function propertyOf(control: SystemControl, property: string, units: readonly string[]): Promise<string[]> {
  if (units.length === 0) return []
  const text = (await control.ask('systemctl', 'show', `--property=${property}`, '--value', '--', ...units)) ?? ''
  return text.split(/\n+/).filter(Boolean)
}

/** Seconds until what was told to end has done so: it does at once, but for one that writes or cannot be scheduled. */
const endPatience = 30
const endPause = 0.05

/**
 * Ends the processes of these units that run; not their hooks, and not what depends on them, as a stop would. What has not
 * ended in time goes on: it is no worse off than before.
 */
async function endOutdated(control: SystemControl, units: readonly string[]): Promise<void> {
  const kill = ['kill', '--kill-whom=main', '--signal=SIGTERM', '--']
  const pids = await propertyOf(control, 'MainPID', units)
  const outdated = units.flatMap((name, i) => ((pids[i] ?? '0') === '0' ? [] : [{ name, pid: pids[i] }]))
  // Not an error when one has just ended by itself.
  if (outdated.length > 0) await control.ask('systemctl', ...kill, ...outdated.map(({ name }) => name))
  const names = outdated.map(({ name }) => name)
  for (let waited = 0; waited < endPatience; waited += endPause) {
    const now = await propertyOf(control, 'MainPID', names)
    if (outdated.every(({ pid }, i) => now[i] !== pid)) return
    await sleep(endPause * 1000, control.interrupted)
  }
}

/** The renewals that run or wait at this moment, with what they were told before. */
async function underWay(control: SystemControl, certs: readonly string[]): Promise<string[]> {
  const units = certs.map(renewalService)
  const states = await propertyOf(control, 'ActiveState', units)
  return units.filter((_, i) => states[i] === 'activating')
}
