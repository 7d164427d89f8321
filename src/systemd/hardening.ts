// The sandbox of the units (contract 2.6, systemd.exec(5)): as tight as V8 and the work allow, with the reason beside each
// setting that is missing or wide.
import type { Line } from './text.ts'

/** Makes MemoryDenyWriteExecute= possible. A short run without a compiler takes no longer, and less memory. */
export const nodeFlags = ['--jitless'] as const

export type Network = 'network' | 'no network'

/** What no unit needs. Nobody but ExecStartPost=+ has any capability, and nobody can get one. */
const common: readonly Line[] = [
  ['CapabilityBoundingSet', ''],
  ['AmbientCapabilities', ''],
  ['NoNewPrivileges', 'yes'],
  ['UMask', '0077'],
  ['ProtectSystem', 'strict'],
  ['PrivateTmp', 'yes'],
  ['PrivateDevices', 'yes'],
  ['PrivateMounts', 'yes'],
  ['DevicePolicy', 'closed'],
  ['ProtectClock', 'yes'],
  ['ProtectControlGroups', 'yes'],
  ['ProtectHostname', 'yes'],
  ['ProtectKernelLogs', 'yes'],
  ['ProtectKernelModules', 'yes'],
  ['ProtectKernelTunables', 'yes'],
  ['ProtectProc', 'invisible'],
  ['ProcSubset', 'pid'],
  ['RestrictNamespaces', 'yes'],
  ['RestrictRealtime', 'yes'],
  ['RestrictSUIDSGID', 'yes'],
  ['LockPersonality', 'yes'],
  ['RemoveIPC', 'yes'],
  ['KeyringMode', 'private'],
  ['SystemCallArchitectures', 'native'],
  'V8 compiles to machine code, unless Node is started with --jitless (which Node 20 and 22 comment on with a warning).',
  ['MemoryDenyWriteExecute', 'yes'],
]

const systemCalls: readonly Line[] = [
  '@pkey: V8 protects its own memory with keys. EPERM instead of an end: Node asks for more open files and can do without.',
  ['SystemCallFilter', '@system-service @pkey'],
  ['SystemCallFilter', '~@privileged @resources'],
  ['SystemCallErrorNumber', 'EPERM'],
]

const online: readonly Line[] = [
  'AF_UNIX: systemd-notify, logger, and the resolver of systemd.',
  ['NotifyAccess', 'all'],
  ['RestrictAddressFamilies', 'AF_INET AF_INET6 AF_UNIX'],
]

const offline: readonly Line[] = [
  'AF_UNIX: logger, and users and groups that are not in files.',
  ['RestrictAddressFamilies', 'AF_UNIX'],
  ['PrivateNetwork', 'yes'],
]

/** Holds for whatever the unit starts, hooks too. */
const noAddress: readonly Line[] = [['IPAddressDeny', 'any']]

/** Elsewhere all files are the service's own user's and group's, as systemd and its umask make them. */
const changingGroups: readonly Line[] = [
  'The owner of a file may give it to a group that is his own, without any capability.',
  ['SystemCallFilter', '@chown'],
]

const oneGroup: readonly Line[] = [['PrivateUsers', 'yes']]
const moreGroups: readonly Line[] = ['No PrivateUsers=, which would hide the groups.']

export interface Needs {
  readonly network: Network
  /** Whether hooks are run after it, which may use the network. */
  readonly hooks: boolean
  /** Whether files that are there may have to be given to another group. */
  readonly chgrp: boolean
  /** Whether there are groups besides the service's own. */
  readonly groups: boolean
}

/** The sandbox of one service. */
export const sandbox = ({ network, chgrp, groups, hooks }: Needs): readonly Line[] => [
  ...common,
  ...(network === 'network' ? online : offline),
  ...(network === 'network' || hooks ? [] : noAddress),
  ...systemCalls,
  ...(chgrp ? changingGroups : []),
  ...(groups ? moreGroups : oneGroup),
]

/** Folders that ProtectHome= and PrivateTmp= hide; what must be seen of them is bound in. */
const homes = ['/home', '/root', '/run/user']
const temporary = ['/tmp', '/var/tmp']

const isIn = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`))

export const isHidden = (path: string): boolean => isIn(path, [...homes, ...temporary])

/** ProtectHome= for a unit that needs these paths: a tmpfs where one of them lies in a home, since nothing can be bound into less. */
export const protectHome = (paths: readonly string[]): Line => [
  'ProtectHome',
  paths.some((path) => isIn(path, homes)) ? 'tmpfs' : 'yes',
]
