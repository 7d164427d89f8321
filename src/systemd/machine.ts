// All that the system gets of a config, as files: this room's door.
import type { Config } from '../config/config.ts'
import type { Job } from '../job/job.ts'
import { defaultRoots } from '../job/paths.ts'
import { certificateUnits } from './certificate-units.ts'
import { machineUnits, sysusers, tmpfiles } from './machine-units.ts'
import { finishedTarget, renewalService, renewalTimer, selfsignedService } from './names.ts'
import type { Program } from './service.ts'
import { renderUnit, type Unit } from './text.ts'

export interface SystemFile {
  /** Absolute, below whatever root is chosen. */
  readonly path: string
  readonly text: string
  /** The certificate that it is of; undefined: the machine's. */
  readonly cert: string | undefined
  /** What it is to its certificate or the machine: `service`, `timer`… */
  readonly part: string
}

export interface Settings {
  readonly program: Program
  /** As `systemctl --version` tells it; undefined where unknown. */
  readonly systemdVersion: number | undefined
}

export const unitsDir = '/etc/systemd/system'
export const sysusersPath = '/etc/sysusers.d/nixacme.conf'
export const tmpfilesPath = '/etc/tmpfiles.d/nixacme.conf'

/** What each unit is to its certificate. */
const parts = [
  ['service', renewalService],
  ['timer', renewalTimer],
  ['self-signed service', selfsignedService],
  ['finished target', finishedTarget],
] as const

/** The paths of all units that a certificate can have. */
export const unitsOf = (cert: string): string[] => parts.map(([, nameOf]) => `${unitsDir}/${nameOf(cert)}`)

/** In the order in which they are to be written. Nothing at all where there is no certificate (contract 1.1). */
export function systemFiles(config: Config, jobs: readonly Job[], { program, systemdVersion }: Settings): SystemFile[] {
  if (config.certs.length === 0) return []
  const jobOf = new Map(jobs.map((job) => [job.cert, job]))
  const unitFile = (cert: string | undefined) => (unit: Unit) => ({
    path: `${unitsDir}/${unit.name}`,
    text: renderUnit(unit),
    cert,
    part: parts.find(([, nameOf]) => cert !== undefined && nameOf(cert) === unit.name)?.[0] ?? unit.name,
  })
  return [
    { path: sysusersPath, text: sysusers(), cert: undefined, part: 'user' },
    { path: tmpfilesPath, text: tmpfiles(config, defaultRoots.jobs), cert: undefined, part: 'folders' },
    ...machineUnits({ config, program, systemdVersion }).map(unitFile(undefined)),
    ...config.certs.flatMap((cert) => {
      const job = jobOf.get(cert.name)
      return job ? certificateUnits({ config, cert, job, program, systemdVersion }).map(unitFile(cert.name)) : []
    }),
  ]
}
