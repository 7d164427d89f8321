// The network half of a revocation (RFC 8555 §7.6): one certificate, signed for by whoever may: the account, or the key of
// the certificate itself.
import { X509Certificate } from 'node:crypto'
import { type RevocationReason, revocationReasons } from '../certificate/reason.ts'
import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import { type AccountAccess, reopenChanged } from './account.ts'
import { readAccount, usableUrl } from './account-files.ts'
import { isOfKey } from './account-key.ts'
import { AcmeClient } from './client.ts'
import { bound } from './pace.ts'
import { isProblem } from './problem.ts'
import { openTransport, type Transport } from './transport.ts'

export interface RevokeRequest {
  readonly directoryUrl: string
  /** Whether the CA may be asked by plain http; it must be on this machine then. */
  readonly plainHttp: boolean
  /** Undefined: nobody knows which account the certificate is of. */
  readonly account: AccountAccess | undefined
  /** PEM, leaf first. */
  readonly certificate: string
  /** PEM of its private key, where that is at hand. */
  readonly keyPem: string | undefined
  readonly reason: RevocationReason
  readonly caCertificates: readonly string[]
  readonly env: Host['env']
  now(): Date
  readonly signal: AbortSignal
  /** Seconds for the whole. */
  readonly deadlineSeconds: number
  readonly userAgent: string
}

export interface Revoked {
  /** It was revoked before: that is what was wanted, too. */
  readonly already: boolean
  readonly signedWith: Signer
}

export type Signer = 'account' | 'certificate'

/**
 * Revokes one certificate. A compromised key is proven by signing with it: CAs then refuse it for ever, whoever brings it.
 * For other reasons the account signs, and the certificate's key only where the account may not or is gone.
 *
 * Throws AcmeProblem (75, 76, or 69), `unavailable` (69) when the CA cannot be reached, answers nonsense or lets the deadline
 * pass, `later` (75) when `signal` is aborted, `refused` (76) when the CA revokes nothing, `data` (65) when neither account
 * nor key is at hand, `config` (78) for the server's URL, private roots and proxy.
 */
export async function revoke(req: RevokeRequest): Promise<Revoked> {
  const { directoryUrl, plainHttp, userAgent } = req
  const { signal, end } = bound(req.signal, req.deadlineSeconds, 'the revocation')
  let transport: Transport | undefined
  try {
    signal.throwIfAborted()
    transport = openTransport(req)
    const client = AcmeClient.open({ directoryUrl, plainHttp, transport, userAgent, now: () => req.now(), signal })
    return await new Revocation(client, req).perform()
  } finally {
    end()
    transport?.close()
  }
}

interface UsableAccount {
  readonly keyPem: string
  readonly url: string
  readonly isChanging: boolean
}

class Revocation {
  readonly #client: AcmeClient
  readonly #req: RevokeRequest

  constructor(client: AcmeClient, req: RevokeRequest) {
    this.#client = client
    this.#req = req
  }

  async perform(): Promise<Revoked> {
    const [first, second] = this.#signers()
    if (!first) throw nobodySigns(this.#req)
    try {
      return await this.#ask(first)
    } catch (e) {
      if (!second || !isOfKey(e)) throw e
      return this.#ask(second)
    }
  }

  /** Who can sign, the best first. */
  #signers(): Signer[] {
    const { keyPem, reason } = this.#req
    const signers: Signer[] = this.#storedAccount() ? ['account'] : []
    if (keyPem === undefined) return signers
    return reason === 'keyCompromise' ? ['certificate', ...signers] : [...signers, 'certificate']
  }

  /** A key that is damaged is no reason not to revoke, as long as the other one is there. */
  #storedAccount(): UsableAccount | undefined {
    const { account, keyPem } = this.#req
    if (account === undefined) return undefined
    try {
      const stored = readAccount(account.account, account.plainHttp)
      const { keyPem, newKeyPem } = stored
      const url = usableUrl(stored)
      if (keyPem === undefined || url === undefined) return undefined
      return { keyPem, url, isChanging: newKeyPem !== undefined }
    } catch (e) {
      if (keyPem === undefined) throw e
      return undefined
    }
  }

  async #ask(signer: Signer): Promise<Revoked> {
    if (signer === 'certificate') return this.#request(signer)
    // A key change that was cut short: the CA may have the other key.
    if (this.#storedAccount()?.isChanging) await this.#hasOtherKey()
    try {
      return await this.#request(signer)
    } catch (e) {
      if (!isOfKey(e) || !(await this.#hasOtherKey())) throw e
      return this.#request(signer)
    }
  }

  async #hasOtherKey(): Promise<boolean> {
    const { account } = this.#req
    const stored = this.#storedAccount()
    if (account === undefined || stored === undefined) return false
    return (await reopenChanged(this.#client, account, stored)) !== undefined
  }

  async #request(signer: Signer): Promise<Revoked> {
    const { revokeCert } = await this.#client.directory()
    if (revokeCert === undefined)
      throw new NixacmeError('refused', `the CA at '${this.#client.host}' offers no revocation over ACME`, {
        hints: ['ask the CA how it revokes certificates'],
      })
    const { certificate, reason, keyPem } = this.#req
    const account = signer === 'account' ? this.#storedAccount() : undefined
    if (account) this.#client.useAccount(account.keyPem, account.url)
    const { raw, serialNumber } = new X509Certificate(certificate)
    const code = reason === 'unspecified' ? {} : { reason: revocationReasons[reason] }
    try {
      await this.#client.tell(revokeCert, {
        payload: { certificate: raw.toString('base64url'), ...code },
        refused: `the revocation of certificate ${serialNumber.toLowerCase()}`,
        keyPem: signer === 'certificate' ? keyPem : undefined,
      })
      return { already: false, signedWith: signer }
    } catch (e) {
      if (!isProblem(e, 'alreadyRevoked')) throw e
      return { already: true, signedWith: signer }
    }
  }
}

function nobodySigns({ account }: RevokeRequest): NixacmeError {
  const place = account === undefined ? '' : ` in '${account.account.dir}'`
  return new NixacmeError(
    'data',
    `nobody can sign the revocation: no account is stored${place}, and no key is at hand`,
    {
      hints: ["restore the account's folder or the certificate's key from a backup"],
    },
  )
}
