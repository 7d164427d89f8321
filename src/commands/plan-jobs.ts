// The plan of each job, as text or JSON: the same state and the same decision as `renew` takes, without a lock or a write.
import { NixacmeError } from '../errors.ts'
import { type Job, type JobServer, pathsOf } from '../job/job.ts'
import { chooseProfile, profileWords } from '../job/profile.ts'
import { type ProofRecord, proofRecords } from '../job/proof-records.ts'
import { type Paint, paintFor, printable } from '../log.ts'
import type { Decision } from '../renewal/decision.ts'
import { judge, leftToDo } from '../renewal/look.ts'
import type { Context } from './context.ts'
import { ownerFinder } from './owner.ts'
import { failuresText, type PlannedFailure, plannedFailures, shortReason } from './plan-failures.ts'
import { recordsTable } from './plan-records.ts'
import { caRequests, failure, type Report, renderReports, report } from './report.ts'
import { serialOf } from './revocation.ts'
import { sameCommand, unfinishedRevocations } from './revoke-target.ts'

export interface PlanOptions {
  readonly atOnce: boolean
  readonly json: boolean
}

interface Planned extends Report {
  /** Requests to the CA if it answers at once; 0: none is sent. */
  readonly caRequests: number | null
  /** Who would speak with the CA. */
  readonly engine: 'native' | 'lego'
  /** A skip would complete what an earlier run left undone. */
  readonly installs: boolean
  /** Of several CAs the host of the one whose turn it is; null where there is only one, or nothing to ask for. */
  readonly asks: string | null
  /** The CA's profile that would be ordered, by what the CA offered last; null: none. */
  readonly profile: string | null
  /** Which one and why, or why none will do, as a clause; '' where there is nothing to say. */
  readonly profileReason: string
  /** Of the names that are proven by DNS. */
  readonly records: readonly ProofRecord[]
  /** What is remembered of each of its CAs, in their order. */
  readonly failures: readonly PlannedFailure[]
}

const asked = ({ servers }: Job, { kind }: Decision, { directoryUrl }: JobServer): string | null =>
  servers.length === 1 || kind === 'skip' ? null : new URL(directoryUrl).host

/** Prints the plan. Gives the status of the first job that cannot be judged. */
export async function planJobs(jobs: readonly Job[], options: PlanOptions, context: Context): Promise<number> {
  const { host, log, roots } = context
  const ownerOf = ownerFinder(host)
  let status = 0
  const fail = (cert: string, e: NixacmeError) => {
    status ||= e.exitStatus
    log.about(cert).error(e.message, e.hints)
  }
  const planned: Planned[] = []
  for (const job of jobs) {
    try {
      const { gid, fault } = await ownerOf(job)
      if (fault) throw fault
      const judgement = judge(job, roots, host, options.atOnce)
      const { decision, standing } = judgement
      warnOfUnrevoked(job, context)
      planned.push({
        ...report(job, roots.state, decision, job.lock.home, standing.server),
        engine: job.engine.kind,
        asks: asked(job, decision, standing.server),
        caRequests: caRequests(decision, job.names.length, standing.state.account),
        installs: leftToDo(job, judgement, { gid, now: host.now() }) === 'something',
        ...profileOf(job, standing.server, standing.state.memory.offered),
        records: proofRecords(
          job.challenges,
          judgement.standings.flatMap(({ state }) => state.accountUrl ?? []),
        ),
        failures: plannedFailures(judgement, host.now()),
      })
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      fail(job.cert, e)
      const unjudged = report(job, roots.state, undefined, job.lock.home)
      planned.push({
        ...unjudged,
        ...failure(e),
        engine: job.engine.kind,
        caRequests: null,
        installs: false,
        asks: null,
        ...noProfile,
        records: proofRecords(job.challenges, []),
        failures: [],
      })
    }
  }
  host.stdout.write(
    options.json ? renderReports(planned) : asText(planned, host.now(), await paintFor(host, host.stdout)),
  )
  return status
}

