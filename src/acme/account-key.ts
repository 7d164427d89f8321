// A new key for an account (RFC 8555 §7.3.5), so that whatever is killed when, the key that the CA has is on disk: the new
// one is written down before the CA hears of it, and takes the old one's place when the CA has confirmed. Who finds both
// asks the CA which it has. All of this needs the account's lock.
import { generateKey } from '../certificate/keys.ts'
import type { KeyType } from '../config/config.ts'
import { NixacmeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { publicJwk } from './account-binding.ts'
import {
  type AccountFiles,
  readAccount,
  setNewKeyAside,
  takeNewKey,
  takeUnusedKey,
  unusedKey,
  writeNewKey,
} from './account-files.ts'
import { type AcmeClient, type Reply, signedByKey } from './client.ts'
import { isProblem } from './problem.ts'
import { type AccountObject, readAccountObject } from './types.ts'

export interface KeyRequest {
  readonly account: AccountFiles
  readonly plainHttp: boolean
  readonly log: Log
}

/**
 * The account that a key belongs to (RFC 8555 §7.3.1), or undefined where the CA knows none. The client speaks for that
 * key, without account, afterwards. Throws AcmeProblem, `unauthorized` for an account that is not valid any more.
 */
export async function accountOfKey(client: AcmeClient, keyPem: string): Promise<Reply<AccountObject> | undefined> {
  const { newAccount } = await client.directory()
  client.useAccount(keyPem)
  try {
    return await client.post(newAccount, {
      payload: { onlyReturnExisting: true },
      refused: 'the search for the account of a key',
      read: readAccountObject,
    })
  } catch (e) {
    if (isProblem(e, 'accountDoesNotExist')) return undefined
    throw e
  }
}

/**
 * Ends a key change that was begun: the new key stays where the CA has it, else the old one. Gives which, or undefined
 * where there was nothing to end. Throws as `AcmeClient.post`, both keys left as they are.
 */
export async function finishKeyChange(client: AcmeClient, req: KeyRequest): Promise<'new' | 'old' | undefined> {
  const { account, plainHttp, log } = req
  const { keyPem, newKeyPem } = readAccount(account, plainHttp)
  if (newKeyPem === undefined) return undefined
  if (await accountOfKey(client, newKeyPem)) {
    takeNewKey(account)
    log.notice('the change of the account key, begun earlier, is finished: the CA has the new key')
    return 'new'
  }
  if (keyPem !== undefined && (await accountOfKey(client, keyPem)) === undefined)
    log.warning('the CA knows neither the account key nor the one that was to replace it, going on with the old one')
  const aside = setNewKeyAside(account)
  log.info(`the change of the account key, begun earlier, did not reach the CA: the new key is kept as '${aside}'`)
  return 'old'
}

/**
 * For when the CA does not take the account's key: it may have made a change only after it was asked what had become of
 * it, so that its key was set aside. True when that is in use now. The client speaks for another key or none afterwards.
 * Throws as `AcmeClient.post`, the keys left as they are.
 */
export async function takeLateKey(client: AcmeClient, { account, log }: KeyRequest): Promise<boolean> {
  const keyPem = unusedKey(account)
  if (keyPem === undefined || (await accountOfKey(client, keyPem)) === undefined) return false
  takeUnusedKey(account)
  log.notice('the CA has made the change of the account key that seemed not to have reached it: the new key is in use')
  return true
}

/**
 * Gives the account at `url` a new key. The client speaks for it with that afterwards. Throws `refused` (76) where the CA
 * has no key change, AcmeProblem where it refuses this one, else as `AcmeClient.post`; what could not be found out then
 * the next run finds out.
 */
export async function changeKey(
  client: AcmeClient,
  req: KeyRequest,
  { keyPem, url, keyType }: { readonly keyPem: string; readonly url: string; readonly keyType: KeyType },
): Promise<void> {
  const { keyChange } = await client.directory()
  if (keyChange === undefined)
    throw new NixacmeError('refused', `the CA at '${client.host}' has no way to change an account key`)
  const newKeyPem = await generateKey(keyType)
  client.useAccount(keyPem, url)
  writeNewKey(req.account, newKeyPem)
  try {
    const payload = signedByKey(newKeyPem, keyChange, { account: url, oldKey: publicJwk(keyPem) })
    await client.tell(keyChange, { payload, refused: `the new key of account '${url}'` })
    takeNewKey(req.account)
  } catch (e) {
    // The change may have been made and its answer lost, also where a repetition was refused: the old key is none then.
    if ((await outcome(client, req)) !== 'new') throw e
  }
  client.useAccount(newKeyPem, url)
}

/** What has become of the change, as far as it can be found out now. */
async function outcome(client: AcmeClient, req: KeyRequest): Promise<'new' | 'old' | undefined> {
  try {
    return await finishKeyChange(client, req)
  } catch {
    return undefined
  }
}
