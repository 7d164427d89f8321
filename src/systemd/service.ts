// What all services of nixacme have in common: who they run as, what of the state they see, and their sandbox.

import { exitStatuses } from '../errors.ts'
import { defaultRoots, markerName, takenMarkerName } from '../job/paths.ts'
import { isHidden, type Network, nodeFlags, protectHome, sandbox } from './hardening.ts'
import { commandLine, type Line, plain, type Section, wordList } from './text.ts'

/** How nixacme is started by units. */
export interface Program {
  /** Executable, its own flags, script: absolute paths. */
  readonly command: readonly string[]
  /** The config file, where it is not the one that nixacme reads anyway. */
  readonly config: string | undefined
}

export interface Service {
  readonly program: Program
  /** As `systemctl --version` tells it; undefined where unknown. */
  readonly systemdVersion: number | undefined
  readonly useRoot: boolean
  /** Primary group: that of the files made. */
  readonly group: string
  /** Further groups that files are given to. */
  readonly groups: readonly string[]
  /** Arguments of nixacme. */
  readonly run: readonly string[]
  /** The certificate whose hooks are told, when that has succeeded, of what was installed. */
  readonly hooksOf?: string
  /** The files of which one must be there for a run that a signal has ended to be a success. */
  readonly makes?: readonly string[]
  /** Target that is reached by a success. */
  readonly reaches?: string
  /** Whether it brings owner and group of files in order. */
  readonly mends?: boolean
  readonly network: Network
  /** Seconds after which a start has failed; with `serves`, until it is ended. */
  readonly seconds: number
  /** Whether it answers on a socket, instead of doing one piece of work. */
  readonly serves?: boolean
  readonly staysActive: boolean
  /** Paths under `/var/lib`, made and owned by systemd; what lies under the state root besides is not seen. */
  readonly state: readonly string[]
  readonly stateMode: string
  /** Absolute paths to be written besides; those that are missing are passed over. */
  readonly writable: readonly string[]
  /** Absolute paths to be read that the sandbox would hide. */
  readonly readable: readonly string[]
  /** Further settings, in the middle. */
  readonly extra: readonly Line[]
}

const user = 'acme'

/** The state root as StateDirectory= has it. */
export const stateName = 'acme'
const stateRoot = defaultRoots.state

/** `/var/lib/acme/x` → `acme/x` */
export const underVarLib = (path: string): string => path.slice('/var/lib/'.length)

/** An argument of nixacme that is no option, whatever it begins with. */
export const operand = (text: string): string[] => (text.startsWith('-') ? ['--', text] : [text])

const optional = (path: string): string => `-${path}`

/**
 * The state root shows only what the service is for: keys of other certificates are not there to be read. A service for
 * the whole state, which has no folder of its own and writes everywhere, sees it all.
 */
function stateView({ state, readable, writable }: Service): Line[] {
  const inState = (path: string) => path.startsWith(`${stateRoot}/`)
  const own = state.map((name) => `/var/lib/${name}`)
  const bound = writable.filter(inState).map(optional)
  if (own.length === 0 && writable.includes(stateRoot)) return []
  if (own.length + bound.length === 0) return [['InaccessiblePaths', optional(stateRoot)]]
  return [
    'Of the state only these folders are seen.',
    ['TemporaryFileSystem', `${stateRoot}:ro`],
    ['BindPaths', wordList([...own, ...bound])],
    ...(readable.some(inState)
      ? [['BindReadOnlyPaths', wordList(readable.filter(inState).map(optional))] as const]
      : []),
  ]
}

/** Whether units see a path only where it is bound in. */
export const isBound = (path: string): boolean => path.startsWith(`${stateRoot}/`) || isHidden(path)

/** What is written or read outside of the state root. */
function otherPaths({ readable, writable }: Service): Line[] {
  const outside = (path: string) => !path.startsWith(`${stateRoot}/`)
  const plainly = writable.filter((path) => outside(path) && !isHidden(path))
  const bound = writable.filter((path) => outside(path) && isHidden(path))
  const boundToRead = readable.filter((path) => outside(path) && isHidden(path))
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ['ReadWritePaths', plainly],
    ['BindPaths', bound],
    ['BindReadOnlyPaths', boundToRead],
  ]
  return lists.flatMap(([key, paths]) => (paths.length > 0 ? [[key, wordList(paths.map(optional))] as const] : []))
}

/** The first version that can keep lines out of the journal. */
const versionWithFilter = 253

