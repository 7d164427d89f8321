// One account per CA, key type and e-mail (RFC 8555 §7.3): found on disk, or registered once however many runs start
// together. The key is on disk before the CA hears of it, so that whatever is killed when, no account is lost.

import { generateKey } from '../certificate/keys.ts'
import type { KeyType } from '../config/config.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'
import {
  type BindingCa,
  type BindingCredentials,
  bindingCredentials,
  bindingMissing,
  bindingOf,
} from './account-binding.ts'
import {
  type AccountFiles,
  isSameKey,
  keepOld,
  readAccount,
  removeUnfinished,
  type StoredAccount,
  unusedKey,
  writeAccount,
  writeKey,
} from './account-files.ts'
import { finishKeyChange, takeLateKey } from './account-key.ts'
import { nonsense } from './answer.ts'
import type { AcmeClient, Reply } from './client.ts'
import { isProblem } from './problem.ts'
import { type AccountObject, type Directory, readAccountObject } from './types.ts'

export interface AccountRequest {
  readonly email: string | null
  readonly keyType: KeyType
  readonly account: AccountFiles
  /** Whether the CA may be asked by plain http. */
  readonly plainHttp: boolean
  /** Credentials by name; throws where they cannot be read. */
  readonly variables: (name: string) => string | undefined
  /** Credentials may be for another CA. */
  readonly hasOtherCas: boolean
  /** Paths of keys that must not be the account's. */
  readonly certificateKeys: readonly string[]
  /** Runs `work` alone among all processes that share the account. */
  withAccountLock<T>(work: () => Promise<T>): Promise<T>
  readonly log: Log
}

/** What it takes to use an account that is there. */
export type AccountAccess = Pick<AccountRequest, 'account' | 'plainHttp' | 'withAccountLock' | 'log'>

/**
 * Makes the client speak for the account and returns the account's URL. A stored account costs no request; else, under
 * the account's lock, the files are looked at again and the account is registered, or found again at the CA by its key
 * when only `account.json` is missing or damaged; a key change that was cut short is finished, and a changed contact told.
 * Throws `data` (65) for a damaged key, `config` (78) where credentials are missing, AcmeProblem when the CA refuses.
 */
export async function openAccount(client: AcmeClient, req: AccountRequest): Promise<string> {
  const stored = readAccount(req.account, req.plainHttp)
  const isSettled = stored.newKeyPem === undefined && !hasNewContact(stored, req)
  return (isSettled ? useStored(client, stored) : undefined) ?? req.withAccountLock(() => settle(client, req))
}

/**
 * For when the CA says that the account at `lost` does not exist: a test CA that starts anew each time, a private CA whose
 * database was reset. There is nothing left at the CA that could be kept, so the same key is registered again; who pinned
 * the old URL (CAA `accounturi`) must hear of it, hence the warning and `account.json.old`.
 */
export async function reopenAccount(client: AcmeClient, req: AccountRequest, lost: string): Promise<string> {
  return req.withAccountLock(() => register(client, req, lost))
}

/**
 * For when the CA refuses a request that was signed with `keyPem`: another run may have changed the account's key
 * meanwhile, or the CA a change late. Gives the other key when the client speaks for the account at `url` with that one
 * now. What cannot be found out is the next run's to find out.
 */
export async function reopenChanged(
  client: AcmeClient,
  req: AccountAccess,
  { keyPem, url }: { readonly keyPem: string | undefined; readonly url: string },
): Promise<string | undefined> {
  const look = () => readAccount(req.account, req.plainHttp)
  const isOther = (stored: StoredAccount) => stored.keyPem !== keyPem && stored.url === url
  try {
    const stored = look()
    if (!isOther(stored) && stored.newKeyPem === undefined && unusedKey(req.account) === undefined) return undefined
    return await req.withAccountLock(async () => {
      await finishKeyChange(client, req)
      if (!isOther(look())) await takeLateKey(client, req)
      const settled = look()
      useStored(client, settled)
      return isOther(settled) ? settled.keyPem : undefined
    })
  } catch {
    return undefined
  }
}

/** The value that a CAA record must have to let only this account of this CA get certificates (RFC 8657 §3). */
export const caaValue = (identity: string, accountUrl: string): string =>
  `0 issue "${identity}; accounturi=${accountUrl}"`

/** A file that does not tell what the CA was told, or was written by hand, is no reason to ask. */
const hasNewContact = ({ email }: StoredAccount, req: Pick<AccountRequest, 'email'>): boolean =>
  email !== undefined && email !== req.email

function useStored(client: AcmeClient, { keyPem, url }: StoredAccount, lost?: string): string | undefined {
  if (keyPem === undefined || url === undefined || url === 'unusable' || url === lost) return undefined
  client.useAccount(keyPem, url)
  return url
}

async function settle(client: AcmeClient, req: AccountRequest): Promise<string> {
  await finishKeyChange(client, req)
  const stored = readAccount(req.account, req.plainHttp)
  const url = useStored(client, stored)
  if (url === undefined) return register(client, req, undefined)
  if (hasNewContact(stored, req)) await tryContact(client, req, url)
  return url
}

/** A certificate is worth more than a contact. */
async function tryContact(client: AcmeClient, req: AccountRequest, url: string): Promise<void> {
  try {
    await updateContact(client, req, url)
  } catch (e) {
    client.signal.throwIfAborted()
    req.log.warning(`the contact of account '${url}' could not be changed, ignoring: ${messageOf(e)}`)
  }
}

/**
 * Tells the CA the contact of the config (RFC 8555 §7.3.2) and writes the account down anew. The client speaks for it.
 * Throws as `AcmeClient.post`, or `write` (73).
 */
