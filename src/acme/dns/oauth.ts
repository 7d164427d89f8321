// Tokens of OAuth 2.0 for interfaces that want them: signed claims (RFC 7523), the token in an answer, and requests that bear
// one and ask for a new one when it has run out.
import { constants, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { NixacmeError } from '../../errors.ts'
import { readTextIfThere } from '../../fs.ts'
import { type Api, type ApiAnswer, ApiRefusal, type ApiRequest } from './api.ts'
import { fieldsOf, textOf } from './json.ts'
import { type Session, SessionOver } from './session.ts'

/** Seconds that signed claims hold: they are sent at once. */
export const claimsLast = 600

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT (RFC 7515, compact) by RSA: RS256, or PS256 with a salt as long as the hash (RFC 7518 sections 3.3 and 3.5). */
export function signedClaims(alg: 'RS256' | 'PS256', header: object, claims: object, key: KeyObject): string {
  const text = `${encoded({ alg, typ: 'JWT', ...header })}.${encoded(claims)}`
  const padding = alg === 'RS256' ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING
  const signature = sign('sha256', Buffer.from(text), {
    key,
    padding,
    ...(alg === 'PS256' && { saltLength: constants.RSA_PSS_SALTLEN_DIGEST }),
  })
  return `${text}.${signature.toString('base64url')}`
}

/** An RSA key in PEM. Throws `config` (78); `where` names what holds it. */
export function rsaKey(pem: string, where: string): KeyObject {
  let key: KeyObject | undefined
  try {
    key = createPrivateKey(pem)
  } catch {
    // OpenSSL's words tell nothing that ours do not.
  }
  if (key?.asymmetricKeyType === 'rsa') return key
  throw new NixacmeError('config', `${where} holds no RSA key without a password`)
}

/** The text of a file that a variable names. Throws `config` (78) where there is none, `data` (65) where it cannot be read. */
export function namedFile(variable: string, path: string): string {
  const text = readTextIfThere(path, [`the variable '${variable}' names it`])
  if (text !== undefined) return text.trim()
  throw new NixacmeError('config', `the file '${path}', which the variable '${variable}' names, is not there`)
}

/** A token in an answer; it is kept out of messages. Throws `unavailable` (69) where there is none. */
export function tokenIn(api: Api, answer: ApiAnswer, field = 'access_token'): string {
  const token = textOf(fieldsOf(answer.json())?.[field])
  if (token === undefined || token === '') throw api.nonsense('an answer without a token')
  return api.hide(token)
}

/** Sends requests that bear the session's token. */
export const bearing =
  (api: Api, session: Session<string>) =>
  (request: ApiRequest): Promise<ApiAnswer> =>
    session.use(async (token) => {
      try {
        return await api.send({ ...request, headers: { ...request.headers, Authorization: `Bearer ${token}` } })
      } catch (e) {
        throw e instanceof ApiRefusal && e.status === 401 ? new SessionOver(e) : e
      }
    })
