// The account on disk, in lego v4's files: `account.json` with the CA's URL for it, and its key beside it. Beside the key
// stands for a moment the one that is to replace it (account-key.ts). No key is ever deleted.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { existsSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf, NixacmeError, writeError } from '../errors.ts'
import { ensureDirs, readIfThere, readTextIfThere, removeTemporaries, syncDir, writeAtomically } from '../fs.ts'
import { isSecure } from '../url.ts'
import { type AccountObject, isRecord, readCaaIdentities } from './types.ts'

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
  /** PEM: a key that a change was begun to, and not finished. */
  readonly newKeyPem: string | undefined
  /** `unusable` where the file is there but no account can be read out of it. */
  readonly url: string | 'unusable' | undefined
  /** The contact that the CA was told; undefined where the file does not say. */
  readonly email: string | null | undefined
  /** As the CA's directory had them when `account.json` was written. */
  readonly caaIdentities: readonly string[]
}

/** lego's name for an account without e-mail; some versions write it down as if it were one. */
const placeholder = 'noemail@example.com'
/** Curves that JWS has algorithms for (RFC 7518 §3.1). */
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/** The stored URL, where it can be used. */
export const usableUrl = ({ url }: Pick<StoredAccount, 'url'>): string | undefined =>
  url === 'unusable' ? undefined : url

/** The key that a change is under way to. */
export const newKeyPath = ({ key }: AccountFiles): string => `${key}.new`

/** The key of a change that did not reach the CA, as far as it could be found out then. */
const unusedKeyPath = ({ key }: AccountFiles): string => `${key}.unused`

/**
 * What is stored of the account. Throws `data` (65) for a key that is no key: it may be somebody's only copy, so it is
 * never replaced; `permission` (77) for what may not be read. `plainHttp`: as the CA may be asked.
 */
export function readAccount(files: AccountFiles, plainHttp: boolean): StoredAccount {
  return { keyPem: readKey(files.key), newKeyPem: readKey(newKeyPath(files)), ...readJson(files, plainHttp) }
}

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

/** The key that was set aside last, PEM; undefined where there is none that can be used. */
export function unusedKey(files: AccountFiles): string | undefined {
  try {
    return readKey(unusedKeyPath(files))
  } catch {
    return undefined
  }
}

function readJson({ json }: AccountFiles, plainHttp: boolean): Omit<StoredAccount, 'keyPem' | 'newKeyPem'> {
  const nothing = { url: undefined, email: undefined, caaIdentities: [] }
  const text = readTextIfThere(json)
  if (text === undefined) return nothing
  try {
    const value: unknown = JSON.parse(text)
    const { registration, email, caaIdentities } = isRecord(value) ? value : {}
    const uri = isRecord(registration) ? registration['uri'] : undefined
    return {
      url: typeof uri === 'string' && isSecure(uri, plainHttp) ? uri : 'unusable',
      email: typeof email === 'string' ? (email === placeholder ? null : email || null) : undefined,
      caaIdentities: readCaaIdentities(caaIdentities),
    }
  } catch {
    return { ...nothing, url: 'unusable' }
  }
}

/** True when the file at `path` holds the same key as `keyPem`, whatever form either has; false when it holds none. */
export function isSameKey(path: string, keyPem: string): boolean {
  const publicPart = (pem: string | Buffer) => createPublicKey(pem).export({ type: 'spki', format: 'der' })
  try {
    const there = readIfThere(path)
    return there !== undefined && publicPart(there).equals(publicPart(keyPem))
  } catch {
    return false
  }
}

/** Removes what killed runs have not finished. Needs the account's lock. Throws `write` (73) or `permission` (77). */
export function removeUnfinished({ dir, key }: AccountFiles): void {
  for (const folder of [dir, dirname(key)]) {
    try {
      removeTemporaries(folder)
    } catch (e) {
      throw writeError(folder, e)
    }
  }
}

/** Stores a new key, durable when this returns. Throws `write` (73) or `permission` (77). */
export function writeKey({ key }: AccountFiles, pem: string): void {
  write(key, pem)
}

/** Stores the key that a change is about to be asked for. Throws as `writeKey`. */
export function writeNewKey(files: AccountFiles, pem: string): void {
  write(newKeyPath(files), pem)
}

/** The CA has the new key: it takes the old one's place, in one step. Throws as `writeKey`. */
export const takeNewKey = (files: AccountFiles): void => move(newKeyPath(files), files.key)

/** The CA has the old key: the new one goes aside, where the next of its kind replaces it. Throws as `writeKey`. */
export function setNewKeyAside(files: AccountFiles): string {
  const to = unusedKeyPath(files)
  move(newKeyPath(files), to)
  return to
}

/** The CA has the key that was set aside: it takes the old one's place after all. Throws as `writeKey`. */
export const takeUnusedKey = (files: AccountFiles): void => move(unusedKeyPath(files), files.key)

/**
 * Moves the files of an account that is no more to `*.deactivated`. The key first: a run that finds no key registers anew,
 * while one that finds no `account.json` would try the old key. Gives the key's new path. Throws as `writeKey`.
 */
export function setAccountAside({ key, json }: AccountFiles): string {
  const [keyAside, jsonAside] = [unusedName(`${key}.deactivated`), unusedName(`${json}.deactivated`)]
  if (existsSync(key)) move(key, keyAside)
  if (existsSync(json)) move(json, jsonAside)
  return keyAside
}

function unusedName(stem: string): string {
  for (let n = 1; ; n++) {
    const path = n === 1 ? stem : `${stem}.${n}`
    if (!existsSync(path)) return path
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to)
    syncDir(dirname(to))
  } catch (e) {
    throw writeError(to, e)
  }
}

export interface AccountFacts {
  /** What the CA was told. */
  readonly email: string | null
  readonly url: string
  readonly body: AccountObject
  readonly caaIdentities: readonly string[]
}

/**
 * Stores the account as lego writes it, with `caaIdentities` besides, which lego passes over. Throws `write` (73) or
 * `permission` (77).
 */
export function writeAccount({ json }: AccountFiles, { email, url, body, caaIdentities }: AccountFacts): void {
  const { status, contact, orders } = body
  const written = { status, ...(contact.length > 0 ? { contact } : {}), ...(orders === undefined ? {} : { orders }) }
  const registration = { body: written, uri: url }
  const ours = caaIdentities.length > 0 ? { caaIdentities } : {}
  write(json, JSON.stringify({ email: email ?? '', registration, ...ours }, null, '\t'))
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
