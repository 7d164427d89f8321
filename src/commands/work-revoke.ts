// The work of `revoke`, as the user whose files it reads: finds the certificate, shows it, revokes it, and sees to it that
// no run takes it for a good one again.
import { X509Certificate } from 'node:crypto'
import { readLeaf } from '../certificate/read.ts'
import { NixacmeError } from '../errors.ts'
import { type Job, pathsOf } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import { printable } from '../log.ts'
import { giveUp } from '../renewal/cease.ts'
import { markRevoked, quarantine } from '../renewal/condemn.ts'
import { isCompromised } from '../renewal/condemned.ts'
import { readInstalled } from '../renewal/installed.ts'
import { inUse } from '../renewal/look.ts'
import { dropRevocationNote, noteRevocation, revocationNotes } from '../renewal/revocation-notes.ts'
import { isoMinute } from '../time.ts'
import { withCertificateLock } from './certificate-lock.ts'
import type { Context } from './context.ts'
import { ownerFinder } from './owner.ts'
import { revokeAtCa, serialOf } from './revocation.ts'
import { currentHint, findTarget, isSameCertificate, sameCommand, type Target, type Wanted } from './revoke-target.ts'

export interface RevokeSettings extends Wanted {
  /** `--yes` */
  readonly confirmed: boolean
}

/**
 * Revokes one certificate of `job`. Throws `usage` (64) when it is not confirmed, for a certificate that has ended, and where
 * it is not clear which one is meant; `data` (65) when there is none, else as `revokeAtCa` and the files do.
 */
export async function revokeOne(job: Job, settings: RevokeSettings, context: Context): Promise<number> {
  const { host, log, roots } = context
  const paths = pathsOf(roots, job)
  const target = findTarget(job, paths, settings, host.now())
  sayIfBegun(job, paths, target, log)
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
    dropEnded(paths, host.now())
    // Before the key goes out of use, which brings a new certificate.
    if (target.isOurs) noteRevocation(paths, { ...target, reason }, gid)
    if (reason === 'keyCompromise') distrust(paths, target, host.now())
    await askCa(job, target, settings, context)
    if (reason === 'cessationOfOperation') await cease(job, target, context)
    else markRevoked(paths, target.chain, `${reason} ${host.now().toISOString()}`, gid)
    dropRevocationNote(paths, target.chain)
    sayWhatFollows(job, paths, target, settings, log)
  })
  return 0
}

/** Which certificate it is has to be said where it may be another one than that in use. */
function sayIfBegun(job: Job, paths: CertPaths, { chain, begun }: Target, log: Context['log']): void {
  if (!begun) return
  const installed = readInstalled(paths.out)
  const isOther = installed.kind === 'whole' && !isSameCertificate(installed.leaf, chain)
  log
    .about(job.cert)
    .info(
      `going on with certificate ${serialOf(chain)}, which an earlier command was to revoke`,
      isOther ? [currentHint(paths)] : [],
    )
}

async function askCa(job: Job, target: Target, { reason }: RevokeSettings, context: Context): Promise<void> {
  try {
    await revokeAtCa(job, { ...target, reason }, context)
  } catch (e) {
    if (target.isOurs)
      context.log
        .about(job.cert)
        .warning(`certificate ${serialOf(target.chain)} is still to be revoked`, [
          `the same command goes on with this one, also after a renewal: ${sameCommand(job.cert, reason)}`,
        ])
    throw e
  }
}

/** No CA revokes what has ended. */
function dropEnded(paths: CertPaths, now: Date): void {
  for (const { chain, facts } of revocationNotes(paths)) if (facts.notAfter <= now) dropRevocationNote(paths, chain)
}

/** An older certificate than the one in use is in nobody's way. */
async function cease(job: Job, { chain }: Target, { host, log, roots }: Context): Promise<void> {
  const standing = inUse(job, roots)
  const { candidate } = standing.state
  const isInUse = candidate.kind === 'usable' && isSameCertificate(candidate.set.fullchain, chain)
  if (isInUse) await giveUp(job, standing, { host, log: log.about(job.cert) })
}

/** From now on no run takes this key; also when the CA cannot be reached just now. */
function distrust(paths: CertPaths, { chain, key }: Target, now: Date): void {
  const isDone = key !== undefined && isCompromised(paths, key)
  if (!isDone) quarantine(paths, [{ chain, key, revokeAt: undefined }], now)
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
  const isShown = installed.kind === 'whole' && isSameCertificate(installed.leaf, target.chain)
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
