// Self-signed certificates that services start with until the real ones are there (contract 1.9): whether one is to be
// made, and the making. Never over a real one.
import { isIssuedBy } from '../certificate/local-ca-check.ts'
import { type CertificateFacts, lackingNames } from '../certificate/read.ts'
import { unreachable } from '../errors.ts'
import type { Host } from '../host.ts'
import { type Job, pathsOf } from '../job/job.ts'
import type { CertPaths, Roots } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { isoDay, isoMinute } from '../time.ts'
import { canonicalAddress } from '../url.ts'
import { installPreliminary } from './install.ts'
import { type Installed, readInstalled } from './installed.ts'
import { ensureLocalCa, readLocalCaCertificate } from './local-ca-files.ts'
import { type Held, tryFolder, waitFor } from './lock.ts'
import { inUse } from './look.ts'
import type { Candidate } from './state.ts'
import { makeFolder } from './store.ts'

const day = 86_400_000

/** A self-signed certificate with less left than this is made anew. */
export const leastLeft = 30 * day

/** Seconds to wait for another run of the same certificate. */
const patience = 60

export interface Situation {
  readonly installed: Installed
  /** The real certificate in lego's folder. */
  readonly candidate: Candidate
  /** A-labels, IP addresses. */
  readonly names: readonly string[]
  /** Whether the local CA that is there now signed what is installed. */
  readonly isOfPresentCa: boolean
  readonly now: Date
}

/** `reason` is a clause. `refuse`: what is installed is not ours to replace, and of no use to services. */
export type Verdict = { readonly kind: 'make' | 'leave' | 'refuse'; readonly reason: string }

/** Whether to make a self-signed certificate. Pure. */
export function judgePreliminary(situation: Situation): Verdict {
  const { installed, candidate, names, now } = situation
  // Where nothing is installed services have nothing to start with until the renewal has put the real one there.
  if (installed.kind !== 'nothing' && candidate.kind === 'usable' && isGood(candidate.facts, names, now))
    return { kind: 'leave', reason: 'the real certificate is there' }
  switch (installed.kind) {
    case 'nothing':
      return { kind: 'make', reason: 'no certificate yet' }
    case 'torn':
      return installed.isPreliminary
        ? { kind: 'make', reason: `the self-signed set is not whole: ${installed.flaw}` }
        : { kind: 'refuse', reason: `what is installed is no whole set: ${installed.flaw}` }
    case 'whole':
      return installed.facts.preliminary
        ? judgeSelfSigned(installed.facts, situation)
        : judgeReal(installed.facts.notAfter, now)
    default:
      return unreachable(installed)
  }
}

/** One that the next renewal installs as it is. */
const isGood = (facts: CertificateFacts, names: readonly string[], now: Date): boolean =>
  facts.notAfter > now && lackingNames(facts, names).length === 0

function judgeReal(notAfter: Date, now: Date): Verdict {
  return notAfter > now
    ? { kind: 'leave', reason: 'the real certificate is there' }
    : { kind: 'refuse', reason: `the real certificate expired at ${isoMinute(notAfter)}` }
}

function judgeSelfSigned(facts: CertificateFacts, { names, isOfPresentCa, now }: Situation): Verdict {
  const wanted = new Set(names.map((name) => canonicalAddress(name.toLowerCase())))
  const added = lackingNames(facts, names)
  const removed = [...facts.names, ...(facts.addresses ?? [])].filter((name) => !wanted.has(name))
  if (added.length + removed.length > 0) {
    const quoted = [...added, ...removed].map((name) => `'${name}'`).join(', ')
    return { kind: 'make', reason: `the names of the self-signed certificate changed: ${quoted}` }
  }
  if (facts.notAfter.getTime() - now.getTime() < leastLeft)
    return { kind: 'make', reason: `the self-signed certificate ends ${isoDay(facts.notAfter)}` }
  if (!isOfPresentCa) return { kind: 'make', reason: 'the self-signed certificate is of another local CA' }
  return { kind: 'leave', reason: 'the self-signed certificate is in order' }
}

