// Which certificate a `revoke` is about. It cannot be undone, so a command that is repeated goes on with the certificate
// that it was about, and one that could mean two is refused.
import { fingerprintsOf } from '../certificate/fingerprint.ts'
import { readLeaf } from '../certificate/read.ts'
import type { RevocationReason } from '../certificate/reason.ts'
import { NixacmeError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import { quarantinedKey, toRevoke } from '../renewal/condemn.ts'
import { isRevoked } from '../renewal/condemned.ts'
import { readInstalled } from '../renewal/installed.ts'
import { type CertificateOnDisk, readAllOnDisk } from '../renewal/on-disk.ts'
import { type FoundNote, type RevocationNote, revocationNotes } from '../renewal/revocation-notes.ts'
import { serialOf } from './revocation.ts'

export interface Wanted {
  readonly reason: RevocationReason
  /** PEM text to revoke the first certificate of; undefined: the noted or the stored one. */
  readonly pem: string | undefined
}

export interface Target extends Pick<CertificateOnDisk, 'chain' | 'key' | 'directoryUrl'> {
  /** An earlier command was to revoke it. */
  readonly begun: boolean
  /** It was found by what the machine has or had noted: a repetition could find another one there. */
  readonly isOurs: boolean
}

export const isSameCertificate = (a: string, b: string): boolean =>
  fingerprintsOf(a).certificate === fingerprintsOf(b).certificate

/** What is still to be revoked, by the notes of `revoke`, and by those of `compromise`. */
interface Unfinished {
  readonly own: readonly FoundNote[]
  readonly compromised: readonly RevocationNote[]
}

/** Without what has ended, or is known to be revoked. Throws `data` (65) or `permission` (77). */
export function unfinishedRevocations(paths: CertPaths, now: Date): Unfinished {
  const isLeft = ({ chain }: RevocationNote) =>
    readLeaf(chain).facts.notAfter > now && !isRevoked(paths, fingerprintsOf(chain).certificate)
  const compromised = toRevoke(paths).map(({ chain, directoryUrl }) => {
    return { chain, directoryUrl, reason: 'keyCompromise' } as const
  })
  return { own: revocationNotes(paths).filter(isLeft), compromised: compromised.filter(isLeft) }
}

/**
 * The certificate to revoke. Throws `usage` (64) where an earlier command was to revoke another one for another reason,
 * `data` (65) where there is none, and as `unfinishedRevocations`.
 */
export function findTarget(job: Job, paths: CertPaths, { pem, reason }: Wanted, now: Date): Target {
  const onDisk = readAllOnDisk(paths, job.servers)
  const keyOf = (chain: string) => onDisk.keys.get(fingerprintsOf(chain).key) ?? quarantinedKey(paths, chain)
  const current = currentOf(paths, onDisk.certificates)
  const isCurrent = ({ chain }: RevocationNote) => current !== undefined && isSameCertificate(chain, current.chain)
  const { own, compromised } = unfinishedRevocations(paths, now)
  if (pem !== undefined) {
    const known = onDisk.certificates.find(({ chain }) => isSameCertificate(chain, pem))
    const noted = [...own, ...compromised].find(({ chain }) => isSameCertificate(chain, pem))
    const directoryUrl = known?.directoryUrl || noted?.directoryUrl || ''
    const begun = noted !== undefined
    const isOurs = begun || (known !== undefined && known === current)
    return { chain: pem, key: keyOf(pem), directoryUrl, begun, isOurs }
  }
  const repeated = [...own, ...compromised].filter((note) => note.reason === reason)
  const noted = repeated.find(isCurrent) ?? repeated[0] ?? (current === undefined ? own[0] : undefined)
  if (noted) return { ...noted, key: keyOf(noted.chain), begun: true, isOurs: true }
  if (current === undefined) throw nothingThere(job, paths)
  const other = own.find((note) => !isCurrent(note))
  if (other) throw ambiguous(job, paths, other, current)
  return { ...current, begun: own.length > 0, isOurs: true }
}

/** What services have, else what is stored. */
function currentOf(paths: CertPaths, certificates: readonly CertificateOnDisk[]): CertificateOnDisk | undefined {
  const installed = readInstalled(paths.out)
  if (installed.kind !== 'whole' || installed.facts.preliminary) return certificates[0]
  return certificates.find(({ chain }) => isSameCertificate(chain, installed.leaf))
}

const nothingThere = ({ cert }: Job, { out }: CertPaths): NixacmeError =>
  new NixacmeError('data', `there is no certificate of '${cert}' to revoke in '${out}'`, {
    hints: ['name a PEM file with --file'],
  })

/** The command that goes on with a certificate that could not be revoked. */
export const sameCommand = (cert: string, reason: RevocationReason): string =>
  `nixacme revoke ${cert}${reason === 'unspecified' ? '' : ` --reason ${reason}`} --yes`

/** How to name the certificate that services have. */
export const currentHint = ({ out }: CertPaths): string =>
  `to revoke the one that is in use, name it: --file '${out}/fullchain.pem'`

function ambiguous(job: Job, paths: CertPaths, { chain, reason }: RevocationNote, current: CertificateOnDisk) {
  const words = `certificate ${serialOf(chain)} is still to be revoked (${reason}), and now ${serialOf(current.chain)}`
  return new NixacmeError('usage', `${words} is in use: it is not clear which one is meant`, {
    hints: [`to go on with the earlier one: ${sameCommand(job.cert, reason)}`, currentHint(paths)],
  })
}