export async function updateContact(
  client: AcmeClient,
  { account, email, log }: Pick<AccountRequest, 'account' | 'email' | 'log'>,
  url: string,
): Promise<AccountObject> {
  const { caaIdentities } = await client.directory()
  const { body } = await client.post(url, {
    payload: { contact: contactOf(email) },
    refused: `the contact of account '${url}'`,
    read: readAccountObject,
  })
  writeAccount(account, { email, url, body, caaIdentities })
  log.notice(`account '${url}' has ${email === null ? 'no contact' : `the contact '${email}'`} now`)
  return body
}

const contactOf = (email: string | null): readonly string[] => (email === null ? [] : [`mailto:${email}`])

async function register(client: AcmeClient, req: AccountRequest, lost: string | undefined): Promise<string> {
  const stored = readAccount(req.account, req.plainHttp)
  const already = useStored(client, stored, lost)
  if (already !== undefined) return already
  removeUnfinished(req.account)
  req.log.progress('registering the account')
  if (stored.keyPem !== undefined) refuseCertificateKey(stored.keyPem, req)
  const directory = await client.directory()
  const ca = { host: client.host, hasOtherCas: req.hasOtherCas, isRequired: directory.externalAccountRequired }
  const credentials = credentialsFor(ca, req)
  if (ca.isRequired && !credentials && stored.keyPem === undefined) throw bindingMissing(ca)
  const old = stored.url === undefined ? undefined : keepOld(req.account)
  if (old !== undefined) warn(req, stored, lost, old)
  const keyPem = stored.keyPem ?? (await newKey(req))
  client.useAccount(keyPem)
  const { body, url } = await newAccount(client, directory, { email: req.email, keyPem, credentials, ca })
  const { caaIdentities } = directory
  writeAccount(req.account, { email: req.email, url, body, caaIdentities })
  client.useAccount(keyPem, url)
  say(req, directory, url)
  // An account that was there already: its contact is what it was told then (§7.3.1).
  if (stored.keyPem !== undefined && isOtherContact(body, req.email)) await tryContact(client, req, url)
  return url
}

/** CAs that keep no contacts show none. */
const isOtherContact = ({ contact }: AccountObject, email: string | null): boolean =>
  contact.length > 0 && contact.join().toLowerCase() !== contactOf(email).join().toLowerCase()

/** Let's Encrypt and others refuse such a pair, but only when the order is paid for. */
function refuseCertificateKey(keyPem: string, { account, certificateKeys }: AccountRequest): void {
  const path = certificateKeys.find((one) => isSameKey(one, keyPem))
  if (path === undefined) return
  throw new NixacmeError('data', `account key '${account.key}' is the key of a certificate, too: '${path}'`, {
    hints: ["CAs refuse that: move the account's key away to register an account with a new one"],
  })
}

/** Credentials that cannot be read stop only a registration that needs them. */
function credentialsFor(ca: BindingCa, { variables, log }: AccountRequest): BindingCredentials | undefined {
  try {
    return bindingCredentials(variables, ca)
  } catch (e) {
    if (ca.isRequired || !(e instanceof NixacmeError)) throw e
    log.warning(`${e.message}, ignoring: this CA needs none`, e.hints)
    return undefined
  }
}

function warn({ account, log }: AccountRequest, { keyPem, url }: StoredAccount, lost: string | undefined, old: string) {
  const why =
    lost !== undefined
      ? `the CA does not know account '${lost}' any more`
      : keyPem === undefined
        ? `the key of account '${url}' is gone from '${account.key}'`
        : `'${account.json}' holds no account`
  log.warning(`${why}, registering again`, [
    `the old file is kept as '${old}'; a CAA record with 'accounturi' may need the new account's URL`,
  ])
}

function say({ log }: AccountRequest, { termsOfService, caaIdentities: [identity] }: Directory, url: string): void {
  const terms = termsOfService === undefined ? '' : `, agreeing to '${termsOfService.slice(0, 200)}'`
  log.notice(`account '${url}' is registered${terms}`)
  if (identity !== undefined)
    log.info(`CAA record that lets only this account get certificates: ${caaValue(identity, url)}`)
}

async function newKey({ account, keyType }: AccountRequest): Promise<string> {
  const pem = await generateKey(keyType)
  writeKey(account, pem)
  return pem
}

interface NewAccount {
  readonly email: string | null
  readonly keyPem: string
  readonly credentials: BindingCredentials | undefined
  readonly ca: BindingCa
}

/** RFC 8555 §7.3: for a key that the CA knows it returns the account that is there (§7.3.1). */
async function newAccount(client: AcmeClient, { newAccount: endpoint }: Directory, wanted: NewAccount) {
  const { email, keyPem, credentials, ca } = wanted
  const contact = email === null ? {} : { contact: contactOf(email) }
  const binding = credentials && { externalAccountBinding: bindingOf(credentials, endpoint, keyPem) }
  let reply: Reply<AccountObject>
  try {
    reply = await client.post(endpoint, {
      payload: { termsOfServiceAgreed: true, ...contact, ...binding },
      refused: `the registration of an account${credentials ? ' with an external account binding' : ''}`,
      read: readAccountObject,
    })
  } catch (e) {
    throw !credentials && isProblem(e, 'externalAccountRequired') ? bindingMissing(ca, e) : e
  }
  const { body, location } = reply
  if (location === undefined) throw nonsense(endpoint, 'an account without a Location')
  if (body.status === 'valid') return { body, url: location }
  throw new NixacmeError('refused', `account '${location}' is '${body.status.slice(0, 40)}' at the CA`, {
    hints: ["move the account's folder away to register a new one"],
  })
}
