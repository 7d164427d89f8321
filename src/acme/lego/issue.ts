// `engine = "lego"`: the installed lego orders, proves the names and fetches the certificate. Everything else stays ours:
// the account, which it finds registered, what is remembered of failures, the check of what it brought, the storing.
import type { LegoFlags } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import { findLego } from '../../job/lego.ts'
import type { Secrets } from '../../job/variables.ts'
import { runProgram } from '../../process.ts'
import { openAccount } from '../account.ts'
import { readAccount } from '../account-files.ts'
import { openSolvers } from '../challenges/open.ts'
import type { Solvers } from '../challenges/solvers.ts'
import { AcmeClient } from '../client.ts'
import { checkIssued, type Issued, profileFor, withKnownAccount, withRenewal } from '../issue.ts'
import { prepareKey, refuseAccountKey } from '../key-source.ts'
import { bound } from '../pace.ts'
import { isProblem } from '../problem.ts'
import type { IssueRequest } from '../request.ts'
import { openTransport, type Transport } from '../transport.ts'
import { type LegoOrder, legoArguments, migrationArguments } from './arguments.ts'
import { bareEnvironment, type Outfit, outfitOf } from './environment.ts'
import { legoFault } from './failure.ts'
import { askLego, type Lego, legoWords } from './program.ts'
import { type Brought, Scratch } from './scratch.ts'

export interface LegoRequest extends IssueRequest {
  /** Null: found in PATH. */
  readonly legoPath: string | null
  readonly flags: LegoFlags
  /** The stored names are those wanted: lego is to renew what is there. */
  readonly isRenewal: boolean
  readonly secrets: Secrets
  /** The folder, of this certificate alone, that lego's own is made in. */
  readonly folder: string
  /** Stem of the certificate's files. */
  readonly keyName: string
}

/** What lego puts into a webroot; its keys have modes of their own, in a folder that nobody else enters. */
const readableByWebServers = 0o022

/** What both series say from the order on. */
const isAboutOrder = (line: string): boolean => /obtaining|trying to solve|acme:error/i.test(line)

/** Lines of lego's that are kept for a fault, and of the log. */
const keptLines = 200
const mostLines = 2000

/**
 * Gets one certificate by lego. A dry run asks lego what it can do and the CA for its directory, and returns undefined.
 * Throws as `issue` does; `config` (78) also where lego is missing, cannot do what is wanted, or is set up wrongly.
 */
export async function issueByLego(req: LegoRequest): Promise<Issued | undefined> {
  const host = URL.canParse(req.directoryUrl) ? new URL(req.directoryUrl).host : req.directoryUrl
  const { signal, end } = bound(req.signal, req.deadlineSeconds, `lego's work with the CA at '${host}'`)
  let transport: Transport | undefined
  try {
    signal.throwIfAborted()
    transport = openTransport(req)
    const solvers = openSolvers({ ...req, signal, transport })
    try {
      const lego = await askLego(findLego(req.legoPath, req.env['PATH']), bareEnvironment(req.env), signal)
      const { directoryUrl, plainHttp, userAgent } = req
      const client = AcmeClient.open({ directoryUrl, plainHttp, transport, userAgent, now: () => req.now(), signal })
      return await perform(lego, client, solvers, req)
    } finally {
      // What a run without lego left, which was killed.
      if (!req.dryRun) await solvers.cleanUp()
    }
  } finally {
    end()
    transport?.close()
  }
}

async function perform(
  lego: Lego,
  client: AcmeClient,
  solvers: Solvers,
  req: LegoRequest,
): Promise<Issued | undefined> {
  readAccount(req.account, req.plainHttp)
  const prepared = await prepareKey(req)
  if (prepared.keyPem !== undefined) req.refuseKey(prepared.keyPem)
  const directory = await client.directory()
  const profile = profileFor(directory, req)
  const order = orderOf(req, profile, directory.externalAccountRequired)
  // What it cannot do is told before anything is made.
  legoArguments(lego, order)
  if (req.dryRun) {
    req.log.info(`dry run: ${legoWords(lego)} at '${lego.path}' and the CA answer, stopping before the order`)
    return undefined
  }
  req.diary.offers(directory)
  const account = await openAccount(client, req)
  const accountKey = readAccount(req.account, req.plainHttp).keyPem
  if (prepared.keyPem !== undefined && accountKey !== undefined) refuseAccountKey(prepared.keyPem, accountKey, req.key)
  // Lego listens and asks the DNS provider itself.
  if (order.challenge.kind === 'webroot') await solvers.prepare()
  const work = () => new LegoRun(lego, order, req, client.signal).perform()
  const brought = await withKnownAccount(client, req, account, work)
  const keyPem = brought.key ?? prepared.keyPem
  if (keyPem === undefined) throw new NixacmeError('refused', 'lego brought a certificate without its key')
  req.refuseKey(keyPem)
  checkIssued(keyPem, brought.chain, req)
  const { chain, certUrl, accountUrl } = brought
  return withRenewal(client, { keyPem, chain, certUrl, accountUrl, stored: () => undefined })
}

