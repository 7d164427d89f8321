// Who sends a POST and what (RFC 8555 sections 6.2 to 6.5): everything that is checked before an endpoint sees it.
import { fromBase64url, type Jwk, parseJws, parseObject, readJwk, thumbprintOf, verifyJws } from './jws.ts'
import { malformed, Problem } from './problem.ts'
import type { Account, Store } from './store.ts'

export interface PostRequest {
  readonly url: string
  readonly contentType: string | undefined
  readonly body: string
  /** The nonce was given out by this CA and not used before. */
  readonly nonceIsGood: boolean
}

export interface Signed {
  readonly jwk: Jwk
  readonly thumbprint: string
  /** Undefined for a POST-as-GET. */
  readonly payload: Readonly<Record<string, unknown>> | undefined
}

export interface SignedByAccount extends Signed {
  readonly account: Account
}

/** True for a POST whose key is in it, where both kinds are taken: revokeCert. */
export const isSignedByKey = (request: PostRequest): boolean =>
  'jwk' in parseJws(request.contentType, request.body).header

/** A POST whose key is in it: newAccount. Throws a problem. */
export function signedByKey(request: PostRequest): Signed {
  const { jws, payload } = opened(request)
  if (!('jwk' in jws.header) || 'kid' in jws.header) throw malformed('newAccount wants jwk and no kid')
  const jwk = readJwk(jws.header['jwk'])
  verifyJws(jws, jwk)
  return { jwk, thumbprint: thumbprintOf(jwk), payload }
}

/** A POST by a known and valid account: all others. `accountUrl` gives an account's URL. Throws a problem. */
export function signedByAccount(
  request: PostRequest,
  store: Store,
  accountUrl: (id: number) => string,
): SignedByAccount {
  const { jws, payload } = opened(request)
  const { kid } = jws.header
  if (typeof kid !== 'string' || 'jwk' in jws.header) throw malformed('this resource wants kid and no jwk')
  const account = store.accounts.all.find(({ id }) => accountUrl(id) === kid)
  if (account === undefined) throw new Problem(400, 'accountDoesNotExist', `no account '${kid}'`)
  verifyJws(jws, account.jwk)
  if (account.status !== 'valid') throw new Problem(401, 'unauthorized', `the account is ${account.status}`)
  return { jwk: account.jwk, thumbprint: account.thumbprint, payload, account }
}

function opened(request: PostRequest) {
  const jws = parseJws(request.contentType, request.body)
  const { nonce, url } = jws.header
  if (typeof nonce !== 'string' || nonce === '') throw malformed('the header has no nonce')
  fromBase64url(nonce, 'the nonce')
  if (!request.nonceIsGood) throw new Problem(400, 'badNonce', 'the nonce is unknown or used')
  if (url !== request.url) throw new Problem(401, 'unauthorized', `the header is for ${JSON.stringify(url)}`)
  const payload = jws.payload.length === 0 ? undefined : parseObject(jws.payload.toString(), 'the payload')
  return { jws, payload }
}
