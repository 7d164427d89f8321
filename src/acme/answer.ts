// What came back, before anybody trusts it: status, headers and text of one HTTP answer, and the ways to make something
// of it. Whatever is not ACME (a captive portal's HTML, half a JSON) is told with its URL.
import { X509Certificate } from 'node:crypto'
import { messageOf, NixacmeError } from '../errors.ts'
import { type Link, readLinks } from './links.ts'
import { retryAfterSeconds } from './pace.ts'
import { AcmeProblem, asProblem } from './problem.ts'
import { Flaw } from './types.ts'

/** Bytes. A chain of ten RSA certificates has some 20 kB. */
export const largestBody = 1024 * 1024
/** A chain longer than this is no chain. */
const mostCertificates = 20

export interface Answer {
  readonly url: string
  readonly status: number
  /** In lower case, without parameters; '' when there is none. */
  readonly contentType: string
  readonly nonce: string | undefined
  readonly location: string | undefined
  /** Seconds. */
  readonly retryAfter: number | undefined
  readonly links: readonly Link[]
  readonly text: string
}

interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly data: unknown
}

export function answerOf(url: string, { status, headers, data }: Response, now: Date): Answer {
  const header = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  const nonce = header('replay-nonce')
  return {
    url,
    status,
    contentType: (header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
    // A nonce in another alphabet must be ignored (RFC 8555 §6.5.1).
    nonce: nonce !== undefined && /^[A-Za-z0-9_-]+$/.test(nonce) ? nonce : undefined,
    location: header('location'),
    retryAfter: retryAfterSeconds(header('retry-after'), now),
    links: readLinks(header('link'), url),
    text: typeof data === 'string' ? data : '',
  }
}

/** An answer that is not ACME: `unavailable` (69). */
export class Nonsense extends NixacmeError {
  /** HTTP status, where it is what makes no sense. */
  readonly status: number | undefined

  constructor(message: string, { status, ...options }: { status?: number; hints: readonly string[]; cause: unknown }) {
    super('unavailable', message, options)
    this.status = status
  }
}

/** Names the URL and what was `found`. */
export const nonsense = (url: string, found: string, cause?: unknown, status?: number): Nonsense =>
  new Nonsense(`the answer of '${url}' makes no sense: ${found}`, {
    hints: [
      "check that the option 'server' is the CA's directory URL and that no proxy or portal answers in its place",
    ],
    cause,
    ...(status === undefined ? {} : { status }),
  })

/** Throws `unavailable` (69) for what is neither good nor refused: redirections are not followed (RFC 8555 has none). */
export function assertGood({ url, status, location }: Answer): void {
  if (status >= 300) throw nonsense(url, `status ${status}${location ? ', a redirection, is not followed' : ''}`)
}

/** The JSON body of a good answer. Throws `unavailable` (69) when it is anything else. */
export function bodyOf<T>(answer: Answer, read: (value: unknown) => T): T {
  const { url, contentType, text } = answer
  assertGood(answer)
  if (contentType !== 'application/json') throw nonsense(url, `expected JSON, found ${contentName(answer)}`)
  try {
    return read(JSON.parse(text))
  } catch (e) {
    if (e instanceof Flaw) throw nonsense(url, e.message, e)
    throw nonsense(url, `JSON that cannot be read (${messageOf(e)})`, e)
  }
}

const contentName = ({ contentType, text }: Answer): string =>
  contentType !== '' ? `'${contentType.slice(0, 60)}'` : text === '' ? 'nothing' : 'a body without a type'

/** Relations of links that explain a refusal: more about a limit (RFC 8555 §6.6), terms to agree to (§7.3.3). */
const telling = ['help', 'terms-of-service']

/**
 * The refusal in an answer of status 400 and more. One without a problem document is an AcmeProblem too where its status
 * alone says enough (429: come back later; 5xx: the CA is at fault).
 */
export function problemOf(answer: Answer, refused: string): AcmeProblem {
  const { status, retryAfter } = answer
  const links = answer.links.filter(({ relations }) => relations.some((r) => telling.includes(r))).map(({ url }) => url)
  const problem = problemIn(answer)
  if (problem) return new AcmeProblem({ ...problem, status }, { refused, retryAfter, links })
  if (status !== 429 && status < 500)
    throw nonsense(
      answer.url,
      `status ${status} with ${contentName(answer)} instead of a problem document`,
      undefined,
      status,
    )
  const bare = { type: 'about:blank', detail: `status ${status}`, status, name: undefined, subproblems: [] }
  return new AcmeProblem(bare, { refused, retryAfter, links })
}

function problemIn({ contentType, text }: Answer) {
  if (!contentType.endsWith('json')) return undefined
  try {
    return asProblem(JSON.parse(text))
  } catch {
    return undefined
  }
}

const pem = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END CERTIFICATE-----(?:\r?\n|$)/g

/** The chain in an answer, strictly: certificates and nothing else (RFC 8555 §9.1). Throws `unavailable` (69). */
export function chainOf(answer: Answer): string[] {
  const { url, contentType, text } = answer
  assertGood(answer)
  if (contentType !== 'application/pem-certificate-chain')
    throw nonsense(url, `expected a PEM certificate chain, found ${contentName(answer)}`)
  const blocks = text.match(pem) ?? []
  if (blocks.length === 0 || text.replace(pem, '').trim() !== '')
    throw nonsense(url, 'expected nothing but PEM certificates, found other text')
  if (blocks.length > mostCertificates) throw nonsense(url, `a chain of ${blocks.length} certificates`)
  return blocks.map((block, i) => certificateBlock(block, i, url))
}

function certificateBlock(block: string, i: number, url: string): string {
  try {
    return new X509Certificate(block).toString()
  } catch (e) {
    throw nonsense(url, `certificate ${i + 1} of the chain cannot be read (${messageOf(e)})`, e)
  }
}
