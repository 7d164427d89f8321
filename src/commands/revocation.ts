// One certificate revoked at its CA, as `revoke` and `compromise` both want it: which CA, which account, and what is said.
import { X509Certificate } from 'node:crypto'
import type { Revoked } from '../acme/revoke.ts'
import type { RevocationReason } from '../certificate/reason.ts'
import { NixacmeError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { accountWork } from './account-request.ts'
import type { Context } from './context.ts'

export interface Revocation {
  /** PEM, leaf first. */
  readonly chain: string
  readonly key: string | undefined
  /** Of the CA's directory; '': each CA of the job is asked. */
  readonly directoryUrl: string
  readonly reason: RevocationReason
}

/** Seconds: three requests, as a rule. */
const patience = 120

/** `1234abcd`, as CAs name certificates. */
export const serialOf = (certificate: string): string => new X509Certificate(certificate).serialNumber.toLowerCase()

/** Revokes it, and says so. Throws as `revoke` of the network half does; with several CAs, what the last one refused. */
export async function revokeAtCa(job: Job, revocation: Revocation, context: Context): Promise<void> {
  const { directoryUrl } = revocation
  const urls = directoryUrl === '' ? job.servers.map((server) => server.directoryUrl) : [directoryUrl]
  for (const [i, url] of urls.entries()) {
    try {
      say(job, revocation, await request(job, revocation, url, context), context)
      return
    } catch (e) {
      const isRefusal = e instanceof NixacmeError && e.kind === 'refused'
      if (!isRefusal || i + 1 === urls.length) throw e
    }
  }
}

async function request(job: Job, { chain, key, reason }: Revocation, directoryUrl: string, context: Context) {
  const { host } = context
  const server = job.servers.find((one) => one.directoryUrl === directoryUrl)
  const { revoke } = await import('../acme/revoke.ts')
  return revoke({
    directoryUrl,
    plainHttp: job.plainHttp,
    account: server && accountWork(job, server, context),
    certificate: chain,
    keyPem: key,
    reason,
    caCertificates: job.caCertificates,
    env: host.env,
    now: host.now,
    signal: host.interrupted,
    deadlineSeconds: patience,
    userAgent: `nixacme/${host.version}`,
  })
}

function say(job: Job, { chain, reason }: Revocation, { already, signedWith }: Revoked, { log }: Context): void {
  const signer = signedWith === 'account' ? 'the account' : "the certificate's own key"
  const words = already ? 'was revoked before' : `is revoked (${reason}), signed with ${signer}`
  log.about(job.cert).notice(`certificate ${serialOf(chain)} ${words}`)
}
