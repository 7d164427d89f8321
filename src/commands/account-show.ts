// `account show`: the accounts of the config with all that is known of them here, and with --online what the CA says.
import { createPrivateKey } from 'node:crypto'
import type { AccountState } from '../acme/account-work.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import { type Job, type JobServer, pathsOf } from '../job/job.ts'
import { printable } from '../log.ts'
import { accountWork, usersOf } from './account-request.ts'
import type { Context } from './context.ts'
import { failure, renderReports } from './report.ts'

/** One account as `--json` prints it; null where something is not known. */
interface ShownAccount {
  readonly server: string
  readonly email: string | null
  /** The account's URL. */
  readonly url: string | null
  readonly keyFile: string
  readonly keyType: string | null
  /** Names of the certificates that use it. */
  readonly certs: readonly string[]
  /** Value of a CAA record that lets only this account get certificates (RFC 8657). */
  readonly caa: string | null
  /** With --online. */
  readonly status?: string
  readonly contact?: readonly string[]
  readonly error?: { readonly status: number; readonly message: string; readonly hints: readonly string[] }
}

interface Place {
  readonly job: Job
  readonly server: JobServer
}

/** Prints the accounts, each once. Gives the status of the first that cannot be read or asked for. */
export async function showAccounts(
  jobs: readonly Job[],
  { cert, online, json }: { readonly cert: string | undefined; readonly online: boolean; readonly json: boolean },
  context: Context,
): Promise<number> {
  const { host, log } = context
  const places = new Map<string, Place>()
  for (const job of jobs.filter((one) => cert === undefined || one.cert === cert))
    for (const server of job.servers) {
      const { account } = pathsOf(context.roots, job, server)
      if (!places.has(account)) places.set(account, { job, server })
    }
  let status = 0
  const shown: ShownAccount[] = []
  for (const [dir, place] of places) {
    const one = await show(place, usersOf(dir, jobs, context), online, context)
    if (one.error) {
      status ||= one.error.status
      log.about(place.job.cert).error(one.error.message, one.error.hints)
    }
    shown.push(one)
  }
  host.stdout.write(json ? renderReports(shown) : shown.map(text).join('\n'))
  return status
}

async function show({ job, server }: Place, certs: string[], online: boolean, context: Context): Promise<ShownAccount> {
  const work = accountWork(job, server, context)
  const { account, directoryUrl, email, plainHttp } = work
  let shown: ShownAccount = {
    server: directoryUrl,
    email,
    url: null,
    keyFile: account.key,
    keyType: null,
    certs,
    caa: null,
  }
  try {
    const { readAccount } = await import('../acme/account-files.ts')
    const { keyPem, url = null, caaIdentities } = readAccount(account, plainHttp)
    shown = {
      ...shown,
      url: url === 'unusable' ? null : url,
      keyType: keyPem === undefined ? null : kindOfKey(keyPem),
      caa: await caaOf(url, caaIdentities),
    }
    return online ? { ...shown, ...(await asked(work)) } : shown
  } catch (e) {
    if (e instanceof NixacmeError) return { ...shown, ...failure(e) }
    return { ...shown, ...failure(new NixacmeError('bug', `a fault of nixacme: ${messageOf(e)}`, { cause: e })) }
  }
}

async function asked(work: ReturnType<typeof accountWork>): Promise<Pick<ShownAccount, 'status' | 'contact' | 'caa'>> {
  const { fetchAccount } = await import('../acme/account-work.ts')
  const { url, status, contact, caaIdentities }: AccountState = await fetchAccount(work)
  return { status: status.slice(0, 40), contact, caa: await caaOf(url, caaIdentities) }
}

async function caaOf(url: string | null, [identity]: readonly string[]): Promise<string | null> {
  if (url === null || url === 'unusable' || identity === undefined) return null
  const { caaValue } = await import('../acme/account.ts')
  return caaValue(identity, url)
}

/** `EC P-256`, `RSA 2048`. */
function kindOfKey(pem: string): string {
  const { asymmetricKeyType, asymmetricKeyDetails: details } = createPrivateKey(pem)
  const curves: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }
  return asymmetricKeyType === 'ec' ? `EC ${curves[details?.namedCurve ?? '']}` : `RSA ${details?.modulusLength}`
}

function text(one: ShownAccount): string {
  const rows: [string, string | undefined][] = [
    ['account', one.url ?? 'none is registered'],
    ['e-mail', one.email ?? 'none'],
    ['status', one.status],
    ['contact', one.contact && (one.contact.join(', ') || 'none is shown')],
    ['key', `${one.keyFile}${one.keyType === null ? ' (not there)' : ` (${one.keyType})`}`],
    ['used by', one.certs.join(', ')],
    ['CAA', one.caa ?? undefined],
  ]
  const lines = rows.flatMap(([title, value]) =>
    value === undefined ? [] : [`  ${title.padEnd(8)} ${printable(value)}\n`],
  )
  return `${one.server}\n${lines.join('')}`
}
