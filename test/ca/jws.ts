// The signed envelope of every POST (RFC 8555 section 6.2, RFC 7515), read as strictly as a public CA reads it.
import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { malformed, Problem } from './problem.ts'

/** A public key as JWK: exactly the members that its thumbprint is made of (RFC 7638). */
export type Jwk = Readonly<Record<string, string>>

export interface Jws {
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Buffer
  readonly signedText: string
  readonly signature: Buffer
}

const algorithms: Readonly<Record<string, { hash: string; fits: (key: KeyObject) => boolean }>> = {
  ES256: { hash: 'sha256', fits: (key) => key.asymmetricKeyDetails?.namedCurve === 'prime256v1' },
  ES384: { hash: 'sha384', fits: (key) => key.asymmetricKeyDetails?.namedCurve === 'secp384r1' },
  RS256: { hash: 'sha256', fits: (key) => key.asymmetricKeyType === 'rsa' },
}

const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v)

/** Base64url without padding, nothing else (RFC 8555 section 6.1). Throws `malformed`. */
export function fromBase64url(text: unknown, what: string): Buffer {
  const bytes = typeof text === 'string' && /^[A-Za-z0-9_-]*$/.test(text) ? Buffer.from(text, 'base64url') : undefined
  if (bytes === undefined || bytes.toString('base64url') !== text) throw malformed(`${what} is not unpadded base64url`)
  return bytes
}

/** A JSON object out of `text`. Throws `malformed`. */
export function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed(`${what} is not JSON`)
  }
  if (!isRecord(value)) throw malformed(`${what} is not a JSON object`)
  return value
}

/** Takes the flattened serialization apart; nothing is verified yet. Throws a problem. */
export function parseJws(contentType: string | undefined, body: string): Jws {
  if (contentType !== 'application/jose+json') {
    throw new Problem(415, 'malformed', 'Content-Type must be application/jose+json')
  }
  return readJws(parseObject(body, 'the request'))
}

/** The same of a JWS that is JSON already, as one inside of another. */
export function readJws(value: unknown): Jws {
  const envelope = isRecord(value) ? value : {}
  if (Object.keys(envelope).sort().join() !== 'payload,protected,signature') {
    throw malformed('a JWS has exactly the members protected, payload and signature')
  }
  const header = parseObject(fromBase64url(envelope['protected'], 'the protected header').toString(), 'the header')
  const payload = fromBase64url(envelope['payload'], 'the payload')
  const signature = fromBase64url(envelope['signature'], 'the signature')
  return { header, payload, signedText: `${envelope['protected']}.${envelope['payload']}`, signature }
}

/** What a request claims, for the journal and the nonce: never throws, whatever the body is. */
export function peekJws(body: string): { kid?: string; nonce?: string; payload?: unknown } {
  const jws = orUndefined(() => parseJws('application/jose+json', body))
  if (jws === undefined) return {}
  const { kid, nonce } = jws.header
  const payload = orUndefined((): unknown => JSON.parse(jws.payload.toString()))
  return {
    ...(typeof kid === 'string' && { kid }),
    ...(typeof nonce === 'string' && { nonce }),
    ...(payload !== undefined && { payload }),
  }
}

function orUndefined<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

/** A JWK as it must be: public, of a kind the CA takes, in canonical form. Throws `malformed` or `badPublicKey`. */
export function readJwk(value: unknown): Jwk {
  if (!isRecord(value)) throw malformed('jwk is not an object')
  if ('d' in value) throw malformed('jwk holds a private key')
  const names = value['kty'] === 'EC' ? ['crv', 'kty', 'x', 'y'] : ['e', 'kty', 'n']
  let canonical: JsonWebKey
  try {
    const key = createPublicKey({ key: value as JsonWebKey, format: 'jwk' })
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) {
      throw new Problem(400, 'badPublicKey', 'an RSA key needs 2048 bits')
    }
    canonical = key.export({ format: 'jwk' })
  } catch (e) {
    throw e instanceof Problem ? e : new Problem(400, 'badPublicKey', 'jwk is no usable key')
  }
  return Object.fromEntries(
    names.map((name) => {
      const member = value[name]
      // A coordinate whose leading zero was dropped gives another thumbprint: RFC 7518 section 6.2.1.2 wants full length.
      if (typeof member !== 'string' || member !== canonical[name]) {
        throw new Problem(400, 'badPublicKey', `jwk member ${name} is not in canonical form`)
      }
      return [name, member]
    }),
  )
}

/** RFC 7638; the members of `Jwk` are already in its order. */
export const thumbprintOf = (jwk: Jwk): string => createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')

/** Throws `badSignatureAlgorithm` for an algorithm the CA does not take, `malformed` for a wrong signature. */
export function verifyJws({ header, signedText, signature }: Jws, jwk: Jwk): void {
  const algorithm = typeof header['alg'] === 'string' ? algorithms[header['alg']] : undefined
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  if (algorithm === undefined || !algorithm.fits(key)) {
    const detail = `algorithm ${JSON.stringify(header['alg'])} does not go with this key`
    throw new Problem(400, 'badSignatureAlgorithm', detail, { algorithms: Object.keys(algorithms) })
  }
  if (!verify(algorithm.hash, Buffer.from(signedText), { key, dsaEncoding: 'ieee-p1363' }, signature)) {
    throw malformed('the signature does not fit')
  }
}
