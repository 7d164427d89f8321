// The work of `revoke`, as the user whose files it reads: finds the certificate, shows it, revokes it, and sees to it that
// no run takes it for a good one again.
import { X509Certificate } from 'node:crypto'
import { fingerprintsOf } from '../certificate/fingerprint.ts'
import { readLeaf } from '../certificate/read.ts'
import type { RevocationReason } from '../certificate/reason.ts'
import { NixacmeError } from '../errors.ts'
import { type Job, pathsOf } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import { printable } from '../log.ts'
import { giveUp } from '../renewal/cease.ts'
import { markRevoked, quarantine, quarantinedKey } from '../renewal/condemn.ts'
import { isCompromised } from '../renewal/condemned.ts'
import { readInstalled } from '../renewal/installed.ts'
import { inUse } from '../renewal/look.ts'
import { type CertificateOnDisk, readAllOnDisk } from '../renewal/on-disk.ts'
import { isoMinute } from '../time.ts'
import { withCertificateLock } from './certificate-lock.ts'
import type { Context } from './context.ts'
import { ownerFinder } from './owner.ts'
import { revokeAtCa, serialOf } from './revocation.ts'

export interface RevokeSettings {
  readonly reason: RevocationReason
  /** PEM text to revoke the first certificate of; undefined: the stored one. */
  readonly pem: string | undefined
  /** `--yes` */
  readonly confirmed: boolean
}

type Target = Pick<CertificateOnDisk, 'chain' | 'key' | 'directoryUrl'>

/**
 * Revokes one certificate of `job`. Throws `usage` (64) when it is not confirmed, and for a certificate that has ended;
 * `data` (65) when there is none, else as `revokeAtCa` and the files do.
 */
export async function revokeOne(job: Job, settings: RevokeSettings, context: Context): Promise<number> {
  const { host, log, roots } = context
  const paths = pathsOf(roots, job)
  const target = findTarget(job, paths, settings)
  if (!settings.confirmed) {
    show(job, target, settings, context)
    throw new NixacmeError('usage', 'nothing was revoked: it cannot be undone, and has to be confirmed', {
      hints: ['run the same command with --yes to do it'],
    })
  }
  const { gid, fault } = await ownerFinder(host)(job)
  if (fault) throw fault
  const { notAfter } = readLeaf(target.chain).facts
  if (notAfter <= host.now())
    throw new NixacmeError('usage', `certificate ${serialOf(target.chain)} has ended at ${isoMinute(notAfter)}`, {
      hints: ['a certificate that has ended cannot be used: there is nothing to revoke'],
    })
  await withCertificateLock(job, gid, context, async () => {
    const { reason } = settings
    if (reason === 'keyCompromise') distrust(paths, target, host.now())
    await revokeAtCa(job, { ...target, reason }, context)
    if (reason === 'cessationOfOperation') await cease(job, target, context)
    else markRevoked(paths, target.chain, `${reason} ${host.now().toISOString()}`, gid)
    sayWhatFollows(job, paths, target, settings, log)
  })
  return 0
}

/** An older certificate than the one in use is in nobody's way. */
async function cease(job: Job, { chain }: Target, { host, log, roots }: Context): Promise<void> {
  const standing = inUse(job, roots)
  const { candidate } = standing.state
  const isInUse =
    candidate.kind === 'usable' &&
    fingerprintsOf(candidate.set.fullchain).certificate === fingerprintsOf(chain).certificate
  if (isInUse) await giveUp(job, standing, { host, log: log.about(job.cert) })
}

/** From now on no run takes this key; also when the CA cannot be reached just now. */
function distrust(paths: CertPaths, { chain, key }: Target, now: Date): void {
  const isDone = key !== undefined && isCompromised(paths, key)
  if (!isDone) quarantine(paths, [{ chain, key, revokeAt: undefined }], now)
}

function findTarget(job: Job, paths: CertPaths, { pem }: RevokeSettings): Target {
  const { certificates, keys } = readAllOnDisk(paths, job.servers)
  if (pem !== undefined) {
    const prints = fingerprintsOf(pem)
    const known = certificates.find((one) => one.prints.certificate === prints.certificate)
    const key = keys.get(prints.key) ?? quarantinedKey(paths, pem)
    return { chain: pem, key, directoryUrl: known?.directoryUrl ?? '' }
  }
  const installed = readInstalled(paths.out)
  const shown = installed.kind === 'whole' && !installed.facts.preliminary ? fingerprintsOf(installed.leaf) : undefined
  const found = shown ? certificates.find((one) => one.prints.certificate === shown.certificate) : certificates[0]
  if (found) return found
  throw new NixacmeError('data', `there is no certificate of '${job.cert}' to revoke in '${paths.out}'`, {
    hints: ['name a PEM file with --file'],
  })
}

function show(job: Job, { chain, directoryUrl }: Target, { reason }: RevokeSettings, { host }: Context): void {
  const leaf = readLeaf(chain).facts
  const urls = directoryUrl === '' ? job.servers.map((server) => server.directoryUrl) : [directoryUrl]
  const rows = {
    certificate: job.cert,
    names: [...leaf.names, ...(leaf.addresses ?? [])].join(', '),
    serial: serialOf(chain),
    issuer: new X509Certificate(chain).issuer.replaceAll('\n', ', '),
    'valid until': isoMinute(leaf.notAfter),
    CA: urls.map((url) => new URL(url).host).join(', '),
    reason,
  }
  for (const [name, value] of Object.entries(rows)) host.stdout.write(`${name.padEnd(12)}  ${printable(value)}\n`)
}

/** The revoked certificate stays with the services until there is a new one: an old one is better than none. */
function sayWhatFollows(job: Job, paths: CertPaths, target: Target, { reason }: RevokeSettings, log: Context['log']) {
  const installed = readInstalled(paths.out)
  const isShown =
    installed.kind === 'whole' &&
    fingerprintsOf(installed.leaf).certificate === fingerprintsOf(target.chain).certificate
  if (!isShown) return
  const about = log.about(job.cert)
  if (reason === 'cessationOfOperation')
    about.warning('services still have the revoked certificate', [
      `take '${job.cert}' out of the config, run 'nixacme apply', and stop what uses it`,
    ])
  else
    about.warning('services still have the revoked certificate, until the next run gets a new one', [
      `run 'nixacme renew ${job.cert}' to get it now`,
    ])
}
