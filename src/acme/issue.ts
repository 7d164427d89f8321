// The network half's front door: one certificate from the CA, or a reason why not. Loaded only when there is work to do.
import { flawOfMustStaple } from '../certificate/must-staple.ts'
import { readLeaf } from '../certificate/read.ts'
import { checkSet } from '../certificate/verify.ts'
import { NixacmeError, type Refusal } from '../errors.ts'
import { chooseProfile, profileWords } from '../job/profile.ts'
import { openAccount, reopenAccount, reopenChanged } from './account.ts'
import { readAccount, usableUrl } from './account-files.ts'
import { preferredChain } from './chains.ts'
import { openSolvers } from './challenges/open.ts'
import type { Solvers } from './challenges/solvers.ts'
import { AcmeClient } from './client.ts'
import { type PreparedKey, prepareKey, refuseAccountKey } from './key-source.ts'
import { obtainCertificate } from './obtain.ts'
import type { IssuedChain } from './order.ts'
import { bound } from './pace.ts'
import type { OrderIdentity } from './pending-order.ts'
import { isProblem } from './problem.ts'
import { askFor, type RenewalReply } from './renewal-info.ts'
import type { IssueRequest } from './request.ts'
import { forgetOrder } from './resume.ts'
import { openTransport, type Transport } from './transport.ts'
import type { Directory } from './types.ts'

export interface Issued {
  /** As lego writes keys: SEC1 or PKCS#1. */
  readonly keyPem: string
  /** PEM blocks, leaf first, checked against key and names. */
  readonly chain: readonly string[]
  readonly certUrl: string
  readonly accountUrl: string
  /** What the CA, asked at once (RFC 9773 §4.3), said of its renewal; undefined where it could not be asked. */
  readonly renewal?: RenewalReply | undefined
  /** To be called when all this is on disk: the order is done with. */
  stored(): void
}

/**
 * Gets one certificate. A dry run fetches the directory, proves that challenges can be shown and returns undefined: at the
 * CA nothing is made. Stored are the account's files and, until `stored()` is called or the CA has refused, the order under
 * way: an order that an earlier run left is taken up.
 *
 * Throws AcmeProblem (75, 76, or 69 when the CA itself is at fault), `unavailable` (69) when the CA cannot be reached,
 * answers nonsense or lets the deadline pass, `later` (75) when `signal` is aborted, `refused` (76) when the certificate is
 * not the one asked for, when the CA offers no profile that will do, and for the account's key as the certificate's;
 * `write` (73) or `permission` (77) for the webroot, the account's files and a request of one's own, `data` (65) for a
 * damaged account key, `config` (78) for the server's URL, private roots, proxy and a request of one's own.
 */
export async function issue(req: IssueRequest): Promise<Issued | undefined> {
  const host = URL.canParse(req.directoryUrl) ? new URL(req.directoryUrl).host : req.directoryUrl
  const { signal, end } = bound(req.signal, req.deadlineSeconds, `the work with the CA at '${host}'`)
  let transport: Transport | undefined
  let solvers: Solvers | undefined
  try {
    signal.throwIfAborted()
    transport = openTransport(req)
    const { directoryUrl, plainHttp, userAgent } = req
    const client = AcmeClient.open({ directoryUrl, plainHttp, transport, userAgent, now: () => req.now(), signal })
    solvers = openSolvers({ ...req, signal, transport })
    try {
      await solvers.prepare()
      const key = await prepareKey(req)
      if (key.keyPem !== undefined) req.refuseKey(key.keyPem)
      if (req.dryRun) return await rehearse(client, solvers, req)
      return await withRenewal(client, await perform(client, solvers, key, req))
    } finally {
      // What an earlier run left, too: its order may need no challenge any more, and this run may come to none.
      if (!req.dryRun) await solvers.cleanUp()
    }
  } finally {
    // Where nothing was ordered, too: a listener would keep the process, and the port.
    await solvers?.close()
    end()
    transport?.close()
  }
}

/** The profile to order. Throws `refused` (76) where the CA offers none that will do. */
export function profileFor({ profiles: offered }: Directory, req: IssueRequest): string | undefined {
  const choice = chooseProfile(req, offered)
  if (choice.kind === 'refuse')
    throw new NixacmeError('refused', choice.reason, {
      hints: ["set 'profile' to one of the CA's, or profilePolicy = \"preferred\" to order without one then"],
    })
  if (choice.reason !== '') req.log.info(profileWords(choice))
  return choice.profile
}

/** Before anything is ordered: a record for a name that is not the CA's proves nothing to it, and costs an order to find out. */
function warnOfIssuers({ challenges, log }: IssueRequest, { caaIdentities }: Directory): void {
  const issuers = new Set(
    challenges.flatMap(({ challenge }) => (challenge.kind === 'dns-persist' ? challenge.issuer : [])),
  )
  const own = caaIdentities.map((one) => `'${one}'`).join(', ')
  for (const issuer of issuers)
    if (own !== '' && !caaIdentities.includes(issuer))
      log.warning(`'dnsPersist' is '${issuer}', and this CA calls itself ${own}: it may take no such record`, [
        "set 'dnsPersist' to the CA's name",
      ])
}

