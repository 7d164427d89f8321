// One account per CA, key type and e-mail (RFC 8555 §7.3): found on disk, or registered once however many runs start
// together. The key is on disk before the CA hears of it, so that whatever is killed when, no account is lost.

import { generateKey } from '../certificate/keys.ts'
import type { KeyType } from '../config/config.ts'
import { NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type AccountFiles, keepOld, readAccount, type StoredAccount, writeAccount, writeKey } from './account-files.ts'
import { nonsense } from './answer.ts'
import type { AcmeClient, Reply } from './client.ts'
import { type AccountObject, type Directory, readAccountObject } from './types.ts'

export interface AccountRequest {
  readonly email: string | null
  readonly keyType: KeyType
  readonly account: AccountFiles
  /** Whether the CA may be asked by plain http. */
  readonly plainHttp: boolean
  /** Runs `work` alone among all processes that share the account. */
  withAccountLock<T>(work: () => Promise<T>): Promise<T>
  readonly log: Log
}

/**
 * Makes the client speak for the account and returns the account's URL. A stored account costs no request; else, under
 * the account's lock, the files are looked at again and the account is registered, or found again at the CA by its key
 * when only `account.json` is missing or damaged. Throws `data` (65) for a damaged key, AcmeProblem when the CA refuses.
 */
export async function openAccount(client: AcmeClient, req: AccountRequest): Promise<string> {
  return (
    useStored(client, readAccount(req.account, req.plainHttp)) ??
    req.withAccountLock(() => register(client, req, undefined))
  )
}

/**
 * For when the CA says that the account at `lost` does not exist: a test CA that starts anew each time, a private CA whose
 * database was reset. There is nothing left at the CA that could be kept, so the same key is registered again; who pinned
 * the old URL (CAA `accounturi`) must hear of it, hence the warning and `account.json.old`.
 */
export async function reopenAccount(client: AcmeClient, req: AccountRequest, lost: string): Promise<string> {
  return req.withAccountLock(() => register(client, req, lost))
}

function useStored(client: AcmeClient, { keyPem, url }: StoredAccount, lost?: string): string | undefined {
  if (keyPem === undefined || url === undefined || url === 'unusable' || url === lost) return undefined
  client.useAccount(keyPem, url)
  return url
}

async function register(client: AcmeClient, req: AccountRequest, lost: string | undefined): Promise<string> {
  const stored = readAccount(req.account, req.plainHttp)
  const already = useStored(client, stored, lost)
  if (already !== undefined) return already
  req.log.progress('registering the account')
  const directory = await client.directory()
  if (directory.externalAccountRequired && stored.keyPem === undefined)
    throw new NixacmeError(
      'refused',
      `the CA at '${client.host}' wants an external account binding, which is not supported yet`,
      {
        hints: ["choose another CA with the option 'server'"],
      },
    )
  const old = stored.url === undefined ? undefined : keepOld(req.account)
  if (old !== undefined) warn(req, stored, lost, old)
  const keyPem = stored.keyPem ?? (await newKey(req))
  client.useAccount(keyPem)
  const { body, url } = await newAccount(client, directory, req.email)
  writeAccount(req.account, req.email, url, body)
  client.useAccount(keyPem, url)
  const terms =
    directory.termsOfService === undefined ? '' : `, agreeing to '${directory.termsOfService.slice(0, 200)}'`
  req.log.notice(`account '${url}' is registered${terms}`)
  return url
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

async function newKey({ account, keyType }: AccountRequest): Promise<string> {
  const pem = await generateKey(keyType)
  writeKey(account, pem)
  return pem
}

/** RFC 8555 §7.3: for a key that the CA knows it returns the account that is there (§7.3.1). */
async function newAccount(client: AcmeClient, { newAccount: endpoint }: Directory, email: string | null) {
  const contact = email === null ? {} : { contact: [`mailto:${email}`] }
  const { body, location }: Reply<AccountObject> = await client.post(endpoint, {
    payload: { termsOfServiceAgreed: true, ...contact },
    refused: 'the registration of an account',
    read: readAccountObject,
  })
  if (location === undefined) throw nonsense(endpoint, 'an account without a Location')
  if (body.status === 'valid') return { body, url: location }
  throw new NixacmeError('refused', `account '${location}' is '${body.status.slice(0, 40)}' at the CA`, {
    hints: ["move the account's folder away to register a new one"],
  })
}