function orderOf(req: LegoRequest, profile: string | undefined, isBound: boolean): LegoOrder {
  const { key, notAfter, now, challenges } = req
  const [first] = challenges
  if (!first || challenges.length > 1)
    throw new NixacmeError('config', 'lego proves all names of a certificate in one way', {
      hints: ["leave 'challenges' out"],
    })
  return {
    ...req,
    challenge: first.challenge,
    profile,
    isBound,
    notAfter: notAfter === null ? undefined : new Date(now().getTime() + notAfter * 1000),
    csr: key.kind === 'request' ? key.request : null,
    keptKey: key.kind === 'keep' ? 'key.pem' : undefined,
    isRenewal: req.isRenewal && req.present !== undefined,
    replaces: req.replaces !== undefined,
  }
}

/** One start of lego, or two where the CA refuses what lego says of the certificate before. */
class LegoRun {
  readonly #lego: Lego
  readonly #order: LegoOrder
  readonly #req: LegoRequest
  readonly #signal: AbortSignal
  #lines: string[] = []
  #count = 0
  /** Whether the last start came as far as the order: said early, where many names are worked on long afterwards. */
  #hasOrdered = false
  #isAnswering = false
  #fault: unknown

  constructor(lego: Lego, order: LegoOrder, req: LegoRequest, signal: AbortSignal) {
    this.#lego = lego
    this.#order = order
    this.#req = req
    this.#signal = signal
  }

  async perform(): Promise<Brought> {
    try {
      return await this.#once(this.#order)
    } catch (e) {
      // A CA may refuse `replaces` for reasons of its own (RFC 9773 §5): a certificate is worth more.
      if (!this.#order.replaces || !isProblem(e, 'alreadyReplaced')) throw e
      this.#req.diary.notOrdered()
      return await this.#once({ ...this.#order, replaces: false })
    }
  }

  async #once(order: LegoOrder): Promise<Brought> {
    const { folder, account, present, keyName, key, env, secrets, caCertificates } = this.#req
    const scratch = new Scratch(folder)
    try {
      scratch.putAccount(account)
      const given = order.isRenewal && order.csr === null ? present : undefined
      if (given) scratch.putCertificate(keyName, given)
      const keptKey = key.kind === 'keep' ? scratch.putKey(key.pem) : undefined
      const outfit = outfitOf({ env, secrets, caCertificates, folder: scratch.secrets })
      if (this.#lego.series === 5) await this.#start(migrationArguments, outfit, scratch, 'Y\n')
      await this.#placeOrder(legoArguments(this.#lego, { ...order, keptKey }), outfit, scratch)
      return scratch.take(given)
    } finally {
      scratch.remove()
    }
  }

  /** Counted before, since it can be killed; what it was set up wrongly for never was an order. */
  async #placeOrder(args: readonly string[], outfit: Outfit, scratch: Scratch): Promise<void> {
    this.#req.diary.ordering()
    try {
      await this.#start(args, outfit, scratch)
    } catch (e) {
      const isHarmless = e instanceof NixacmeError && e.kind === 'config' && !this.#hasOrdered
      if (isHarmless) this.#req.diary.notOrdered()
      throw e
    }
  }

  async #start(args: readonly string[], { env, redacted }: Outfit, scratch: Scratch, input?: string): Promise<void> {
    this.#lines = []
    this.#hasOrdered = false
    const { failure } = await runProgram(this.#lego.path, args, {
      env,
      cwd: scratch.path,
      ...(input === undefined ? {} : { input }),
      stdout: 'lines',
      umask: readableByWebServers,
      onLine: (line) => this.#hear(redacted(line)),
      signal: this.#signal,
    })
    this.#signal.throwIfAborted()
    if (this.#fault !== undefined) throw this.#fault
    if (failure !== undefined)
      throw legoFault({ lego: this.#lego, failure, lines: this.#lines, names: this.#req.names })
  }

  #hear(line: string): void {
    if (line.trim() === '') return
    this.#lines.push(line)
    if (this.#lines.length > keptLines) this.#lines.shift()
    if (isAboutOrder(line)) this.#hasOrdered = true
    this.#count += 1
    if (this.#count <= mostLines) this.#req.log.info(`lego: ${line}`)
    else if (this.#count === mostLines + 1)
      this.#req.log.warning(`lego says more than ${mostLines} lines, leaving the rest out`)
    // From here on the CA counts failed validations.
    if (this.#isAnswering || !/acme: trying to solve/i.test(line)) return
    this.#isAnswering = true
    try {
      this.#req.diary.answering(this.#req.names)
    } catch (e) {
      this.#fault = e
    }
  }
}
