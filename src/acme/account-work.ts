// What is done to an account by hand: looked up at the CA, its contact changed, its key changed, ended, and found again by
// its key (RFC 8555 §7.3.1 to §7.3.6).

import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import { type AccountRequest, reopenChanged, updateContact } from './account.ts'
import { type AccountFiles, keepOld, readAccount, setAccountAside, writeAccount } from './account-files.ts'
import { accountOfKey, changeKey, finishKeyChange, isOfKey, takeLateKey } from './account-key.ts'
import { nonsense } from './answer.ts'
import { AcmeClient } from './client.ts'
import { bound } from './pace.ts'
import { isProblem } from './problem.ts'
import { openTransport, type Transport } from './transport.ts'
import { type AccountObject, readAccountObject } from './types.ts'

export interface AccountWork extends Omit<AccountRequest, 'variables' | 'hasOtherCas' | 'certificateKeys'> {
  readonly directoryUrl: string
  readonly caCertificates: readonly string[]
  readonly env: Host['env']
  now(): Date
  readonly signal: AbortSignal
  readonly userAgent: string
}

/** What the CA says of an account. */
export interface AccountState {
  readonly url: string
  readonly status: string
  readonly contact: readonly string[]
  readonly caaIdentities: readonly string[]
}

/** Seconds for all requests of one piece of work. */
const deadlineSeconds = 120

/**
 * Runs `work` with a client for the CA. Throws what `work` throws, `unavailable` (69) past the deadline, `later` (75) when
 * the signal is aborted, `config` (78) for the server's URL, private roots and proxy.
 */
async function withClient<T>(req: AccountWork, work: (client: AcmeClient) => Promise<T>): Promise<T> {
  const { directoryUrl, plainHttp, userAgent } = req
  const { signal, end } = bound(req.signal, deadlineSeconds, 'the work on the account')
  let transport: Transport | undefined
  try {
    signal.throwIfAborted()
    transport = openTransport(req)
    return await work(AcmeClient.open({ directoryUrl, plainHttp, transport, userAgent, now: () => req.now(), signal }))
  } finally {
    end()
    transport?.close()
  }
}

interface Usable {
  readonly keyPem: string
  readonly url: string
}

/** The stored account. Throws `data` (65) where there is none to work on. */
export function usableAccount({ account, plainHttp }: { account: AccountFiles; plainHttp: boolean }): Usable {
  const { keyPem, url } = readAccount(account, plainHttp)
  if (keyPem !== undefined && url !== undefined && url !== 'unusable') return { keyPem, url }
  const lacks = keyPem === undefined ? `no account key '${account.key}'` : `no account in '${account.json}'`
  throw new NixacmeError('data', `no account is registered here: there is ${lacks}`, {
    hints: [keyPem === undefined ? "'nixacme renew' registers one" : "'nixacme account recover' finds it by its key"],
  })
}

const stateOf = async (client: AcmeClient, url: string, { status, contact }: AccountObject): Promise<AccountState> => {
  const { caaIdentities } = await client.directory()
  return { url, status, contact, caaIdentities }
}

/**
 * Asks the CA for the account; changes nothing, here or there, but for a key change that was cut short, which is finished
 * where it can be. Throws as `AcmeClient.post`.
 */
export const fetchAccount = (req: AccountWork): Promise<AccountState> =>
  withClient(req, async (client) => {
    const stored = usableAccount(req)
    const ask = async () => {
      const { keyPem, url } = usableAccount(req)
      client.useAccount(keyPem, url)
      const { body } = await client.post(url, { refused: `the request for account '${url}'`, read: readAccountObject })
      return stateOf(client, url, body)
    }
    if (readAccount(req.account, req.plainHttp).newKeyPem !== undefined) await reopenChanged(client, req, stored)
    try {
      return await ask()
    } catch (e) {
      if (!isOfKey(e) || (await reopenChanged(client, req, usableAccount(req))) === undefined) throw e
      return ask()
    }
  })

/** Runs `work` on the stored account under its lock, after a key change that was cut short has been finished. */
const onAccount = <T>(req: AccountWork, work: (client: AcmeClient, account: Usable) => Promise<T>): Promise<T> => {
  usableAccount(req)
  return withClient(req, (client) =>
    req.withAccountLock(async () => {
      await finishKeyChange(client, req)
      const account = usableAccount(req)
      client.useAccount(account.keyPem, account.url)
      return work(client, account)
    }),
  )
}

