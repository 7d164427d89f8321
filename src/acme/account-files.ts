// The account on disk, in lego v4's files: `account.json` with the CA's URL for it, and its key beside it.
import { createPrivateKey } from 'node:crypto'
import { dirname } from 'node:path'
import { messageOf, NixacmeError, writeError } from '../errors.ts'
import { ensureDirs, readTextIfThere, writeAtomically } from '../fs.ts'
import { isSecure } from '../url.ts'
import { type AccountObject, isRecord } from './types.ts'

export interface AccountFiles {
  /** The account's folder. */
  readonly dir: string
  /** `account.json` in it. */
  readonly json: string
  /** The key, in the folder `keys` in it. */
  readonly key: string
}

export interface StoredAccount {
  /** PEM, checked to be a key that can sign. */
  readonly keyPem: string | undefined
  /** `unusable` where the file is there but no account can be read out of it. */
  readonly url: string | 'unusable' | undefined
}

/** Curves that JWS has algorithms for (RFC 7518 §3.1). */
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/**
 * What is stored of the account. Throws `data` (65) for a key that is no key: it may be somebody's only copy, so it is
 * never replaced; `permission` (77) for what may not be read. `plainHttp`: as the CA may be asked.
 */
export const readAccount = (files: AccountFiles, plainHttp: boolean): StoredAccount => ({
  keyPem: readKey(files.key),
  url: readUrl(files, plainHttp),
})

function readKey(path: string): string | undefined {
  const text = readTextIfThere(path)
  if (text === undefined) return undefined
  const hints = ['restore it from a backup, or move it away to register a new account']
  try {
    const key = createPrivateKey(text)
    const curve = key.asymmetricKeyDetails?.namedCurve ?? ''
    if (key.asymmetricKeyType === 'rsa' || (key.asymmetricKeyType === 'ec' && curves.includes(curve))) return text
  } catch (cause) {
    throw new NixacmeError('data', `account key '${path}' cannot be read as a private key: ${messageOf(cause)}`, {
      hints,
    })
  }
  throw new NixacmeError('data', `account key '${path}' is neither an RSA nor a NIST curve key`, { hints })
}

function readUrl({ json }: AccountFiles, plainHttp: boolean): string | undefined {
  const text = readTextIfThere(json)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    const registration = isRecord(value) ? value['registration'] : undefined
    const uri = isRecord(registration) ? registration['uri'] : undefined
    return typeof uri === 'string' && isSecure(uri, plainHttp) ? uri : 'unusable'
  } catch {
    return 'unusable'
  }
}

/** Stores a new key, durable when this returns. Throws `write` (73) or `permission` (77). */
export function writeKey({ key }: AccountFiles, pem: string): void {
  write(key, pem)
}

/** Stores the account as lego writes it. Throws `write` (73) or `permission` (77). */
export function writeAccount({ json }: AccountFiles, email: string | null, url: string, account: AccountObject): void {
  const { status, contact, orders } = account
  const body = { status, ...(contact.length > 0 ? { contact } : {}), ...(orders === undefined ? {} : { orders }) }
  write(json, JSON.stringify({ email: email ?? '', registration: { body, uri: url } }, null, '\t'))
}

/** Keeps a copy of what `account.json` says as `account.json.old`. Returns its path, undefined when there is nothing. */
export function keepOld({ json }: AccountFiles): string | undefined {
  const text = readTextIfThere(json)
  if (text === undefined) return undefined
  write(`${json}.old`, text)
  return `${json}.old`
}

function write(path: string, content: string): void {
  try {
    ensureDirs(dirname(path), { mode: 0o700 })
    writeAtomically(path, content, { mode: 0o600 })
  } catch (e) {
    throw writeError(path, e)
  }
}
