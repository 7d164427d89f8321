// The units of one certificate: renewal, timer, self-signed stand-in, and the target that tells of its success (contract
// 1.9, 2.4). Names, ordering and folders are the module's. There is no leader certificate and no account target: whoever
// comes first registers the account, under a lock, so that one broken certificate holds up no other.
import { type CertConfig, type Config, webrootsOf } from '../config/config.ts'
import { under } from '../fs.ts'
import { credentialIds, isEncrypted } from '../job/credential-files.ts'
import { type Job, pathsOf } from '../job/job.ts'
import { type CertPaths, defaultRoots, renewalInfoDir } from '../job/paths.ts'
import { socketsFor } from './challenge-units.ts'
import {
  finishedTarget,
  lockFilesService,
  permissionsService,
  renewalService,
  renewalTimer,
  selfsignedCaService,
  selfsignedService,
  slice,
} from './names.ts'
import { operand, type Program, type Service, serviceSection, underVarLib } from './service.ts'
import { installedIn, type Line, plain, type Unit } from './text.ts'
import { startsWithoutLimit, unitSection } from './unit-section.ts'

export interface CertificateUnits {
  readonly config: Config
  readonly cert: CertConfig
  readonly job: Job
  readonly program: Program
  /** As `systemctl --version` tells it; undefined where unknown. */
  readonly systemdVersion: number | undefined
}

/** Seconds of a registration, and of hooks and reloads. */
const registrationSeconds = 300
const hookSeconds = 1200
/** Seconds of making a key and a certificate without a CA, on the slowest machine. */
const selfsignSeconds = 900
/** The timer comes again then. */
const day = 86_400

/**
 * What bounds each part of the work, together: one CA after the other may be asked. A wait for a slot that the config does
 * not bound ends when the next one would begin.
 */
const startSeconds = ({ job }: CertificateUnits): number =>
  job.servers.length * (registrationSeconds + job.orderTimeout) + hookSeconds + (job.lock.timeout ?? day)

export function certificateUnits(of: CertificateUnits): Unit[] {
  const units = [renewal(of), timer(of), finished(of)]
  return of.config.preliminarySelfsigned ? [...units, selfsigned(of)] : units
}

const usesSlots = ({ job }: CertificateUnits): boolean => job.lock.home !== null

/** Credentials reach the renewal as copies that only it can read; systemd reads the sources, as root. */
function secrets({ environmentFile, credentialFiles }: CertConfig): Line[] {
  const ids = credentialIds(Object.keys(credentialFiles))
  const credentials = Object.entries(credentialFiles).flatMap(([variable, path]): Line[] => {
    const id = ids.get(variable) ?? variable
    return [
      [isEncrypted(path) ? 'LoadCredentialEncrypted' : 'LoadCredential', `${id}:${plain(path)}`],
      ['Environment', `${variable}=%d/${id}`],
    ]
  })
  return [...(environmentFile === null ? [] : [['EnvironmentFile', plain(environmentFile)] as const]), ...credentials]
}

/** A certificate may come from any of its CAs, each with folders of its own. */
const pathsOfAll = (job: Job): CertPaths[] => job.servers.map((server) => pathsOf(defaultRoots, job, server))

/** What is of the certificate alone, the outer folders first. */
const ownFolders = (all: readonly CertPaths[]): string[] => [
  ...new Set(all.flatMap(({ out, legoCert }) => [out, legoCert])),
  ...all.map(({ certificates }) => certificates),
]

/** What a renewal reads besides its state. */
export const filesToRead = ({ caCertificates, csr, engine }: CertConfig): readonly string[] => [
  ...caCertificates,
  ...(csr === null ? [] : [csr.request, csr.key]),
  ...(engine.kind === 'lego' && engine.path !== null ? [engine.path] : []),
]

const common = ({ config, cert, program, systemdVersion }: CertificateUnits) =>
  ({ program, systemdVersion, useRoot: config.useRoot, group: cert.group, groups: [] }) satisfies Partial<Service>

/** For `journalctl NIXACME_CERT=…`: each line of the unit has it. */
const journalField = ({ name }: CertConfig): Line => ['LogExtraFields', `NIXACME_CERT=${name}`]

