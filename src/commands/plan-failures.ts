// What is remembered of failures, in a plan: at which CA, since when, in the CA's own words, with all names and links that
// it gave, and what follows from it. Read from the memories of all CAs of a certificate, without a question to any.
import type { JobServer } from '../job/job.ts'
import { type Paint, printable } from '../log.ts'
import type { Decision } from '../renewal/decision.ts'
import type { Judgement, Standing } from '../renewal/look.ts'
import type { Failure } from '../renewal/memory.ts'
import { failureSpan, standingFailure } from '../renewal/schedule.ts'
import { isoMinute } from '../time.ts'

/** One failure as `plan --json` has it. Times are ISO 8601 in UTC. */
export interface PlannedFailure extends Omit<Failure, 'first' | 'last' | 'retryAfter' | 'retryAt' | 'config'> {
  /** Directory URL of the CA. */
  readonly server: string
  readonly first: string
  readonly last: string
  /** When the CA itself wants to be asked again; null where it did not say. */
  readonly retryAfter: string | null
  /** Not before this. */
  readonly retryAt: string
  /** What follows, as a clause. */
  readonly next: string
}

/** The failures of a certificate that still count, in the order of its CAs: a changed config has healed the others. */
export function plannedFailures({ decision, standing, standings, wish }: Judgement, now: Date): PlannedFailure[] {
  return standings.flatMap((one) => {
    const failure = standingFailure(one.state.memory, wish.config, now)
    return failure ? [planned(failure, one, nextOf(failure, one, { decision, asked: standing.server, now }))] : []
  })
}

function planned(
  { config: _, first, last, retryAfter, retryAt, ...failure }: Failure,
  { server }: Standing,
  next: string,
): PlannedFailure {
  return {
    server: server.directoryUrl,
    ...failure,
    first: first.toISOString(),
    last: last.toISOString(),
    retryAfter: retryAfter?.toISOString() ?? null,
    retryAt: retryAt.toISOString(),
    next,
  }
}

interface Course {
  readonly decision: Decision
  /** Whose turn it is, where there is work. */
  readonly asked: JobServer
  readonly now: Date
}

function nextOf({ retryAfter, retryAt }: Failure, { server }: Standing, { decision, asked, now }: Course): string {
  const wish = retryAfter && retryAfter > now ? `, the CA wants to be left alone until ${isoMinute(retryAfter)}` : ''
  const pause = retryAt > now ? `not asked before ${isoMinute(retryAt)}${wish}` : 'may be asked again'
  if (decision.kind === 'skip') return `${pause}, nothing is due`
  const isAsked = server.directoryUrl === asked.directoryUrl
  if (isAsked) return decision.kind === 'wait' ? pause : `asked again by the next run${wish}`
  return retryAt > now ? `${pause}, so the turn is that of '${hostOf(asked.directoryUrl)}'` : pause
}

const hostOf = (url: string): string => new URL(url).host

interface Failing {
  readonly cert: string
  readonly failures: readonly PlannedFailure[]
}

/** A paragraph for each, after an empty line and a head; '' where there is none. */
export function failuresText(planned: readonly Failing[], paint: Paint): string {
  const paragraphs = planned.flatMap(({ cert, failures }) => failures.map((one) => paragraph(cert, one)))
  return paragraphs.length === 0 ? '' : `\n${paint.bold('FAILURES')}\n${paragraphs.join('')}`
}

function paragraph(cert: string, failure: PlannedFailure): string {
  const { server, message, details, links, next } = failure
  const said = [message, ...details]
  // Those that stand in the words are not said twice.
  const unsaid = links.filter((url) => !said.some((line) => line.includes(url))).map((url) => `see '${url}'`)
  const head = `${cert} at '${hostOf(server)}': ${failureSpan(datesOf(failure))}; ${next}`
  return [head, ...[...said, ...unsaid].map((line) => `  ${line}`)].map((line) => `${printable(line)}\n`).join('')
}

const datesOf = ({ count, first, last }: PlannedFailure) => ({ count, first: new Date(first), last: new Date(last) })

/** The reason of a plan's line without the words that its paragraph repeats. */
export const shortReason = (reason: string, failures: readonly PlannedFailure[]): string => {
  const repeated = failures.find(({ message }) => message !== '' && reason.endsWith(`: ${message}`))
  return repeated ? `${reason.slice(0, -repeated.message.length)}see below` : reason
}
