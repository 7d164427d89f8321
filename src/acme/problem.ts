// The CA's own answer to what it will not do: RFC 7807 problem documents with the subproblems of RFC 8555 §6.7.1, kept
// whole beside the words for people.
import { type ErrorKind, NixacmeError, type Refusal } from '../errors.ts'
import { printable } from '../log.ts'
import { helpful, urlsIn } from './links.ts'

export interface Problem {
  /** The URI, e.g. `urn:ietf:params:acme:error:rejectedIdentifier`; `about:blank` where none is given (RFC 7807 §4.2). */
  readonly type: string
  readonly detail: string
  readonly status: number | undefined
  /** The name that a subproblem is about. */
  readonly name: string | undefined
  readonly subproblems: readonly Problem[]
  /** A page about this one refusal (RFC 7807 §3.1; RFC 8555 §7.3.3 has the user sent there). */
  readonly instance?: string | undefined
}

/** Nobody reads more than this of a CA's words, and a log line has to end. */
const longestDetail = 400
/** Characters of a detail that are kept at all. */
const keptDetail = 8000
const longestType = 150
/** Let's Encrypt takes so many names in one order. */
const mostHints = 100
/** Characters of a DNS name as text (RFC 1035 §2.3.4). */
export const longestName = 253
/** Subproblems have no subproblems (RFC 8555 §6.7.1): deeper nesting is not looked at. */
const deepest = 1

const acmeError = 'urn:ietf:params:acme:error:'

/** The URI of one of RFC 8555's own problem types, e.g. of `badNonce`. */
export const problemType = (short: string): string => acmeError + short

const shortType = (type: string): string => (type.startsWith(acmeError) ? type.slice(acmeError.length) : type)

/** The words of a problem without what belongs to the end of a sentence: `unauthorized: the key authorization differs`. */
export function problemWords({ type, detail }: Pick<Problem, 'type' | 'detail'>): string {
  const words = detail.trim().replace(/\.$/, '')
  const bounded = words.length > longestDetail ? `${words.slice(0, longestDetail)}…` : words
  const short = type === 'about:blank' ? '' : shortType(type)
  return [short, bounded].filter((part) => part !== '').join(': ') || 'without a reason'
}

const oneLine = (text: string, longest: number): string => printable(text.slice(0, longest))

/** A problem document out of JSON, its texts on one line each and bounded; undefined when it has neither type nor detail, so is none. */
export function asProblem(value: unknown, depth = 0): Problem | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  const { type, detail, status, identifier, subproblems, instance } = fields
  if (typeof type !== 'string' && typeof detail !== 'string') return undefined
  const list = depth < deepest && Array.isArray(subproblems) ? subproblems.slice(0, 200) : []
  return {
    type: typeof type === 'string' ? oneLine(type, longestType) : 'about:blank',
    detail: typeof detail === 'string' ? oneLine(detail, keptDetail) : '',
    status: typeof status === 'number' ? status : undefined,
    name: nameOf(identifier),
    subproblems: list.map((p) => asProblem(p, depth + 1)).filter((p) => p !== undefined),
    instance: typeof instance === 'string' ? instance : undefined,
  }
}

function nameOf(identifier: unknown): string | undefined {
  if (typeof identifier !== 'object' || identifier === null || !('value' in identifier)) return undefined
  return typeof identifier.value === 'string' ? oneLine(identifier.value, longestName) : undefined
}

function kindOf({ type, status }: Pick<Problem, 'type' | 'status'>): ErrorKind {
  if (type === problemType('rateLimited') || status === 429) return 'later'
  // A fault of the CA itself says nothing about what was asked.
  if (status !== undefined && status >= 500) return 'unavailable'
  return 'refused'
}

export interface ProblemContext {
  /** What was not done, after "the CA refused …": `the order of 'example.com'`. */
  readonly refused: string
  /** Seconds that the CA asks to wait before the next attempt. */
  readonly retryAfter?: number | undefined
  /** URLs that came with the refusal and explain it. */
  readonly links?: readonly string[]
  readonly hints?: readonly string[]
  /** The names that could not be validated. */
  readonly unproven?: readonly string[]
}

/**
 * A refusal of the CA: `later` (75) for a rate limit, `unavailable` (69) for a fault of the CA itself, else `refused`
 * (76). The message is one sentence with the type's short name and the detail; each subproblem is a hint line.
 */
export class AcmeProblem extends NixacmeError {
  override readonly name = 'AcmeProblem'
  readonly type: string
  readonly detail: string
  readonly status: number | undefined
  readonly subproblems: readonly Problem[]
  /** Seconds, or undefined where the CA did not say. */
  readonly retryAfter: number | undefined
  /** Where a person is to look, https only: what came with the refusal, and what stands in its words. */
  readonly links: readonly string[]
  readonly #unproven: readonly string[]

  constructor(problem: Problem, { refused, retryAfter, links = [], hints = [], unproven = [] }: ProblemContext) {
    const kind = kindOf(problem)
    const verb = kind === 'unavailable' ? 'the CA failed at' : 'the CA refused'
    const message = `${verb} ${refused}: ${problemWords(problem)}`
    const said = subproblemHints(problem.subproblems)
    const places = linksOf(problem, links)
    // Those that stand whole in the words are not said twice.
    const unsaid = places.filter((url) => ![message, ...said].some((line) => line.includes(url)))
    super(kind, message, {
      hints: [...said, ...unsaid.map((url) => `see '${url}'`), ...waitHints(kind, retryAfter), ...hints],
    })
    this.type = problem.type
    this.detail = problem.detail
    this.status = problem.status
    this.subproblems = problem.subproblems
    this.retryAfter = retryAfter
    this.links = places
    this.#unproven = unproven
  }

  override get refusal(): Refusal {
    return { retryAfter: this.retryAfter, links: this.links, unproven: this.#unproven }
  }

  /** The last part of the type: `rejectedIdentifier`. */
  override get problem(): string {
    return this.type === 'about:blank' ? super.problem : (/[^:/]{1,100}$/.exec(this.type)?.[0] ?? super.problem)
  }
}

const linksOf = ({ instance, detail, subproblems }: Problem, more: readonly string[]): string[] =>
  helpful(
    [...(instance === undefined ? [] : [instance]), ...more, detail, ...subproblems.map((p) => p.detail)].flatMap(
      urlsIn,
    ),
  )

function subproblemHints(subproblems: readonly Problem[]): string[] {
  const lines = subproblems.slice(0, mostHints).map((p) => `${p.name ?? 'unnamed'}: ${problemWords(p)}`)
  const rest = subproblems.length - lines.length
  return rest > 0 ? [...lines, `and ${rest} more`] : lines
}

function waitHints(kind: ErrorKind, retryAfter: number | undefined): string[] {
  if (kind !== 'later') return []
  return retryAfter === undefined
    ? ['this is a limit of the CA: wait before the next attempt, trying sooner makes it last longer']
    : [`the CA asks to wait ${waitWords(retryAfter)} before the next attempt`]
}

/** "60 s", "3600 s (1 h)", "600000 s (7 days)": rounded up, so that nobody comes too early. */
function waitWords(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 3600) return `${whole} s`
  const hours = Math.ceil(whole / 3600)
  return `${whole} s (${hours <= 48 ? `${hours} h` : `${Math.ceil(hours / 24)} days`})`
}

export const isProblem = (e: unknown, short: string): e is AcmeProblem =>
  e instanceof AcmeProblem && e.type === problemType(short)
