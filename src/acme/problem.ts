// The CA's own answer to what it will not do: RFC 7807 problem documents with the subproblems of RFC 8555 §6.7.1, kept
// whole beside the words for people.
import { type ErrorKind, NixacmeError } from '../errors.ts'

export interface Problem {
  /** The URI, e.g. `urn:ietf:params:acme:error:rejectedIdentifier`; `about:blank` where none is given (RFC 7807 §4.2). */
  readonly type: string
  readonly detail: string
  readonly status: number | undefined
  /** The name that a subproblem is about. */
  readonly name: string | undefined
  readonly subproblems: readonly Problem[]
}

/** Nobody reads more than this of a CA's words, and a log line has to end. */
const longestDetail = 400
const mostHints = 20
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
  const short = type === 'about:blank' ? '' : shortType(type).slice(0, 100)
  return [short, bounded].filter((part) => part !== '').join(': ') || 'without a reason'
}

/** A problem document out of JSON; undefined when it has neither type nor detail, so is none. */
export function asProblem(value: unknown, depth = 0): Problem | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  const { type, detail, status, identifier, subproblems } = fields
  if (typeof type !== 'string' && typeof detail !== 'string') return undefined
  const list = depth < deepest && Array.isArray(subproblems) ? subproblems.slice(0, 200) : []
  return {
    type: typeof type === 'string' ? type : 'about:blank',
    detail: typeof detail === 'string' ? detail : '',
    status: typeof status === 'number' ? status : undefined,
    name: nameOf(identifier),
    subproblems: list.map((p) => asProblem(p, depth + 1)).filter((p) => p !== undefined),
  }
}

function nameOf(identifier: unknown): string | undefined {
  if (typeof identifier !== 'object' || identifier === null || !('value' in identifier)) return undefined
  return typeof identifier.value === 'string' ? identifier.value.slice(0, longestName) : undefined
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
  readonly hints?: readonly string[]
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

  constructor(problem: Problem, { refused, retryAfter, hints = [] }: ProblemContext) {
    const kind = kindOf(problem)
    const verb = kind === 'unavailable' ? 'the CA failed at' : 'the CA refused'
    super(kind, `${verb} ${refused}: ${problemWords(problem)}`, {
      hints: [...subproblemHints(problem.subproblems), ...waitHints(kind, retryAfter), ...hints],
    })
    this.type = problem.type
    this.detail = problem.detail
    this.status = problem.status
    this.subproblems = problem.subproblems
    this.retryAfter = retryAfter
  }

  /** The last part of the type: `rejectedIdentifier`. */
  override get problem(): string {
    return this.type === 'about:blank' ? super.problem : (/[^:/]{1,100}$/.exec(this.type)?.[0] ?? super.problem)
  }
}

function subproblemHints(subproblems: readonly Problem[]): string[] {
  const lines = subproblems.slice(0, mostHints).map((p) => `${p.name ?? 'unnamed'}: ${problemWords(p)}`)
  const rest = subproblems.length - lines.length
  return rest > 0 ? [...lines, `and ${rest} more`] : lines
}

function waitHints(kind: ErrorKind, retryAfter: number | undefined): string[] {
  if (kind !== 'later') return []
  return retryAfter === undefined
    ? ['this is a limit of the CA: wait before the next attempt, trying sooner makes it last longer']
    : [`the CA asks to wait ${Math.ceil(retryAfter)} s before the next attempt`]
}

export const isProblem = (e: unknown, short: string): e is AcmeProblem =>
  e instanceof AcmeProblem && e.type === problemType(short)
