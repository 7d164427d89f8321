// What the machine gets once: the set-up units (contract 1.9, 1.13), the slice of the renewals, the user and the folders.
import { createHash } from 'node:crypto'
import { type Config, webrootsOf } from '../config/config.ts'
import { defaultRoots, dueDir, renewalInfoDir } from '../job/paths.ts'
import { challengeUnits } from './challenge-units.ts'
import { lockFilesService, permissionsService, selfsignedCaService, slice } from './names.ts'
import { pollUnits } from './poll-units.ts'
import { type Program, type Service, serviceSection, stateName } from './service.ts'
import { configField, type Line, madeByUs, type Unit } from './text.ts'
import { startsWithoutLimit, unitSection } from './unit-section.ts'

export interface MachineUnits {
  readonly config: Config
  readonly program: Program
  /** As `systemctl --version` tells it; undefined where unknown. */
  readonly systemdVersion: number | undefined
}

export function machineUnits(of: MachineUnits): Unit[] {
  const { config } = of
  return [
    permissions(of),
    renewals(of),
    ...pollUnits(of),
    ...challengeUnits(of),
    ...(config.maxConcurrentRenewals > 0 ? [lockFiles(of)] : []),
    ...(config.preliminarySelfsigned ? [selfsignedCa(of)] : []),
  ]
}

/** Seconds: these are short, unless the disk is very slow. */
const setUpSeconds = 300

const common = ({ config, program, systemdVersion }: MachineUnits) =>
  ({
    program,
    systemdVersion,
    useRoot: config.useRoot,
    group: config.useRoot ? 'root' : 'acme',
    groups: [],
    network: 'no network',
    seconds: setUpSeconds,
    staysActive: false,
    state: [],
    stateMode: '0755',
    writable: [],
    readable: [],
    extra: [],
  }) satisfies Partial<Service>

/** Read by nobody: the unit's text must change when its work does, so that apply starts it anew. */
const changesWith = (value: string): Line => ['X-NixacmeChangesWith', value]

/**
 * Mends as the owner of the files may, without any privilege: it works in folders where any would be a risk. Owners are
 * set by systemd itself where it makes folders (StateDirectory=, tmpfiles), and by root who runs the command by hand.
 */
function permissions(of: MachineUnits): Unit {
  const { certs } = of.config
  const wanted = createHash('sha256').update(JSON.stringify(certs.map(({ name, group }) => [name, group])))
  return {
    name: permissionsService,
    sections: [
      unitSection('Fix owner and group of all ACME certificates', [
        startsWithoutLimit,
        changesWith(wanted.digest('hex').slice(0, 20)),
      ]),
      serviceSection({
        ...common(of),
        groups: of.config.useRoot ? [] : certs.map(({ group }) => group),
        run: ['fix-permissions'],
        // Root has no right to here, without any capability.
        mends: !of.config.useRoot,
        staysActive: true,
        writable: [defaultRoots.state],
        // Nothing to do, and no failure, where no state is yet.
        extra: [['WorkingDirectory', `-${defaultRoots.state}`]],
      }),
    ],
  }
}

function lockFiles(of: MachineUnits): Unit {
  return {
    name: lockFilesService,
    sections: [
      unitSection('Manage lock files for acme services', [
        startsWithoutLimit,
        changesWith(String(of.config.maxConcurrentRenewals)),
      ]),
      serviceSection({
        ...common(of),
        run: ['lock-files'],
        staysActive: true,
        extra: [
          ['RuntimeDirectory', 'acme'],
          ['RuntimeDirectoryMode', '0700'],
          'Renewals that run hold their locks there.',
          ['RuntimeDirectoryPreserve', 'yes'],
          ['WorkingDirectory', defaultRoots.runtime],
        ],
      }),
    ],
  }
}