/** No run does it by itself: it is for who has asked for it. */
function warnOfUnrevoked(job: Job, { host, log, roots }: Context): void {
  const about = log.about(job.cert)
  try {
    const { own, compromised } = unfinishedRevocations(pathsOf(roots, job), host.now())
    for (const { chain, reason, path } of own)
      about.warning(`certificate ${serialOf(chain)} is still to be revoked (${reason})`, [
        `go on with it: ${sameCommand(job.cert, reason)}`,
        `or forget it: rm '${path}'`,
      ])
    if (compromised.length > 0)
      about.warning('its compromise is not finished', [`go on with it: nixacme compromise ${job.cert} --yes`])
  } catch (e) {
    // It is nothing that a renewal reads.
    if (!(e instanceof NixacmeError)) throw e
    about.warning(e.message, e.hints)
  }
}

type PlannedProfile = Pick<Planned, 'profile' | 'profileReason'>

const noProfile: PlannedProfile = { profile: null, profileReason: '' }

function profileOf(job: Job, { directoryUrl }: JobServer, offered: readonly string[] | undefined): PlannedProfile {
  const choice = chooseProfile({ ...job, directoryUrl }, offered)
  const profile = choice.kind === 'order' ? (choice.profile ?? null) : null
  return { profile, profileReason: profileWords(choice) }
}

const colourOf = (paint: Paint): Record<Decision['kind'] | 'error', (text: string) => string> => ({
  skip: paint.dim,
  renew: paint.green,
  'force-renew': paint.yellow,
  run: paint.green,
  wait: paint.yellow,
  error: paint.red,
})

/** "2026-12-01 04:05Z", or "now" for what is past. */
function due(p: Planned, now: Date): string {
  if (p.action === 'run' || p.action === 'force-renew') return 'now'
  if (p.dueAt === null) return '-'
  return new Date(p.dueAt) <= now ? 'now' : minute(p.dueAt)
}

const minute = (iso: string | null): string => (iso === null ? '-' : `${iso.slice(0, 10)} ${iso.slice(11, 16)}Z`)

/** Records are for who orders: where nothing is to be done they were found before. */
function asText(planned: readonly Planned[], now: Date, paint: Paint): string {
  const due = planned.filter(({ action }) => action !== null && action !== 'skip')
  return (
    table(planned, now, paint) +
    failuresText(planned, paint) +
    recordsTable(
      due.flatMap(({ records }) => records),
      paint,
    )
  )
}

function table(planned: readonly Planned[], now: Date, paint: Paint): string {
  if (planned.length === 0) return 'no certificates\n'
  const head = ['CERTIFICATE', 'ACTION', 'DUE', 'VALID UNTIL', 'SLOT', 'WHY']
  const rows = planned.map((p) => [
    p.cert,
    p.action ?? 'error',
    p.action === null ? '-' : due(p, now),
    minute(p.notAfter),
    p.slot === null ? '-' : String(p.slot),
    printable(p.error?.message ?? shortReason(p.reason, p.failures)) +
      (p.installs ? '; completes the installed files' : '') +
      (p.engine === 'native' || p.action === 'skip' ? '' : '; by lego') +
      (p.asks === null ? '' : `; asks '${p.asks}'`) +
      printable(p.profileReason === '' ? '' : `; ${p.profileReason}`),
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const colour = colourOf(paint)
  const line = (cells: readonly string[], paintCell: (text: string, column: number) => string) =>
    `${cells.map((cell, i) => paintCell(i === cells.length - 1 ? cell : cell.padEnd(widths[i] ?? 0), i)).join('  ')}\n`
  return (
    line(head, (text) => paint.bold(text)) +
    planned
      .map((p, i) => line(rows[i] ?? [], (text, column) => (column === 1 ? colour[p.action ?? 'error'](text) : text)))
      .join('')
  )
}
