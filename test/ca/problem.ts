// Refusals of the test CA: problem documents as RFC 7807 and RFC 8555 section 6.7 shape them.

export interface Identifier {
  readonly type: string
  readonly value: string
}

export interface ProblemDocument {
  readonly type: string
  readonly detail: string
  readonly status: number
  readonly identifier?: Identifier
  readonly subproblems?: readonly Omit<ProblemDocument, 'status'>[]
  /** With badSignatureAlgorithm: what the CA takes (RFC 8555 section 6.2). */
  readonly algorithms?: readonly string[]
}

/** The URN of an ACME error type: `problemUrn('badNonce')`. */
export const problemUrn = (type: string): string => `urn:ietf:params:acme:error:${type}`

/** Thrown wherever the CA refuses; the server turns it into an answer. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly document: ProblemDocument

  constructor(status: number, type: string, detail: string, more: Partial<ProblemDocument> = {}) {
    super(`${type}: ${detail}`)
    this.document = { type: problemUrn(type), detail, status, ...more }
  }
}

export const malformed = (detail: string): Problem => new Problem(400, 'malformed', detail)
export const notFound = (what: string): Problem => new Problem(404, 'malformed', `no such ${what}`)
