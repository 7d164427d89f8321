// The network half of a revocation (RFC 8555 §7.6): one certificate, signed for by whoever may: the account, or the key of
// the certificate itself.
import { X509Certificate } from 'node:crypto'
import { type RevocationReason, revocationReasons } from '../certificate/reason.ts'
import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import { type AccountFiles, readAccount } from './account-files.ts'
import { AcmeClient } from './client.ts'
import { bound } from './pace.ts'
import { isProblem } from './problem.ts'
import { openTransport, type Transport } from './transport.ts'

export interface RevokeRequest {
  readonly directoryUrl: string
  /** Whether the CA may be asked by plain http; it must be on this machine then. */
  readonly plainHttp: boolean
  /** Undefined: nobody knows which account the certificate is of. */
  readonly account: AccountFiles | undefined
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
      return await this.#request(first)
    } catch (e) {
      if (!second || !mayNotSign(e)) throw e
      return this.#request(second)
    }
  }

  /** Who can sign, the best first. */
  #signers(): Signer[] {
    const { keyPem, reason } = this.#req
    const signers: Signer[] = this.#openAccount() ? ['account'] : []
    if (keyPem === undefined) return signers
    return reason === 'keyCompromise' ? ['certificate', ...signers] : [...signers, 'certificate']
  }

  /** A key that is damaged is no reason not to revoke, as long as the other one is there. */
  #openAccount(): boolean {
    const { account, keyPem, plainHttp } = this.#req
    if (account === undefined) return false
    try {
      const stored = readAccount(account, plainHttp)
      if (stored.keyPem === undefined || stored.url === undefined || stored.url === 'unusable') return false
      this.#client.useAccount(stored.keyPem, stored.url)
      return true
    } catch (e) {
      if (keyPem === undefined) throw e
      return false
    }
  }

  async #request(signer: Signer): Promise<Revoked> {
    const { revokeCert } = await this.#client.directory()
    if (revokeCert === undefined)
      throw new NixacmeError('refused', `the CA at '${this.#client.host}' offers no revocation over ACME`, {
        hints: ['ask the CA how it revokes certificates'],
      })
    const { certificate, reason, keyPem } = this.#req
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

/** The CA does not take this signer's word: perhaps the other one's. */
const mayNotSign = (e: unknown): boolean =>
  ['unauthorized', 'accountDoesNotExist', 'badPublicKey', 'badSignatureAlgorithm'].some((type) => isProblem(e, type))

function nobodySigns({ account }: RevokeRequest): NixacmeError {
  const place = account === undefined ? '' : ` in '${account.dir}'`
  return new NixacmeError(
    'data',
    `nobody can sign the revocation: no account is stored${place}, and no key is at hand`,
    {
      hints: ["restore the account's folder or the certificate's key from a backup"],
    },
  )
}