function renewal(of: CertificateUnits): Unit {
  const { config, cert, job } = of
  const all = pathsOfAll(job)
  const setUp = [permissionsService, ...(usesSlots(of) ? [lockFilesService] : []), ...socketsFor(cert.challenges)]
  const before = config.preliminarySelfsigned ? [selfsignedService(cert.name)] : []
  const online = 'network-online.target'
  return {
    name: renewalService(cert.name),
    sections: [
      unitSection(`Renew ACME certificate for ${cert.name}`, [
        startsWithoutLimit,
        ['After', ['network.target', online, 'nss-lookup.target', ...setUp, ...before].join(' ')],
        ['Wants', [online, ...setUp, ...before].join(' ')],
      ]),
      serviceSection({
        ...common(of),
        run: ['renew', ...operand(cert.name)],
        makes: all.map(({ certificate }) => certificate),
        hooksOf: cert.name,
        reaches: finishedTarget(cert.name),
        network: 'network',
        seconds: startSeconds(of),
        staysActive: false,
        state: [...ownFolders(all), ...all.map(({ accountRoot }) => accountRoot)].map(underVarLib),
        stateMode: '0750',
        writable: [defaultRoots.runtime, renewalInfoDir(defaultRoots), ...webrootsOf(cert.challenges)],
        readable: filesToRead(cert),
        extra: [
          ['Slice', slice],
          journalField(cert),
          'Compiled code, so that a run with nothing to do starts faster. Only its user may write there, and root has his own.',
          ['CacheDirectory', config.useRoot ? 'acme/root' : `acme/acme-${cert.group}`],
          ['CacheDirectoryMode', '0700'],
          ...secrets(cert),
        ],
      }),
      installedIn('multi-user.target'),
    ],
  }
}

/** Spread over the day as the module has it: the more certificates, the finer. */
const accuracySeconds = (certificates: number): number => Math.max(1, Math.floor(86_400 / certificates))

function timer({ config, cert }: CertificateUnits): Unit {
  return {
    name: renewalTimer(cert.name),
    sections: [
      unitSection(`Renew ACME Certificate for ${cert.name}`, []),
      {
        name: 'Timer',
        lines: [
          ['OnCalendar', plain(cert.renewInterval)],
          ['Unit', renewalService(cert.name)],
          ['Persistent', 'yes'],
          ['AccuracySec', `${accuracySeconds(config.certs.length)}s`],
          ['RandomizedDelaySec', cert.renewJitter],
          ['FixedRandomDelay', 'yes'],
        ],
      },
      installedIn('timers.target'),
    ],
  }
}

function finished({ config, cert }: CertificateUnits): Unit {
  const renewalUnit = renewalService(cert.name)
  const before = config.preliminarySelfsigned ? [selfsignedService(cert.name)] : []
  return {
    name: finishedTarget(cert.name),
    sections: [
      unitSection(`ACME certificate for ${cert.name} is there`, [
        ['Requires', renewalUnit],
        ...(before.length > 0 ? [['Wants', before.join(' ')] as const] : []),
        ['After', [renewalUnit, ...before].join(' ')],
      ]),
      installedIn('default.target'),
    ],
  }
}

function selfsigned(of: CertificateUnits): Unit {
  const { cert, job } = of
  // Of the first CA: systemd cannot ask for one of several, and one of another CA is left alone by the command itself.
  const paths = pathsOf(defaultRoots, job)
  return {
    name: selfsignedService(cert.name),
    sections: [
      unitSection(`Generate self-signed certificate for ${cert.name}`, [
        startsWithoutLimit,
        ['After', [selfsignedCaService, permissionsService].join(' ')],
        ['Requires', selfsignedCaService],
        ['Wants', permissionsService],
        'Until the first real certificate is there, and installed: then not even Node is started.',
        ['ConditionPathExists', `|!${plain(paths.certificate)}`],
        ['ConditionPathExists', `|!${plain(under(paths.out, 'fullchain.pem'))}`],
      ]),
      serviceSection({
        ...common(of),
        run: ['selfsign', ...operand(cert.name)],
        hooksOf: cert.name,
        network: 'no network',
        seconds: selfsignSeconds + hookSeconds,
        staysActive: false,
        state: ownFolders(pathsOfAll(job)).map(underVarLib),
        stateMode: '0750',
        writable: [],
        readable: [`${defaultRoots.state}/.minica`],
        extra: [['Slice', slice], journalField(cert)],
      }),
    ],
  }
}
