// The proof that a registration comes from somebody whom the CA knows already (external account binding, RFC 8555 §7.3.4):
// key id and HMAC key come from the CA's web site, under the names that lego has for them.
import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { NixacmeError } from '../errors.ts'

/** Names of the variables that hold the two parts. */
interface Names {
  readonly kid: string
  readonly hmac: string
}

/** lego's. */
const plainNames: Names = { kid: 'LEGO_EAB_KID', hmac: 'LEGO_EAB_HMAC' }

/** Those for one CA, by its host, and its port where the URL names one: `LEGO_EAB_KID_CA_EXAMPLE_8443`. */
function namesFor(host: string): Names {
  const suffix = host.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return { kid: `${plainNames.kid}_${suffix}`, hmac: `${plainNames.hmac}_${suffix}` }
}

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

/** The CA that the credentials are for. */
export interface BindingCa {
  /** Host, and port where the URL names one. */
  readonly host: string
  /** Whose credentials those that name no CA are may be unclear: only one that asks for a binding gets them. */
  readonly hasOtherCas: boolean
  /** As its directory says. */
  readonly isRequired: boolean
}

/**
 * The credentials for a CA: those of its own variables, else the plain ones where they may be meant; undefined where neither
 * part is set. Throws `config` (78) for one part without the other, for a key that is not base64url, and whatever
 * `variables` throws; what the variables hold is in no message.
 */
export function bindingCredentials(
  variables: (name: string) => string | undefined,
  { host, hasOtherCas, isRequired }: BindingCa,
): BindingCredentials | undefined {
  const own = credentialsIn(variables, namesFor(host))
  return own ?? (isRequired || !hasOtherCas ? credentialsIn(variables, plainNames) : undefined)
}

function credentialsIn(variables: (name: string) => string | undefined, names: Names): BindingCredentials | undefined {
  const kid = variables(names.kid)
  const hmac = variables(names.hmac)
  if (kid === undefined && hmac === undefined) return undefined
  if (kid === undefined || hmac === undefined) throw lacking(names, kid === undefined ? 'kid' : 'hmac', 'is not set')
  // RFC 7515 §2 without padding; CAs are seen to show it with.
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(hmac) || hmac.replace(/=+$/, '').length % 4 === 1)
    throw lacking(names, 'hmac', 'is no base64url text')
  return { kid, hmac: Buffer.from(hmac, 'base64url') }
}

/** What one CA wants another may not. */
class BindingMissing extends NixacmeError {
  override get problem(): string {
    return 'externalAccountRequired'
  }
}

/** The CA wants a binding and there are no credentials: `config` (78). */
export const bindingMissing = ({ host, hasOtherCas }: Omit<BindingCa, 'isRequired'>, cause?: unknown): NixacmeError =>
  new BindingMissing('config', `the CA at '${host}' registers only accounts with an external account binding`, {
    hints: hintsOf(hasOtherCas ? namesFor(host) : plainNames),
    cause,
  })

const lacking = (names: Names, part: keyof Names, what: string): NixacmeError =>
  new NixacmeError('config', `external account binding: ${names[part]} ${what}`, { hints: hintsOf(names) })

const hintsOf = ({ kid, hmac }: Names): readonly string[] => [
  `put ${kid} and ${hmac}, which the CA gives out, into the file of 'environmentFile',`,
  `or each into a file of its own that 'credentialFiles' names as ${kid}_FILE and ${hmac}_FILE`,
]

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
