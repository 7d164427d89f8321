// The proof that a registration comes from somebody whom the CA knows already (external account binding, RFC 8555 §7.3.4):
// key id and HMAC key come from the CA's web site, under the names that lego has for them.
import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { NixacmeError } from '../errors.ts'

const kidName = 'LEGO_EAB_KID'
const hmacName = 'LEGO_EAB_HMAC'

export interface BindingCredentials {
  readonly kid: string
  readonly hmac: Buffer
}

/** A JWS in flattened JSON serialisation (RFC 7515 §7.2.2). */
interface Jws {
  readonly protected: string
  readonly payload: string
  readonly signature: string
}

/**
 * The credentials, or undefined where neither part is set. Throws `config` (78) for one part without the other, for a key
 * that is not base64url, and whatever `variables` throws; what the variables hold is in no message.
 */
export function bindingCredentials(variables: (name: string) => string | undefined): BindingCredentials | undefined {
  const kid = variables(kidName)
  const hmac = variables(hmacName)
  if (kid === undefined && hmac === undefined) return undefined
  if (kid === undefined || hmac === undefined) throw lacking([kid === undefined ? kidName : hmacName], 'is not set')
  // RFC 7515 §2 without padding; CAs are seen to show it with.
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(hmac) || hmac.replace(/=+$/, '').length % 4 === 1)
    throw lacking([hmacName], 'is no base64url text')
  return { kid, hmac: Buffer.from(hmac, 'base64url') }
}

/** What one CA wants another may not. */
class BindingMissing extends NixacmeError {
  override get problem(): string {
    return 'externalAccountRequired'
  }
}

/** The CA wants a binding and there are no credentials: `config` (78). */
export const bindingMissing = (host: string, cause?: unknown): NixacmeError => {
  const { hints } = lacking([kidName, hmacName], '')
  return new BindingMissing('config', `the CA at '${host}' registers only accounts with an external account binding`, {
    hints,
    cause,
  })
}

function lacking(names: readonly string[], what: string): NixacmeError {
  return new NixacmeError('config', `external account binding: ${names.join(' and ')} ${what}`, {
    hints: [
      `put ${kidName} and ${hmacName}, which the CA gives out, into the file of 'environmentFile',`,
      `or each into a file of its own that 'credentialFiles' names as ${kidName}_FILE and ${hmacName}_FILE`,
    ],
  })
}

/** The member `externalAccountBinding` of a newAccount at `url` by this key. */
export function bindingOf({ kid, hmac }: BindingCredentials, url: string, keyPem: string): Jws {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = encode({ alg: 'HS256', kid, url })
  const payload = encode(publicJwk(keyPem))
  const signature = createHmac('sha256', hmac).update(`${header}.${payload}`).digest('base64url')
  return { protected: header, payload, signature }
}

/** The public half of a key as JWK (RFC 7517). */
export const publicJwk = (keyPem: string): JsonWebKey => createPublicKey(keyPem).export({ format: 'jwk' })
