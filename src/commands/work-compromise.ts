// The work of `compromise`, as the user whose files they are, in two steps between which the hooks run: all keys go under
// quarantine and a new one takes their place; then the old certificates are revoked. Each step goes on where a killed
// one stopped, by what is on the disk.
import { fingerprintsOf } from '../certificate/fingerprint.ts'
import { readLeaf } from '../certificate/read.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import { type Job, pathsOf } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import { printable } from '../log.ts'
import { markRevoked, quarantine, quarantinedKey, type Suspect, type ToRevoke, toRevoke } from '../renewal/condemn.ts'
import { condemnation, isCompromised, isRevoked } from '../renewal/condemned.ts'
import { readInstalled } from '../renewal/installed.ts'
import { inUse } from '../renewal/look.ts'
import { readAllOnDisk } from '../renewal/on-disk.ts'
import { dropRevocationNote, revocationNotes } from '../renewal/revocation-notes.ts'
import { isPending } from '../renewal/signal.ts'
import { withCertificateLock } from './certificate-lock.ts'
import type { Context } from './context.ts'
import { ownerFinder } from './owner.ts'
import { revokeAtCa, serialOf } from './revocation.ts'
import { isSameCertificate } from './revoke-target.ts'
import { type SecretsOf, work } from './work.ts'

/** `replaceAgain`: the key that took the place of an earlier one may be somebody else's, too. */
export type CompromiseStep = 'show' | 'replace' | 'replaceAgain' | 'revoke'

/** One step; gives the exit status of what failed and was said. Throws as the steps do. */
export async function compromiseStep(
  job: Job,
  step: CompromiseStep,
  context: Context,
  secretsOf?: SecretsOf,
): Promise<number> {
  switch (step) {
    case 'show':
      return show(job, context)
    case 'replace':
    case 'replaceAgain':
      return replace(job, step === 'replaceAgain', context, secretsOf)
    case 'revoke':
      return revokeOld(job, context)
  }
}

/** Every key on the disk, those excepted whose certificates are revoked already. */
function suspectsOf(job: Job, paths: CertPaths, now: Date): Suspect[] {
  const { certificates, keys } = readAllOnDisk(paths, job.servers)
  const ofCertificates = certificates
    .filter(({ prints }) => !isRevoked(paths, prints.certificate))
    .map(({ chain, key, facts, directoryUrl }) => ({
      chain,
      key,
      revokeAt: facts.notAfter > now ? directoryUrl : undefined,
    }))
  const lone = [...keys].filter(([print, key]) => {
    const hasCertificate = certificates.some(({ prints }) => prints.key === print)
    return !hasCertificate && !isCompromised(paths, key)
  })
  if (keys.size === 0 && certificates.length === 0)
    throw new NixacmeError('data', `there is no key of '${job.cert}' in '${paths.legoCert}' or '${paths.out}'`, {
      hints: ["a first certificate comes from 'nixacme renew'"],
    })
  const noted = begunByRevoke(paths, now).filter(
    (one) => !certificates.some(({ chain }) => isSameCertificate(chain, one.chain)),
  )
  return [...ofCertificates, ...noted, ...lone.map(([, key]) => ({ chain: '', key, revokeAt: undefined }))]
}

/** Stolen keys, too, which a renewal may have taken off the disk meanwhile. */
function begunByRevoke(paths: CertPaths, now: Date): Suspect[] {
  return revocationNotes(paths)
    .filter(({ reason, facts }) => reason === 'keyCompromise' && facts.notAfter > now)
    .map(({ chain, directoryUrl }) => ({ chain, key: quarantinedKey(paths, chain), revokeAt: directoryUrl }))
}

/** What an earlier run left to be revoked, and what of it has ended: no CA revokes that any more. */
function leftOf(paths: CertPaths, now: Date): { readonly unfinished: ToRevoke[]; readonly ended: ToRevoke[] } {
  const left = toRevoke(paths)
  const hasEnded = ({ chain }: ToRevoke) => readLeaf(chain).facts.notAfter <= now
  return { unfinished: left.filter((one) => !hasEnded(one)), ended: left.filter(hasEnded) }
}

/** The good certificate that services have, PEM, leaf first; undefined where it is none, or they have none. */
function goodInstalled({ out, ...paths }: CertPaths): string | undefined {
  const installed = readInstalled(out)
  return installed.kind === 'whole' && condemnation(paths, installed.leaf) === undefined ? installed.leaf : undefined
}

/**
 * Whether the key in use is meant, too: it is not the one that an earlier run brought, whose old certificates are to be
 * revoked yet.
 */
function isAnotherKey(unfinished: readonly ToRevoke[], inUse: string | undefined): boolean {
  const print = inUse && fingerprintsOf(inUse).key
  return print !== undefined && unfinished.some(({ successor }) => successor !== undefined && successor !== print)
}

