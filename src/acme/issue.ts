// The network half's front door: one certificate from the CA, or a reason why not. Loaded only when there is work to do.
import { generateKey } from '../certificate/keys.ts'
import { checkSet } from '../certificate/verify.ts'
import { openAccount, reopenAccount } from './account.ts'
import { readAccount } from './account-files.ts'
import type { Solver } from './challenges/solver.ts'
import { webrootSolver } from './challenges/webroot.ts'
import { AcmeClient } from './client.ts'
import { type IssuedChain, placeOrder } from './order.ts'
import { bound } from './pace.ts'
import { isProblem } from './problem.ts'
import type { IssueRequest } from './request.ts'
import { openTransport, type Transport } from './transport.ts'

export interface Issued {
  /** As lego writes keys: SEC1 or PKCS#1. */
  readonly keyPem: string
  /** PEM blocks, leaf first, checked against key and names. */
  readonly chain: readonly string[]
  readonly certUrl: string
  readonly accountUrl: string
}

/**
 * Gets one certificate. A dry run fetches the directory, proves that challenges can be shown and returns undefined: at the
 * CA nothing is made. Nothing is stored but the account's files.
 *
 * Throws AcmeProblem (75, 76, or 69 when the CA itself is at fault), `unavailable` (69) when the CA cannot be reached,
 * answers nonsense or lets the deadline pass, `later` (75) when `signal` is aborted, `refused` (76) when the certificate is
 * not the one asked for, `write` (73) or `permission` (77) for the webroot and the account's files, `data` (65) for a
 * damaged account key, `config` (78) for the server's URL, private roots and proxy.
 */
export async function issue(req: IssueRequest): Promise<Issued | undefined> {
  const host = URL.canParse(req.directoryUrl) ? new URL(req.directoryUrl).host : req.directoryUrl
  const { signal, end } = bound(req.signal, req.deadlineSeconds, `the work with the CA at '${host}'`)
  let transport: Transport | undefined
  try {
    signal.throwIfAborted()
    transport = openTransport(req)
    const { directoryUrl, plainHttp, userAgent } = req
    const client = AcmeClient.open({ directoryUrl, plainHttp, transport, userAgent, now: () => req.now(), signal })
    const solver = solverFor(req)
    solver.prepare()
    return req.dryRun ? await rehearse(client, req) : await perform(client, solver, req)
  } finally {
    end()
    transport?.close()
  }
}

const solverFor = ({ challenge: { webroot }, groupGid, groupName, log }: IssueRequest): Solver =>
  webrootSolver({ webroot, groupGid, groupName, log })

async function rehearse(client: AcmeClient, { account, plainHttp, log }: IssueRequest): Promise<undefined> {
  readAccount(account, plainHttp)
  const { termsOfService } = await client.directory()
  const terms =
    termsOfService === undefined ? 'no terms of service' : `terms of service at '${termsOfService.slice(0, 200)}'`
  log.info(
    `dry run: the CA at '${client.host}' answers (${terms}) and challenges can be shown, stopping before the order`,
  )
}

async function perform(client: AcmeClient, solver: Solver, req: IssueRequest): Promise<Issued> {
  const { names, keyType, log } = req
  const accountUrl = await openAccount(client, req)
  log.info(`ordering a certificate for ${names.map((name) => `'${name}'`).join(', ')} from '${client.host}'`)
  const makeRequest = async () => {
    // Loaded while the CA validates: the X.509 library takes longer than any of our requests.
    const { buildCsr } = await import('../certificate/csr.ts')
    const keyPem = await generateKey(keyType)
    return { keyPem, csr: await buildCsr(keyPem, names) }
  }
  const order = () => placeOrder(client, { names, solver, makeRequest, log })
  const issued = await withKnownAccount(client, req, accountUrl, order)
  checkSet({ key: issued.keyPem, chain: issued.chain }, names, req.now())
  return issued
}

/** Orders; once more after a new registration when the CA does not know the stored account. */
async function withKnownAccount(
  client: AcmeClient,
  req: IssueRequest,
  stored: string,
  order: () => Promise<IssuedChain>,
) {
  try {
    return { ...(await order()), accountUrl: stored }
  } catch (e) {
    if (!isProblem(e, 'accountDoesNotExist')) throw e
    const accountUrl = await reopenAccount(client, req, stored)
    return { ...(await order()), accountUrl }
  }
}