/** What Node 20 and 22 say of each start with these flags. */
const withoutNoise = ({ systemdVersion = 0 }: Service): Line[] =>
  systemdVersion < versionWithFilter ? [] : [['LogFilterPatterns', '~^Warning: disabling flag --expose_wasm']]

/** Told by a shell that there is nothing to tell, Node need not start: `$0` is the folder, the rest the command. */
const whenInstalled = `[ -e "$0/${markerName}" ] || [ -e "$0/${takenMarkerName}" ] || exit 0; exec "$@"`

function hooks({ hooksOf, program, network }: Service): Line[] {
  if (hooksOf === undefined) return []
  const command = [...program.command, 'post-run', ...operand(hooksOf)]
  // A network namespace is the one thing that `+` does not leave behind.
  const outside = network === 'network' ? [] : ['/usr/bin/nsenter', '--net=/proc/1/ns/net', '--']
  const words = ['/bin/sh', '-c', whenInstalled, `${stateRoot}/${hooksOf}`, ...outside, ...command]
  return ['By root and outside of the sandbox, as hooks are.', ['ExecStartPost', `+${commandLine(words)}`]]
}

/** For test(1), which has no doubt about `-o` between paths. */
const anyExists = (paths: readonly string[]): string[] =>
  paths.flatMap((path, i) => [...(i === 0 ? [] : ['-o']), '-e', path])

/** More than the minute that a run waits after its first failure, with what chance adds to it. */
const restartSeconds = 90

const { later, unavailable, refused } = exitStatuses

/** Of systemd itself, for a credential that it cannot read (systemd.exec(5)). */
const noCredentials = 243

/** All but what the CA or the network may do better next time; a certificate that runs out is told while it waits, too. */
const notToBeRepeated = [
  ...Object.values(exitStatuses).filter((exit) => ![exitStatuses.ok, unavailable, refused].some((one) => one === exit)),
  noCredentials,
]

/** SIGTERM counts as success, since a stop is no failure: but not where it left nothing. */
const proof = ({ makes }: Service): Line[] =>
  makes === undefined
    ? []
    : [
        'Stopped while it waits or works, or told that it is too early, it has not failed, if there is a certificate.',
        ['SuccessExitStatus', `SIGTERM ${later}`],
        'Once more where it may pass soon; whatever else failed is tried again when its time comes, or mended by somebody.',
        ['Restart', 'on-failure'],
        ['RestartSec', `${restartSeconds}s`],
        ['RestartPreventExitStatus', notToBeRepeated.join(' ')],
        ['ExecStartPost', commandLine(['/usr/bin/test', ...anyExists(makes)])],
      ]

/** Also when an earlier failure has kept it back. */
const announcement = ({ reaches }: Service): Line[] =>
  reaches === undefined
    ? []
    : [['ExecStartPost', `-+${commandLine(['/usr/bin/systemctl', '--no-block', 'start', '--', reaches])}`]]

/** The section [Service]. */
export function serviceSection(service: Service): Section {
  const { program, useRoot, group, network } = service
  const groups = [...new Set(service.groups)].filter((name) => name !== group)
  const [executable = '', ...script] = program.command
  const lines: Line[] = [
    ['Type', service.serves ? 'exec' : 'oneshot'],
    ...(service.staysActive ? [['RemainAfterExit', 'yes'] as const] : []),
    ['ExecStart', commandLine([executable, ...nodeFlags, ...script, ...service.run])],
    ...proof(service),
    ...hooks(service),
    ...announcement(service),
    ['SyslogIdentifier', 'nixacme'],
    ...withoutNoise(service),
    [service.serves ? 'RuntimeMaxSec' : 'TimeoutStartSec', `${service.seconds}s`],
    ['User', useRoot ? 'root' : user],
    ['Group', group],
    ...(groups.length > 0 ? [['SupplementaryGroups', wordList(groups)] as const] : []),
    ...(program.config === undefined ? [] : [['Environment', wordList([`NIXACME_CONFIG=${program.config}`])] as const]),
    ...service.extra,
    ...(service.state.length > 0
      ? [
          ['StateDirectory', plain(service.state.join(' '))] as const,
          ['StateDirectoryMode', service.stateMode] as const,
        ]
      : []),
    ...stateView(service),
    ...otherPaths(service),
    protectHome([...service.readable, ...service.writable]),
    ...sandbox({
      network,
      chgrp: service.mends === true,
      groups: groups.length > 0,
      hooks: service.hooksOf !== undefined,
    }),
  ]
  return { name: 'Service', lines }
}
