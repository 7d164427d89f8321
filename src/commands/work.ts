// The work of `renew`, as the user whose files it makes: each job with the CA lent to it, and a report of each.

import type { Issued } from '../acme/issue.ts'
import type { IssueRequest, PresentCertificate } from '../acme/request.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import { keyName } from '../job/identity.ts'
import type { Job } from '../job/job.ts'
import { accountFilesOf } from '../job/paths.ts'
import { type Secrets, secretReader } from '../job/variables.ts'
import { logError } from '../log.ts'
import { refuseCompromised } from '../renewal/condemned.ts'
import type { Decision } from '../renewal/decision.ts'
import { type Errand, renew, type Tools } from '../renewal/renew.ts'
import type { HeldSlot } from '../renewal/run-locks.ts'
import type { StoredState } from '../renewal/state.ts'
import { predecessor } from '../renewal/watch.ts'
import { challengeRequest, clearChallenges } from './challenge-request.ts'
import type { Context } from './context.ts'
import { keyFor } from './key-choice.ts'
import { ownerFinder } from './owner.ts'
import { failure, type Report, renderReports, report } from './report.ts'

export interface RenewSettings {
  readonly atOnce: boolean
  readonly dryRun: boolean
  /** Seconds; 0: do not wait for a slot; null: as long as it takes; undefined: as the config says. */
  readonly patience: number | null | undefined
  readonly json: boolean
  /** A slot that the short way waited for; then there is one job, and this is for it. */
  readonly slot?: HeldSlot | undefined
}

export type SecretsOf = (job: Job) => Promise<Secrets>

/** Does the work of the jobs in this process: those with nothing to do at once, the others in as many lanes as slots. */
export async function work(
  jobs: readonly Job[],
  settings: RenewSettings,
  context: Context,
  secretsOf: SecretsOf = secretReader(context.host),
): Promise<number> {
  const ownerOf = ownerFinder(context.host)
  const reports = new Map<string, Report>()
  let status = 0
  const one = async (job: Job) => {
    const done = await renewOne(job, settings, context, { ownerOf, secretsOf })
    reports.set(job.cert, done)
    status ||= done.error?.status ?? 0
  }
  // Jobs of one home slot would wait for each other: they queue here instead, without a lock file between them.
  const lanes = new Map<number | string, Job[]>()
  for (const job of jobs) {
    const key = job.lock.home ?? job.cert
    const queue = lanes.get(key)
    if (queue) queue.push(job)
    else lanes.set(key, [job])
  }
  const lane = async (queue: readonly Job[]) => {
    for (const job of queue) await one(job)
  }
  await Promise.all([...lanes.values()].map(lane))
  if (settings.json) context.host.stdout.write(renderReports(jobs.flatMap((job) => reports.get(job.cert) ?? [])))
  return status
}

async function renewOne(
  job: Job,
  settings: RenewSettings,
  context: Context,
  { ownerOf, secretsOf }: { readonly ownerOf: ReturnType<typeof ownerFinder>; readonly secretsOf: SecretsOf },
): Promise<Report> {
  const { host, log, roots } = context
  let decided: Decision | undefined
  try {
    const owner = await ownerOf(job)
    if (owner.fault) throw owner.fault
    const obtain: Tools['obtain'] = async (_, { standing, current, diary, withAccountLock }) => {
      const { server, paths, state } = standing
      const secrets = await secretsOf(job)
      const request: IssueRequest = {
        ...challengeRequest(job, owner.gid, secrets, context),
        names: job.names,
        directoryUrl: server.directoryUrl,
        hasOtherCas: job.servers.length > 1,
        plainHttp: job.plainHttp,
        email: job.email,
        keyType: job.keyType,
        profiles: job.profiles,
        profilePolicy: job.profilePolicy,
        mustStaple: job.mustStaple,
        preferredChain: job.preferredChain,
        notAfter: job.notAfter,
        key: keyFor(job, current.state.candidate),
        refuseKey: (keyPem) => refuseCompromised(paths, keyPem),
        replaces: predecessor(standing, current),
        diary,
        order: { path: paths.pendingOrder, uid: host.identity.uid, gid: owner.gid },
        present: presentCertificate(state),
        certificateKeys: [paths.key, ...(job.csr ? [job.csr.key] : [])],
        account: accountFilesOf(paths),
        withAccountLock,
        caCertificates: job.caCertificates,
        deadlineSeconds: job.orderTimeout,
        dryRun: settings.dryRun,
      }
      const issued = await issueBy(job, request, { standing, secrets })
      if (!issued) return undefined
      const { keyPem: key, chain, certUrl, accountUrl, renewal } = issued
      return { key, chain, certUrl, accountUrl, renewal, stored: () => issued.stored() }
    }
    const {
      decision,
      server,
      slot,
      failure: tolerated,
    } = await renew(job, settings, {
      roots,
      host,
      log,
      gid: owner.gid,
      slot: settings.slot,
      obtain,
      clearChallenges: async () => clearChallenges(job, owner.gid, await secretsOf(job), context),
      onDecision(decision) {
        decided = decision
      },
    })
    const done = report(job, roots.state, decision, slot, server)
    if (!tolerated) return done
    const { message, hints } = tolerated
    log.about(job.cert).warning(message, [...hints, 'the certificate lives long enough: it will be tried again'])
    return { ...done, failure: { message, hints } }
  } catch (e) {
    // A fault of ours in one certificate must not keep the others from being worked on and told.
    const fault =
      e instanceof NixacmeError ? e : new NixacmeError('bug', `a fault of nixacme: ${messageOf(e)}`, { cause: e })
    logError(log.about(job.cert), fault, { cert: job.cert, action: decided?.kind })
    return { ...report(job, roots.state, decided, job.lock.home), ...failure(fault) }
  }
}

/** By the engine of the job; each is loaded when there is work for it. */
async function issueBy(
  { engine, domainHash, names: [domain = ''] }: Job,
  request: IssueRequest,
  { standing: { paths, state }, secrets }: Pick<Errand, 'standing'> & { readonly secrets: Secrets },
): Promise<Issued | undefined> {
  if (engine.kind === 'native') return (await import('../acme/issue.ts')).issue(request)
  const { issueByLego } = await import('../acme/lego/issue.ts')
  return issueByLego({
    ...request,
    legoPath: engine.path,
    flags: engine.flags,
    isRenewal: state.domainHash === domainHash,
    secrets,
    folder: paths.legoCert,
    keyName: keyName(domain),
  })
}

function presentCertificate({ candidate }: StoredState): PresentCertificate | undefined {
  if (candidate.kind !== 'usable') return undefined
  const { key, chain } = candidate.set
  return { key, leaf: chain[0] ?? '' }
}
