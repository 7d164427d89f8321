// The work of `compromise`, as the user whose files they are, in two steps between which the hooks run: all keys go under
// quarantine and a new one takes their place; then the old certificates are revoked. Each step goes on where a killed
// one stopped, by what is on the disk.
import { messageOf, NixacmeError } from '../errors.ts'
import { type Job, pathsOf } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import { printable } from '../log.ts'
import { markRevoked, quarantine, type Suspect, type ToRevoke, toRevoke } from '../renewal/condemn.ts'
import { condemnation, isCompromised, isRevoked } from '../renewal/condemned.ts'
import { readInstalled } from '../renewal/installed.ts'
import { inUse } from '../renewal/look.ts'
import { readAllOnDisk } from '../renewal/on-disk.ts'
import { isPending } from '../renewal/signal.ts'
import { withCertificateLock } from './certificate-lock.ts'
import type { Context } from './context.ts'
import { ownerFinder } from './owner.ts'
import { revokeAtCa, serialOf } from './revocation.ts'
import { type SecretsOf, work } from './work.ts'

export type CompromiseStep = 'show' | 'replace' | 'revoke'

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
      return replace(job, context, secretsOf)
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
  return [...ofCertificates, ...lone.map(([, key]) => ({ chain: '', key, revokeAt: undefined }))]
}

function show(job: Job, { host, roots }: Context): never {
  const paths = pathsOf(roots, job)
  const unfinished = toRevoke(paths)
  const suspects = unfinished.length > 0 ? [] : suspectsOf(job, paths, host.now())
  const write = (line: string) => host.stdout.write(`${printable(line)}\n`)
  if (unfinished.length > 0) write(`an earlier compromise of '${job.cert}' is not finished`)
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

async function replace(job: Job, context: Context, secretsOf: SecretsOf | undefined): Promise<number> {
  const { host, log, roots } = context
  const paths = pathsOf(roots, job)
  const about = log.about(job.cert)
  const { gid, fault } = await ownerFinder(host)(job)
  if (fault) throw fault
  const begin = () => {
    if (toRevoke(paths).length > 0) return about.info('going on with what an earlier run began')
    const suspects = suspectsOf(job, paths, host.now())
    if (suspects.length === 0) return undefined
    quarantine(paths, suspects, host.now())
    return about.notice(`the keys on this machine count as compromised, no run takes them again`)
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
  assertReplaced(job, paths)
  const { gid } = await ownerFinder(host)(job)
  let status = 0
  for (const one of toRevoke(paths)) {
    try {
      const isKnown = await revokeSuspect(job, one, context)
      if (isKnown) markRevoked(paths, one.chain, `keyCompromise ${host.now().toISOString()}`, gid)
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

/** No service may be left with a revoked certificate by us. */
function assertReplaced(job: Job, { out, ...paths }: CertPaths): void {
  const installed = readInstalled(out)
  const isNew = installed.kind === 'whole' && condemnation(paths, installed.leaf) === undefined
  if (isNew && !isPending(out)) return
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