/** What is to go under quarantine: with an earlier run to go on with only what came after it, and is meant. */
function newSuspects(
  job: Job,
  paths: CertPaths,
  unfinished: readonly ToRevoke[],
  again: boolean,
  now: Date,
): Suspect[] {
  const all = suspectsOf(job, paths, now)
  if (unfinished.length === 0) return all
  if (!again && !isAnotherKey(unfinished, goodInstalled(paths))) return []
  return all.filter(({ chain }) => chain === '' || condemnation(paths, chain) === undefined)
}

const againHint = (cert: string): string =>
  `if the key in use may be somebody else's, too: nixacme compromise ${cert} --again --yes`

function show(job: Job, { host, roots }: Context): never {
  const paths = pathsOf(roots, job)
  const { unfinished } = leftOf(paths, host.now())
  const suspects = newSuspects(job, paths, unfinished, false, host.now())
  const write = (line: string) => host.stdout.write(`${printable(line)}\n`)
  if (unfinished.length > 0) {
    write(`an earlier compromise of '${job.cert}' is not finished`)
    const inUse = goodInstalled(paths)
    if (suspects.length === 0 && inUse)
      write(`in use since then, and kept without --again: the key of certificate ${serialOf(inUse)}`)
  }
  for (const { chain, revokeAt } of suspects) {
    if (chain === '') write('never used again: a key without a certificate')
    else if (revokeAt === undefined)
      write(`never used again: the key of certificate ${serialOf(chain)}, which has ended`)
  }
  const chains = [...unfinished, ...suspects.filter((one) => one.revokeAt !== undefined)].map(({ chain }) => chain)
  for (const chain of chains)
    write(`replaced, never used again, and revoked: the key of certificate ${serialOf(chain)}`)
  throw new NixacmeError('usage', 'nothing was done: it cannot be undone, and has to be confirmed', {
    hints: ['run the same command with --yes to do it'],
  })
}

async function replace(job: Job, again: boolean, context: Context, secretsOf: SecretsOf | undefined): Promise<number> {
  const { host, log, roots } = context
  const paths = pathsOf(roots, job)
  const about = log.about(job.cert)
  const { gid, fault } = await ownerFinder(host)(job)
  if (fault) throw fault
  const begin = () => {
    const { unfinished, ended } = leftOf(paths, host.now())
    for (const one of ended) one.done()
    const suspects = newSuspects(job, paths, unfinished, again, host.now())
    if (unfinished.length > 0)
      about.info(
        'going on with what an earlier run began',
        suspects.length === 0 && goodInstalled(paths) ? [againHint(job.cert)] : [],
      )
    if (suspects.length === 0) return
    quarantine(paths, suspects, host.now())
    about.notice(`the keys on this machine count as compromised, no run takes them again`)
  }
  // Where there is no key, nothing is made for a lock either.
  suspectsOf(job, paths, host.now())
  await withCertificateLock(job, gid, context, begin)
  // Earlier failures must not hold up this one; a run that goes on after a kill has what it needs.
  const atOnce = inUse(job, roots).state.candidate.kind !== 'usable'
  return work([job], { atOnce, dryRun: false, patience: undefined, json: false }, context, secretsOf)
}

async function revokeOld(job: Job, context: Context): Promise<number> {
  const { host, log, roots } = context
  const paths = pathsOf(roots, job)
  const successor = fingerprintsOf(assertReplaced(job, paths)).key
  const { gid } = await ownerFinder(host)(job)
  let status = 0
  for (const one of toRevoke(paths)) {
    try {
      one.succeeded(successor)
      const isKnown = await revokeSuspect(job, one, context)
      if (isKnown) markRevoked(paths, one.chain, `keyCompromise ${host.now().toISOString()}`, gid)
      dropRevocationNote(paths, one.chain)
      one.done()
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      status ||= e.exitStatus
      log
        .about(job.cert)
        .error(e.message, [
          ...e.hints,
          `the new certificate is in use; run 'nixacme compromise ${job.cert} --yes' again to revoke the old one`,
        ])
    }
  }
  return status
}

/** No service may be left with a revoked certificate by us. Gives the new one. */
function assertReplaced(job: Job, paths: CertPaths): string {
  const { out } = paths
  const leaf = goodInstalled(paths)
  if (leaf !== undefined && !isPending(out)) return leaf
  throw new NixacmeError(
    'data',
    `'${out}' does not show a new certificate that its services know: nothing is revoked`,
    {
      hints: [`run 'nixacme compromise ${job.cert} --yes' again`],
    },
  )
}

/** False when no CA of this certificate knows it: one of another config, which cannot be revoked from here. */
async function revokeSuspect(job: Job, { chain, key, directoryUrl }: ToRevoke, context: Context): Promise<boolean> {
  try {
    await revokeAtCa(job, { chain, key, directoryUrl, reason: 'keyCompromise' }, context)
    return true
  } catch (e) {
    if (directoryUrl !== '' || !(e instanceof NixacmeError) || e.kind !== 'refused') throw e
    context.log
      .about(job.cert)
      .warning(`certificate ${serialOf(chain)} of an earlier config is not revoked: ${messageOf(e)}`, [
        'revoke it at the CA that it is from',
      ])
    return false
  }
}