async function rehearse(client: AcmeClient, solvers: Solvers, req: IssueRequest): Promise<undefined> {
  const { account, plainHttp, log } = req
  const url = usableUrl(readAccount(account, plainHttp))
  const directory = await client.directory()
  const { termsOfService } = directory
  profileFor(directory, req)
  warnOfIssuers(req, directory)
  if (url !== undefined) await solvers.verify(url)
  const terms =
    termsOfService === undefined ? 'no terms of service' : `terms of service at '${termsOfService.slice(0, 200)}'`
  log.info(
    `dry run: the CA at '${client.host}' answers (${terms}) and challenges can be shown, stopping before the order`,
  )
}

async function perform(client: AcmeClient, solvers: Solvers, key: PreparedKey, req: IssueRequest): Promise<Issued> {
  const { names, log, diary, replaces, order: file } = req
  // A damaged key is told before the CA is asked for anything.
  readAccount(req.account, req.plainHttp)
  const directory = await client.directory()
  diary.offers(directory)
  const profile = profileFor(directory, req)
  warnOfIssuers(req, directory)
  const accountUrl = await openAccount(client, req)
  const accountKey = readAccount(req.account, req.plainHttp).keyPem
  if (key.keyPem !== undefined && accountKey !== undefined) refuseAccountKey(key.keyPem, accountKey, req.key)
  const notAfter = req.notAfter === null ? undefined : new Date(req.now().getTime() + req.notAfter * 1000)
  const { makeRequest } = key
  const accept = (issued: IssuedChain) => {
    const check = (chain: readonly string[]) => checkIssued(issued.keyPem, chain, req)
    return preferredChain(client, issued, { ...req, check })
  }
  const terms = { names, profile, notAfter, replaces }
  const { plainHttp, key: keySource, present, refuseKey } = req
  const means = {
    file,
    plainHttp,
    keySource,
    present,
    refuseKey,
    solvers,
    makeRequest,
    diary,
    accept,
    log,
    now: () => req.now(),
  }
  let signingKey = accountKey
  const order = (account: string) =>
    obtainCertificate(client, {
      ...terms,
      ...means,
      identity: identityOf(req, account, profile),
      hasOtherKey: async () => {
        const other = await reopenChanged(client, req, { keyPem: signingKey, url: account })
        signingKey = other ?? signingKey
        return other !== undefined
      },
    })
  const issued = await withKnownAccount(client, req, accountUrl, order)
  return { ...issued, stored: () => forgetOrder(file, log) }
}

/** A CA that ignores must-staple, or has no OCSP, gives no other certificate the next time. */
class NoStapling extends NixacmeError {
  override get refusal(): Refusal {
    return { retryAfter: undefined, links: [], unproven: [], isLasting: true }
  }
}

/** Throws `refused` (76) unless the certificate is what was asked for. */
export function checkIssued(key: string, chain: readonly string[], { names, mustStaple, now }: IssueRequest): void {
  checkSet({ key, chain }, names, now())
  const flaw = mustStaple ? flawOfMustStaple(chain[0] ?? '') : undefined
  if (flaw !== undefined)
    throw new NoStapling('refused', `the CA sent something that cannot be used: ${flaw}`, {
      hints: [
        'nothing was stored and the old certificate stays; set ocspMustStaple = false where the CA has no OCSP',
        'nothing more is ordered from this CA before the config changes; --now orders once more',
      ],
    })
}

const identityOf = (req: IssueRequest, accountUrl: string, profile: string | undefined): OrderIdentity => ({
  directoryUrl: req.directoryUrl,
  accountUrl,
  names: req.names,
  profile: profile ?? null,
  notAfter: req.notAfter,
  replaces: req.replaces ?? null,
  keySource: req.key.kind,
})

/** Whatever comes of the question, a signal too: the certificate is there. */
export async function withRenewal(client: AcmeClient, issued: Issued): Promise<Issued> {
  const { renewalId } = readLeaf(issued.chain[0] ?? '').facts
  const renewal = renewalId === undefined ? undefined : await askFor(client, renewalId).catch(() => undefined)
  return { ...issued, renewal }
}

/** Orders; once more after a new registration when the CA does not know the stored account. */
export async function withKnownAccount<T extends object>(
  client: AcmeClient,
  req: IssueRequest,
  stored: string,
  order: (accountUrl: string) => Promise<T>,
): Promise<T & { readonly accountUrl: string }> {
  try {
    return { ...(await order(stored)), accountUrl: stored }
  } catch (e) {
    if (!isProblem(e, 'accountDoesNotExist')) throw e
    const accountUrl = await reopenAccount(client, req, stored)
    return { ...(await order(accountUrl)), accountUrl }
  }
}