/** Tells the CA the contact of the config. Throws as `AcmeClient.post`. */
export const updateAccount = (req: AccountWork): Promise<AccountState> =>
  onAccount(req, async (client, { url }) => stateOf(client, url, await updateContact(client, req, url)))

/** Gives the account a new key of `keyType` (RFC 8555 §7.3.5). Throws as `changeKey`. */
export const rollOverKey = (req: AccountWork): Promise<void> =>
  onAccount(req, async (client, account) => {
    await changeKey(client, req, { ...account, keyType: req.keyType })
    req.log.notice(`account '${account.url}' has a new key, '${req.account.key}'`)
  })

/**
 * Ends the account for good (RFC 8555 §7.3.6) and moves its files aside; an account that the CA has ended already, or does
 * not know, is success. Throws as `AcmeClient.post`, the files untouched.
 */
export const deactivateAccount = (req: AccountWork): Promise<void> =>
  onAccount(req, async (client, { keyPem, url }) => {
    try {
      const payload = { status: 'deactivated' }
      await client.post(url, { payload, refused: `the deactivation of account '${url}'`, read: readAccountObject })
    } catch (e) {
      if (!(await isEnded(client, keyPem, e))) throw e
      req.log.info(`account '${url}' was not valid any more at the CA`)
    }
    const key = setAccountAside(req.account)
    req.log.notice(`account '${url}' is deactivated, its key is kept as '${key}'`)
  })

/** Whether a refusal means that there is no valid account any more: a run that was killed had it deactivated, say. */
async function isEnded(client: AcmeClient, keyPem: string, refusal: unknown): Promise<boolean> {
  if (isProblem(refusal, 'accountDoesNotExist')) return true
  if (!isProblem(refusal, 'unauthorized')) return false
  try {
    const found = await accountOfKey(client, keyPem)
    return found === undefined || found.body.status !== 'valid'
  } catch (e) {
    // The key itself signs here: what else could be wrong with it than its account (RFC 8555 §7.3.6)?
    return isProblem(e, 'unauthorized')
  }
}

/**
 * Finds the account of the stored key and writes `account.json` anew; what stood there is kept when it was another. Throws
 * `data` (65) without a key, `refused` (76) where the CA knows no account of it, else as `AcmeClient.post`.
 */
export const recoverAccount = (req: AccountWork): Promise<AccountState> => {
  storedKey(req)
  return withClient(req, (client) =>
    req.withAccountLock(async () => {
      await finishKeyChange(client, req)
      const find = () => accountOfKey(client, storedKey(req))
      const found = (await find()) ?? ((await takeLateKey(client, req)) ? await find() : undefined)
      if (found === undefined) throw unknownKey(client.host, req.account)
      const { body, location } = found
      if (location === undefined) throw nonsense(req.directoryUrl, 'an account without a Location')
      return rewrite(client, req, { url: location, body })
    }),
  )
}

async function rewrite(client: AcmeClient, req: AccountWork, { url, body }: { url: string; body: AccountObject }) {
  const { account, plainHttp, log } = req
  const stored = readAccount(account, plainHttp)
  const old = stored.url !== undefined && stored.url !== url ? keepOld(account) : undefined
  const { caaIdentities } = await client.directory()
  // Unless the CA shows another one, which is then told at the next renewal.
  const told = body.contact[0]?.replace(/^mailto:/, '') ?? req.email
  writeAccount(account, { email: told, url, body, caaIdentities })
  log.notice(
    `account '${url}' is written down in '${account.json}'${old === undefined ? '' : `, the old file is '${old}'`}`,
  )
  return stateOf(client, url, body)
}

function storedKey({ account, plainHttp }: AccountWork): string {
  const { keyPem } = readAccount(account, plainHttp)
  if (keyPem !== undefined) return keyPem
  throw new NixacmeError('data', `there is no account key '${account.key}' to find an account by`, {
    hints: ['put the key there from a backup (PEM), owned by the user who does the work, with mode 600'],
  })
}

const unknownKey = (host: string, { key }: AccountFiles): NixacmeError =>
  new NixacmeError('refused', `the CA at '${host}' knows no account of the key '${key}'`, {
    hints: ["'nixacme renew' registers one with this key"],
  })
