// What a run leaves for the poller of renewal information, and takes from it: which certificate to ask about and where, when
// to try again after a failure, and which certificate a new order takes the place of. None of it can fail a run.
import { messageOf, NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Job } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import type { Log } from '../log.ts'
import type { Standing } from './look.ts'
import { firstInfo, learned, type Reply, type Subject, type Watch } from './renewal-info.ts'
import { updateWatch, watchOf } from './renewal-info-file.ts'
import { readState } from './state.ts'
import type { NewCertificate } from './store.ts'

export interface WatchTools {
  readonly host: Pick<Host, 'now' | 'interrupted'>
  readonly log: Log
}

type Stored = Pick<Standing, 'server' | 'state'>

/** The stored certificate as the poller is to know it; undefined where it has no identifier. */
function subjectOf({ caCertificates, plainHttp, validMinDays }: Job, { server, state }: Stored): Subject | undefined {
  const { candidate, accountUrl } = state
  if (candidate.kind !== 'usable' || candidate.facts.renewalId === undefined) return undefined
  return {
    certificate: candidate.facts.renewalId,
    server: server.directoryUrl,
    plainHttp,
    caCertificates,
    account: accountUrl,
    notAfter: candidate.facts.notAfter,
    followed: validMinDays === null,
  }
}

/** What the poller goes by; who ordered the certificate is not its business. */
const same = (a: Subject | undefined, b: Subject | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.certificate === b.certificate &&
    a.server === b.server &&
    a.plainHttp === b.plainHttp &&
    a.followed === b.followed &&
    a.caCertificates.join('\n') === b.caCertificates.join('\n'))

/** Whether the poller knows the stored certificate, and nothing that is over: for a run that has nothing else to do. */
export function isWatched(job: Job, standing: Stored): boolean {
  const { kept } = standing.state
  if (kept?.kind !== 'known') return false
  return kept.watch.retryAt === undefined && same(kept.watch.info, subjectOf(job, standing))
}

/**
 * Has the poller know the stored certificate. What is known of it stays, what is about another one is over. `standing`: with
 * the CA whose certificate it is.
 */
export async function watch(job: Job, { server, paths }: Standing, tools: WatchTools): Promise<void> {
  // It may have been moved into place only now.
  const stored = { server, state: readState(paths) }
  if (isWatched(job, stored)) return
  const { kept } = stored.state
  if (kept?.kind === 'damaged') tools.log.warning(`'${paths.renewalInfo}' is damaged, writing it anew: ${kept.flaw}`)
  const subject = subjectOf(job, stored)
  await update(paths, tools, ({ info }) => {
    if (!subject) return {}
    const isKnown = info?.certificate === subject.certificate && info.server === subject.server
    return { info: isKnown ? { ...info, ...subject } : firstInfo(subject, tools.host.now()) }
  })
}

/** After an issuance: all that is known of the new certificate, and nothing of the old one. */
export async function watchNew(
  job: Job,
  { server, paths, state }: Standing,
  { renewal, accountUrl }: Pick<NewCertificate, 'renewal' | 'accountUrl'>,
  tools: WatchTools,
): Promise<void> {
  const subject = subjectOf(job, { server, state: { ...state, accountUrl } })
  const now = tools.host.now()
  await update(paths, tools, () => {
    if (!subject) return {}
    const info = firstInfo(subject, now)
    return { info: renewal ? learned(info, soon(renewal), now, Math.random()) : info }
  })
  if (renewal?.kind === 'failed')
    tools.log.info(`the CA has not said yet when to renew it, it will be asked again: ${renewal.error.message}`)
}

/** Just after issuance not every machine of a CA knows the certificate: the next wake-up is time enough. */
const soon = (reply: Reply): Reply => (reply.kind === 'failed' ? { ...reply, isTemporary: true } : reply)

/** When the renewal may be tried again after a failure: the poller has it started then. Undefined: no more. */
export async function noteRetry(paths: CertPaths, at: Date | undefined, tools: WatchTools): Promise<void> {
  await update(paths, tools, ({ info, retryAt }) =>
    retryAt?.getTime() === at?.getTime() ? undefined : { info, retryAt: at },
  )
}

async function update(
  paths: CertPaths,
  { host, log }: WatchTools,
  change: (known: Watch) => Watch | undefined,
): Promise<void> {
  try {
    await updateWatch(paths.renewalInfo, change, host)
  } catch (e) {
    const hints = e instanceof NixacmeError ? e.hints : []
    log.warning(`what the CA says of renewals is not kept: ${messageOf(e)}`, hints)
  }
}

/**
 * The identifier of the certificate that an order with `standing` takes the place of (RFC 9773 §5): the one in use, unless
 * another CA issued it, or it is known that another account ordered it.
 */
export function predecessor({ server, state: { accountUrl } }: Stored, current: Stored): string | undefined {
  const { candidate, kept } = current.state
  const isItsCa = current.server.directoryUrl === server.directoryUrl
  if (candidate.kind !== 'usable' || accountUrl === undefined || !isItsCa) return undefined
  const certificate = candidate.facts.renewalId
  const { info } = kept ? watchOf(kept) : {}
  const orderedBy = info?.certificate === certificate ? info?.account : undefined
  return orderedBy === undefined || orderedBy === accountUrl ? certificate : undefined
}
