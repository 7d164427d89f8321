// Why a request got no answer, in words: the most telling reason first, with what to do about it.
import { hasCode, messageOf, NixacmeError } from '../errors.ts'

export interface RequestContext {
  readonly url: string
  /** `host:port` of the proxy in between. */
  readonly proxy: string | undefined
  /** What is known of the roots that were asked. */
  readonly trustNotes?: readonly string[]
  /** Who was asked, for words, where it is not the CA. */
  readonly whom?: string
}

/** What a proxy says in place of making a tunnel. */
export class ProxyRefusal extends Error {
  readonly status: number

  constructor(status: number) {
    super(`the proxy answered with status ${status}`)
    this.status = status
  }
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  ECONNABORTED: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network is unreachable',
  HPE_HEADER_OVERFLOW: 'the head of its answer is too large',
  EPROTO: 'no TLS is spoken there',
  CERT_HAS_EXPIRED: 'its TLS certificate has expired',
  CERT_NOT_YET_VALID: 'its TLS certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its TLS certificate is for another name',
}

/** TLS codes that say: no known root stands behind this certificate. */
const unknownRoot = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]
const wrongTime = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']
const noName = ['ENOTFOUND', 'EAI_AGAIN']
/** Seen when a kept connection was closed under the request, or a CA restarts: worth another try. */
const transient = ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'EAI_AGAIN']

/** The system's own error: below axios's, which holds the whole request, and inside the one of several addresses. */
export function rootCause(e: unknown): unknown {
  if (e instanceof AggregateError && e.errors.length > 0) return rootCause(e.errors[0])
  if (e instanceof Error && e.cause instanceof Error) return rootCause(e.cause)
  return e
}

export const isTransient = (e: unknown): boolean => hasCode(rootCause(e), ...transient)

/** True when the TLS certificate leads to no root that is trusted. */
export const isUnknownRoot = (e: unknown): boolean => hasCode(rootCause(e), ...unknownRoot)

/** No answer came: `unavailable` (69). */
export class UnreachableError extends NixacmeError {
  override readonly name = 'UnreachableError'
}

/** A request that failed without an answer: `unavailable` (69). */
export function unreachable(error: unknown, { url, proxy, trustNotes = [], whom }: RequestContext): NixacmeError {
  const root = rootCause(error)
  // An AxiosError carries agents and request: none of that may reach a log.
  const cause = root === error && root instanceof Error ? new Error(root.message) : root
  const host = new URL(url).host
  const way = proxy === undefined ? `'${host}'` : `'${host}' through proxy '${proxy}'`
  return new UnreachableError('unavailable', `cannot reach ${whom ?? 'the CA'} at ${way}: ${reason(root)}`, {
    hints: [...hintsFor(root, { host, proxy, whom }), ...(isUnknownRoot(root) ? trustNotes : [])],
    cause,
  })
}

function reason(root: unknown): string {
  const code = root instanceof Error && 'code' in root ? String(root.code) : ''
  const known = words[code]
  if (known) return known
  if (hasCode(root, ...unknownRoot)) return `its TLS certificate comes from an unknown CA (${messageOf(root)})`
  return messageOf(root).trim().replace(/\.$/, '').slice(0, 300)
}

interface Asked {
  readonly host: string
  readonly proxy: string | undefined
  readonly whom: string | undefined
}

function hintsFor(root: unknown, { host, proxy, whom }: Asked): string[] {
  const proxyHint = proxy === undefined ? [] : ['the proxy comes from HTTPS_PROXY; make exceptions with NO_PROXY']
  if (root instanceof ProxyRefusal && root.status === 407)
    return ["the proxy wants a user name and a password: put them into HTTPS_PROXY, 'http://user:password@host:port'"]
  if (hasCode(root, ...unknownRoot))
    return [
      `if '${host}' is your own, put its root (PEM) in 'caCertificates', LEGO_CA_CERTIFICATES or the machine's own store`,
    ]
  if (hasCode(root, ...wrongTime)) return ["check this machine's clock"]
  const server = whom === undefined ? ", and the option 'server'" : ''
  if (hasCode(root, ...noName)) return [`check this machine's name servers${server}`, ...proxyHint]
  return [`check that '${host}' can be reached from this machine${server}`, ...proxyHint]
}