function selfsignedCa(of: MachineUnits): Unit {
  return {
    name: selfsignedCaService,
    sections: [
      unitSection('Generate self-signed certificate authority', [
        startsWithoutLimit,
        ['ConditionPathExists', `!${defaultRoots.state}/.minica/key.pem`],
      ]),
      serviceSection({
        ...common(of),
        run: ['selfsign-ca'],
        state: [`${stateName}/.minica`],
        stateMode: '0750',
      }),
    ],
  }
}

/** The first version that can bound how many units of a slice run at once. */
const versionWithConcurrency = 258

/**
 * The renewals in one place, for `systemctl status acme.slice` and for limits of one's own. Where systemd can, it starts
 * only so many that those which would wait for a slot are not started at all; twice the slots, since two may share one.
 */
function renewals({ config, systemdVersion = 0 }: MachineUnits): Unit {
  const limit = 2 * config.maxConcurrentRenewals
  const isBounded = limit > 0 && systemdVersion >= versionWithConcurrency
  return {
    name: slice,
    sections: [
      unitSection('Renewals of ACME certificates', []),
      ...(isBounded ? [{ name: 'Slice' as const, lines: [['ConcurrencySoftMax', String(limit)] as const] }] : []),
    ],
  }
}

/**
 * sysusers.d(5): the user that does the work. Named in his own group, too: a unit whose primary group is another one is
 * then still in it, and may read the jobs.
 */
export const sysusers = (): string => `${madeByUs}\nu acme - "ACME certificates" ${defaultRoots.state} -\nm acme acme\n`

/** `path`, `path`/.well-known and the folder of the challenges below. */
const challengeFolders = (webroot: string): string[] => {
  const root = webroot.replace(/\/+$/, '')
  return [root, `${root}/.well-known`, `${root}/.well-known/acme-challenge`]
}

const sharedFolders = ['', '/.lego', '/.lego/accounts'].map((path) => `${defaultRoots.state}${path}`)

/**
 * tmpfiles.d(5): the folders that root must make. What is there of a web server's own folders keeps its owner and mode;
 * those for the challenges are made for user acme, both: in a folder of another owner systemd-tmpfiles goes down one step
 * only (a link could be set there), and the renewal makes the second itself. Hence `d-`, too: what cannot be made is told
 * by the renewal that misses it.
 */
export function tmpfiles(config: Config, jobs: string): string {
  const user = config.useRoot ? 'root' : 'acme'
  const webroots = [...new Set(config.certs.flatMap(({ challenges }) => webrootsOf(challenges)))].sort()
  const ownedBy = (owner: string) => (path: string) => `d ${configField(path)} 0755 ${owner} ${owner}`
  const own = ownedBy(user)
  const webroot = (path: string): string[] => {
    const [root = '', wellKnown = '', challenges = ''] = challengeFolders(path)
    if (root.startsWith(`${defaultRoots.state}/`)) return [root, wellKnown, challenges].map(own)
    const forUser = [wellKnown, challenges].map((folder) => `d- ${configField(folder)} :0755 :${user} :${user}`)
    return [`d- ${configField(root)} - - -`, ...forUser]
  }
  const lines = [
    "# What all certificates share is root's: nobody else can put a link there, through which systemd would make folders.",
    ...sharedFolders.map(ownedBy('root')),
    '# What the CAs say of renewals, beside no key; and what is due: acme marks it, and root takes the marks away.',
    `d ${renewalInfoDir(defaultRoots)} 0750 ${user} ${user}`,
    `d ${dueDir(defaultRoots)} 0770 root ${user}`,
    '# The locks of the renewals.',
    `d ${defaultRoots.runtime} 0700 ${user} ${user}`,
    `Z ${defaultRoots.runtime} ~0700 ${user} - - -`,
    '# The compiled jobs: hooks may hold secrets.',
    `z ${jobs} 0750 root ${user}`,
    `z ${jobs}/* 0640 root ${user}`,
    ...(webroots.length > 0 ? ['# Where challenges are shown.'] : []),
    ...webroots.flatMap(webroot),
  ]
  return `${madeByUs}\n${lines.join('\n')}\n`
}