export interface PreliminaryTools {
  readonly roots: Roots
  readonly host: Pick<Host, 'now' | 'builtAt' | 'interrupted'>
  readonly log: Log
  /** Numeric group of this job's files; undefined: what the system gives. */
  readonly gid: number | undefined
  /** The same for the local CA's folder. */
  readonly caGid: number | undefined
}

/**
 * Gives `job` a self-signed certificate where that is to be done. It holds the certificate's lock but no slot: services
 * must come up though every slot waits for a CA that is down (unlike the module, contract 1.13). Throws `data` (65) for
 * what cannot be read or a local CA that cannot be used, `later` (75) when another run does not end, `write` (73),
 * `permission` (77).
 */
export async function ensurePreliminary(job: Job, tools: PreliminaryTools): Promise<void> {
  const paths = pathsOf(tools.roots, job)
  const log = tools.log.about(job.cert)
  if (!isToBeMade(look(job, paths, tools), job, log)) return
  makeFolders(tools, paths)
  const lock = await takeLock(paths, tools, log)
  try {
    // Another run may have done the work meanwhile.
    const verdict = look(job, paths, tools)
    if (isToBeMade(verdict, job, log)) await make(job, paths, tools, verdict)
  } finally {
    lock.release()
  }
}

/** A clock from before this program was built is wrong: a certificate of 1970 would be expired once it is set. */
export const issuingInstant = ({ now, builtAt }: Pick<Host, 'now' | 'builtAt'>): Date =>
  new Date(Math.max(now().getTime(), builtAt.getTime()))

function look(job: Job, paths: CertPaths, tools: PreliminaryTools): Verdict {
  const installed = readInstalled(paths.out)
  const mayBeOurs = installed.kind === 'whole' && installed.facts.preliminary
  const ca = mayBeOurs ? readLocalCaCertificate(tools.roots) : undefined
  return judgePreliminary({
    installed,
    candidate: inUse(job, tools.roots).state.candidate,
    names: job.names,
    isOfPresentCa: mayBeOurs && ca !== undefined && isIssuedBy(installed.leaf, ca),
    now: issuingInstant(tools.host),
  })
}

/** Says what is not done, and why. */
function isToBeMade({ kind, reason }: Verdict, { cert }: Job, log: Log): boolean {
  if (kind === 'leave') log.info(`no self-signed certificate needed: ${reason}`)
  if (kind === 'refuse') log.warning(`${reason}, leaving it as it is`, [`'nixacme renew ${cert}' replaces it`])
  return kind === 'make'
}

async function make(job: Job, paths: CertPaths, tools: PreliminaryTools, { reason }: Verdict): Promise<void> {
  const { roots, host, gid, caGid } = tools
  const now = issuingInstant(host)
  const log = tools.log.about(job.cert)
  const ca = await ensureLocalCa({ roots, host, log, gid: caGid, now })
  const { issuePreliminary } = await import('../certificate/local-ca.ts')
  const until = installPreliminary(paths.out, await issuePreliminary(ca, job.names, now), gid)
  if (until)
    log.notice(`installed self-signed certificate, valid until ${isoMinute(until)}: ${reason}`, {
      cert: job.cert,
      action: 'selfsign',
    })
}

/** Those of the folders that are needed; a unit has them as its StateDirectory. */
function makeFolders({ roots, gid }: PreliminaryTools, { lego, legoCert, out }: CertPaths): void {
  for (const path of [roots.state, lego]) makeFolder(path, { mode: 0o755 })
  for (const path of [out, legoCert]) makeFolder(path, { mode: 0o750, gid })
}

const takeLock = ({ legoCert }: CertPaths, { host }: PreliminaryTools, log: Log): Promise<Held> =>
  waitFor(() => tryFolder(legoCert), {
    seconds: patience,
    signal: host.interrupted,
    now: host.now,
    what: 'the other run for this certificate',
    onWait: () => log.waiting('waiting: another run works on this certificate'),
  })
