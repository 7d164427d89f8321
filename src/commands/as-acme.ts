// A run started by root: the work is done by user `acme` in a child, as in the unit; root keeps only the hooks. The child
// is this program again; it gets its jobs on standard input, so that it needs to read nothing that only root may.

import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Job } from '../job/job.ts'
import { isPrivileged, parseListenAddress } from '../job/listen-address.ts'
import { challengesDir } from '../job/paths.ts'
import { noSecrets, type Secrets, secretReader } from '../job/variables.ts'
import { groupId } from '../system-users.ts'
import { ensureRuntime, ensureState } from './acme-folders.ts'
import type { Context } from './context.ts'
import { findAcmeUser } from './owner.ts'
import type { PlanOptions } from './plan-jobs.ts'
import { type RenewSettings, work } from './work.ts'
import type { AccountTask } from './work-account.ts'
import type { CompromiseStep } from './work-compromise.ts'
import type { RevokeSettings } from './work-revoke.ts'
import { makeSelfsigned, makeSelfsignedCa } from './work-selfsign.ts'

/** The hidden command that the child runs. */
const childCommand = 'work-as-acme'

/** What the child is to do with the jobs. */
export type Task =
  | { readonly renew: RenewSettings }
  | { readonly plan: PlanOptions }
  /** One job. */
  | { readonly revoke: RevokeSettings }
  | { readonly compromise: CompromiseStep }
  /** One job. */
  | { readonly dnsTest: true }
  /** Jobs of the certificates that may use the account. */
  | { readonly account: AccountTask }
  | { readonly selfsign: true }
  /** Without jobs: the local CA is no certificate's. */
  | { readonly selfsignCa: true }

interface Order {
  readonly jobs: readonly Job[]
  readonly task: Task
  readonly identity: Host['identity']
  /** What only root may read, by certificate; for what may register an account. */
  readonly secrets: Readonly<Record<string, Secrets>>
}

/** What the child may see of root's environment: what its work and its voice need. */
const passedOn = [
  'PATH',
  'LANG',
  'LC_ALL',
  'LC_MESSAGES',
  'TZ',
  'TERM',
  'NO_COLOR',
  'JOURNAL_STREAM',
  'NOTIFY_SOCKET',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'LEGO_CA_CERTIFICATES',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] // prettier-ignore

const kindOf = (task: Task) => ('selfsign' in task ? 'selfsign' : 'selfsignCa' in task ? 'selfsignCa' : 'renew')

/** A plan writes nothing, nor does what only shows; an account that is worked on has its folders. */
const needsNoFolders = (task: Task): boolean =>
  'plan' in task ||
  'account' in task ||
  ('revoke' in task && !task.revoke.confirmed) ||
  ('compromise' in task && task.compromise === 'show')

/** Does the work of `jobs` as user acme. Gives the child's exit status. */
export async function asAcme(jobs: readonly Job[], task: Task, context: Context): Promise<number> {
  const { host, roots } = context
  const user = await findAcmeUser()
  const gids = new Map<string, number>()
  for (const name of new Set(jobs.map((job) => job.group))) {
    const gid = await groupId(name)
    if (gid !== undefined) gids.set(name, gid)
  }
  if (!needsNoFolders(task)) {
    ensureRuntime(roots, user)
    ensureState(roots, { kind: kindOf(task), jobs, user, gids })
  }
  const groups = new Set([user.gid, ...gids.values()])
  const secrets = 'renew' in task || 'compromise' in task || 'dnsTest' in task ? await readAll(jobs, host) : {}
  const order: Order = { jobs, task, identity: { ...user, groups: [...groups] }, secrets }
  const { runProgram } = await import('../process.ts')
  const [file, ...args] = host.self
  const rootArgs = [
    '--state-dir',
    roots.state,
    '--runtime-dir',
    roots.runtime,
    '--jobs-dir',
    roots.jobs,
    ...(context.quiet ? ['--quiet'] : []),
  ]
  const { status, failure } = await runProgram(file ?? '', [...args, ...rootArgs, childCommand], {
    env: Object.fromEntries(passedOn.map((name) => [name, host.env[name]])),
    input: JSON.stringify(order),
    stdout: 'ours',
    signal: host.interrupted,
  })
  if (status !== null) return status
  throw new NixacmeError(host.interrupted.aborted ? 'later' : 'bug', `the run as user 'acme' ${failure}`)
}

async function readAll(jobs: readonly Job[], host: Host): Promise<Order['secrets']> {
  const read = secretReader(host)
  const secrets: Record<string, Secrets> = {}
  for (const job of jobs) secrets[job.cert] = await read(job)
  return secrets
}

/** Ports below 1024 are opened while it may: whether there is work, and whether systemd has them, is not known yet. */
async function listenWhereRootMust(jobs: readonly Job[], { host, log, roots }: Context): Promise<void> {
  for (const { challenges, useRoot } of jobs)
    for (const { challenge } of useRoot ? [] : challenges) {
      if (challenge.kind !== 'listen-http' && challenge.kind !== 'listen-tls') continue
      if (!isPrivileged(parseListenAddress(challenge.address))) continue
      const { listenEarly } = await import('../acme/challenges/listen.ts')
      const kind = challenge.kind === 'listen-http' ? 'http' : 'tls'
      await listenEarly({
        kind,
        address: challenge.address,
        folder: challengesDir(roots),
        inherited: [],
        now: host.now,
        log,
      })
    }
}

/** The child: takes its order, gives up root, works. */
export async function workAsAcme(context: Context): Promise<number> {
  if (context.host.identity.uid !== 0) throw new NixacmeError('usage', `'${childCommand}' is for nixacme itself`)
  const { jobs, task, identity, secrets } = JSON.parse(context.host.readAll(0)) as Order
  if ('renew' in task || 'compromise' in task) await listenWhereRootMust(jobs, context)
  context.host.become(identity)
  if ('plan' in task) return (await import('./plan-jobs.ts')).planJobs(jobs, task.plan, context)
  if ('selfsign' in task) return makeSelfsigned(jobs, context)
  if ('selfsignCa' in task) return makeSelfsignedCa(context)
  const secretsOf = async ({ cert }: Job) => secrets[cert] ?? noSecrets
  if ('renew' in task) return work(jobs, task.renew, context, secretsOf)
  // Rare: not to be loaded with every run.
  if ('account' in task) return (await import('./work-account.ts')).workOnAccounts(jobs, task.account, context)
  const [job] = jobs
  if (!job) throw new NixacmeError('bug', 'an order without a job')
  if ('dnsTest' in task) return (await import('./work-dns.ts')).testDns(job, context, secretsOf)
  if ('revoke' in task) return (await import('./work-revoke.ts')).revokeOne(job, task.revoke, context)
  return (await import('./work-compromise.ts')).compromiseStep(job, task.compromise, context, secretsOf)
}
