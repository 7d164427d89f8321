// A run started by root: the work is done by user `acme` in a child, as in the unit; root keeps only the hooks. The child
// is this program again; it gets its jobs on standard input, so that it needs to read nothing that only root may.

import { chownSync } from 'node:fs'
import { NixacmeError, writeError } from '../errors.ts'
import { ensureDir, lstatIfThere } from '../fs.ts'
import type { Host } from '../host.ts'
import type { Job } from '../job/job.ts'
import { groupId } from '../system-users.ts'
import type { Context } from './context.ts'
import { findAcmeUser } from './owner.ts'
import { type RenewSettings, work } from './work.ts'

/** The hidden command that the child runs. */
export const childCommand = 'work-as-acme'

interface Order {
  readonly jobs: readonly Job[]
  readonly settings: RenewSettings
  readonly identity: Host['identity']
}

/** What the child may see of root's environment: what its work and its voice need. */
const passedOn = [
  'PATH',
  'LANG',
  'TZ',
  'TERM',
  'NO_COLOR',
  'JOURNAL_STREAM',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'LEGO_CA_CERTIFICATES',
  'NODE_EXTRA_CA_CERTS',
] // prettier-ignore

/** Creates what only root can: the two root folders, in root's own parents. Anything in them is made by acme itself. */
function ensureRoots({ roots }: Context, user: { uid: number; gid: number }): void {
  for (const [path, mode] of [
    [roots.state, 0o755],
    [roots.runtime, 0o700],
  ] as const) {
    try {
      if (lstatIfThere(path)) continue
      ensureDir(path, { mode })
      chownSync(path, user.uid, user.gid)
    } catch (e) {
      throw writeError(path, e)
    }
  }
}

/** Does the work of `jobs` as user acme. Gives the child's exit status. */
export async function asAcme(jobs: readonly Job[], settings: RenewSettings, context: Context): Promise<number> {
  const { host, roots } = context
  const user = await findAcmeUser()
  const groups = new Set([user.gid])
  for (const name of new Set(jobs.map((job) => job.group))) {
    const gid = await groupId(name)
    if (gid !== undefined) groups.add(gid)
  }
  ensureRoots(context, user)
  const order: Order = { jobs, settings, identity: { ...user, groups: [...groups] } }
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

/** The child: takes its order, gives up root, works. */
export async function workAsAcme(context: Context): Promise<number> {
  const { jobs, settings, identity } = JSON.parse(context.host.readAll(0)) as Order
  if (context.host.identity.uid !== 0) throw new NixacmeError('usage', `'${childCommand}' is for nixacme itself`)
  context.host.become(identity)
  return work(jobs, settings, context)
}
