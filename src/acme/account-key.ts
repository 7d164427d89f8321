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
  newKeyPath,
  readAccount,
  type StoredAccount,
  setNewKeyAside,
  takeNewKey,
  takeUnusedKey,
  unusedKey,
  usableUrl,
  writeNewKey,
} from './account-files.ts'
import { Nonsense } from './answer.ts'
import { type AcmeClient, type Reply, signedByKey } from './client.ts'
import { AcmeProblem, isProblem } from './problem.ts'
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

/** True for a refusal that can mean: this key may not sign, or what it signed does not fit the key that the CA has. */
export const isOfKey = (e: unknown): boolean =>
  ['unauthorized', 'accountDoesNotExist', 'malformed', 'badPublicKey', 'badSignatureAlgorithm'].some((type) =>
    isProblem(e, type),
  )

/** Whether the CA takes what a key signs for the account at `url`. Throws as `AcmeClient.post`. */
async function isTaken(client: AcmeClient, keyPem: string, url: string): Promise<boolean> {
  client.useAccount(keyPem, url)
  try {
    await client.post(url, { refused: `the request for account '${url}'`, read: readAccountObject })
    return true
  } catch (e) {
    if (isOfKey(e)) return false
    throw e
  }
}

/** As `accountOfKey`; of a CA that refuses to look it up (one that wants a binding first, say) the account itself is asked. */
async function isKnown(client: AcmeClient, keyPem: string, url: string | undefined): Promise<boolean> {
  try {
    return (await accountOfKey(client, keyPem)) !== undefined
  } catch (e) {
    if (url === undefined || !isRefusal(e)) throw e
    return isTaken(client, keyPem, url)
  }
}

const isAnswer = (e: unknown): e is AcmeProblem | Nonsense =>
  e instanceof AcmeProblem || (e instanceof Nonsense && e.status !== undefined)

/** Neither silence nor a fault of the CA: asked again it would say the same. */
const isRefusal = (e: unknown): boolean => isAnswer(e) && (e.status ?? 0) < 500

/**
 * Which key the CA has. What it answers to the search by the new one may be no answer to that: then the old one is it as
 * long as the account can be asked for with that, though a change may be made late (`unclear`, and why); else the new one,
 * where that can. Throws as `AcmeClient.post`.
 */
async function findOut(
  client: AcmeClient,
  newKeyPem: string,
  stored: StoredAccount,
): Promise<{ readonly outcome: 'new' | 'old' } | { readonly outcome: 'unclear'; readonly why: string }> {
  try {
    return { outcome: (await accountOfKey(client, newKeyPem)) ? 'new' : 'old' }
  } catch (e) {
    if (!isAnswer(e)) throw e
    const url = usableUrl(stored)
    const unclear = { outcome: 'unclear', why: e.message } as const
    if (url !== undefined && stored.keyPem !== undefined && (await isTaken(client, stored.keyPem, url))) return unclear
    // What is out of order may be asked later.
    if (!isRefusal(e)) throw e
    // Whoever registers anew is told by the CA itself.
    if (url === undefined) return unclear
    if (await isTaken(client, newKeyPem, url)) return { outcome: 'new' }
    throw e
  }
}

/**
 * Ends a key change that was begun: the new key stays where the CA has it, else the old one. Gives which, or undefined
 * where there was nothing to end; `unclear` where the CA refuses to say and takes the old key: it is gone on with, and the
 * new one stays where it is. Throws as `AcmeClient.post`, both keys left as they are.
 */
export async function finishKeyChange(
  client: AcmeClient,
  req: KeyRequest,
): Promise<'new' | 'old' | 'unclear' | undefined> {
  const { account, plainHttp, log } = req
  const stored = readAccount(account, plainHttp)
  const { keyPem, newKeyPem } = stored
  if (newKeyPem === undefined) return undefined
  const found = await findOut(client, newKeyPem, stored)
  if (found.outcome === 'unclear') {
    log.warning(`the change of the account key, begun earlier, cannot be finished, ignoring: ${found.why}`, [
      `the old key stays in use, the new one is kept as '${newKeyPath(account)}': 'nixacme account rollover' tries it again`,
    ])
    return 'unclear'
  }
  if (found.outcome === 'new') {
    takeNewKey(account)
    log.notice('the change of the account key, begun earlier, is finished: the CA has the new key')
    return 'new'
  }
  if (keyPem !== undefined && !(await isKnown(client, keyPem, usableUrl(stored))))
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
export async function takeLateKey(client: AcmeClient, { account, plainHttp, log }: KeyRequest): Promise<boolean> {
  const keyPem = unusedKey(account)
  if (keyPem === undefined) return false
  if (!(await isKnown(client, keyPem, usableUrl(readAccount(account, plainHttp))))) return false
  takeUnusedKey(account)
  log.notice('the CA has made the change of the account key that seemed not to have reached it: the new key is in use')
  return true
}

/**
 * Gives the account at `url` a new key: that of a change which could not be finished, where there is one. The client
 * speaks for it with that afterwards. Throws `refused` (76) where the CA has no key change, AcmeProblem where it refuses
 * this one, else as `AcmeClient.post`; what could not be found out then the next run finds out.
 */
export async function changeKey(
  client: AcmeClient,
  req: KeyRequest,
  { keyPem, url, keyType }: { readonly keyPem: string; readonly url: string; readonly keyType: KeyType },
): Promise<void> {
  const { keyChange } = await client.directory()
  if (keyChange === undefined)
    throw new NixacmeError('refused', `the CA at '${client.host}' has no way to change an account key`)
  const { newKeyPem: kept } = readAccount(req.account, req.plainHttp)
  const newKeyPem = kept ?? (await generateKey(keyType))
  client.useAccount(keyPem, url)
  if (kept === undefined) writeNewKey(req.account, newKeyPem)
  try {
    const payload = signedByKey(newKeyPem, keyChange, { account: url, oldKey: publicJwk(keyPem) })
    await client.tell(keyChange, { payload, refused: `the new key of account '${url}'` })
    takeNewKey(req.account)
  } catch (e) {
    // The change may have been made and its answer lost, also where a repetition was refused: the old key is none then.
    const found = await outcome(client, req)
    // It would be refused each time; should the CA have it all the same, it is found where it is put.
    if (found === 'unclear' && isRefusal(e)) setNewKeyAside(req.account)
    if (found !== 'new') throw e
  }
  client.useAccount(newKeyPem, url)
}

/** What has become of the change, as far as it can be found out now. */
async function outcome(client: AcmeClient, req: KeyRequest): ReturnType<typeof finishKeyChange> {
  try {
    return await finishKeyChange(client, req)
  } catch {
    return undefined
  }
}
