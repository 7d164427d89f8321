// After an installation: the operator's hook, then the reloads, then the marker goes. The unit's ExecStartPost, as root;
// after a run by hand or from cron, part of that run.
import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { NixacmeError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { type Held, tryFolder, waitFor } from '../renewal/lock.ts'
import { dropMarker, isPending, type Kind, openOut, takeMarker } from '../renewal/signal.ts'
import { interruptedError } from '../wait.ts'
import { type Context, findJobs } from './context.ts'
import { acmeUser, isAcme } from './owner.ts'

/** Seconds that a hook, or the reloads, may take. */
const hookSeconds = 600

/** The command: a no-op, in silence, when no new certificate waits to be told. */
export async function postRun(cert: string, context: Context): Promise<number> {
  if (!isPending(join(context.roots.state, cert))) return 0
  if (await isAcme(context.host)) {
    throw new NixacmeError('permission', `the hooks of '${cert}' are not for user '${acmeUser}' to run`, {
      hints: ['run post-run as root; in a unit: ExecStartPost=+…'],
    })
  }
  const { jobs } = await findJobs(context, [cert])
  for (const job of jobs) await tell(job, context)
  return 0
}

/** The home of the user that this process runs as, whatever HOME says; undefined when the system does not know him. */
function ownHome(): string | undefined {
  try {
    return userInfo().homedir
  } catch {
    return undefined
  }
}

/** The environment of a hook, as nixacme(1) promises it; nothing else of ours is passed on. Undefined: left out. */
const hookEnvironment = (job: Job, kind: Kind, state: string, env: Context['host']['env']) => ({
  PATH: env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  // In a unit HOME is that of user acme, who could leave there what root's programs would read.
  HOME: ownHome(),
  LANG: env['LANG'],
  NIXACME_CERT: job.cert,
  NIXACME_DOMAIN: job.domain,
  NIXACME_NAMES: job.names.join(' '),
  NIXACME_DIRECTORY: join(state, job.cert),
  NIXACME_KIND: kind,
})

/** NixOS writes hooks for bash; where it is missing they get what there is. */
const shell = (): string => (existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh')

/**
 * A hook comes by a descriptor, not as an argument: it may hold what others must not read. It is read whole before its
 * first line runs, and its end is marked: when we are killed while writing, the half that arrived is not run.
 */
const endOfHook = '#end of hook'
const readHook = `umask 022; hook=$(cat <&3); exec 3<&-; case $hook in *'${endOfHook}') eval "\${hook%${endOfHook}}";; *) exit 126;; esac`

/**
 * Takes the marker, runs `postRun` in `out/` and reloads the services. Throws `hook` (1) when one of them fails, `later`
 * (75) when a signal ends them, `permission` (77) when `out/` is no folder of its own; the marker then stays for the next
 * run.
 */
export async function tell(job: Job, { host, log, roots }: Context): Promise<void> {
  const out = openOut(roots.state, job.cert)
  if (!out) return
  let lock: Held | undefined
  try {
    // Two runs must not take each other's marker.
    lock = await waitFor(() => tryFolder(`${out.path}/.`), {
      seconds: hookSeconds,
      signal: host.interrupted,
      now: host.now,
      what: 'the hooks that another run has started',
      onWait: () => log.about(job.cert).info('waiting: another run has started the hooks'),
    })
    const kind = takeMarker(out)
    if (!kind) return
    const run = async (what: string, file: string, args: readonly string[], script?: string) => {
      const { runProgram } = await import('../process.ts')
      const { failure } = await runProgram(file, args, {
        env: hookEnvironment(job, kind, roots.state, host.env),
        cwd: out.path,
        stdout: 'stderr',
        seconds: hookSeconds,
        signal: host.interrupted,
        ...(script !== undefined && { script }),
      })
      if (!failure) return
      throw host.interrupted.aborted ? interruptedError(host.interrupted) : hookError(job, `${what} ${failure}`)
    }
    if (job.postRun.trim() !== '') await run('postRun', shell(), ['-c', readHook], `${job.postRun}\n${endOfHook}`)
    if (job.reloadServices.length > 0) {
      const args = ['--no-block', 'try-reload-or-restart', '--', ...job.reloadServices]
      await run(`reloading ${job.reloadServices.join(', ')}: systemctl`, 'systemctl', args)
    }
    dropMarker(out)
    const told = [
      job.postRun.trim() !== '' ? 'ran postRun' : '',
      job.reloadServices.map((s) => `reloaded ${s}`).join(', '),
    ]
    const words = told.filter(Boolean).join(', ')
    if (words) log.about(job.cert).info(words)
  } finally {
    lock?.release()
    out.close()
  }
}

const hookError = (job: Job, what: string): NixacmeError =>
  new NixacmeError('hook', what, {
    hints: [
      `the certificate is installed; the next 'nixacme renew ${job.cert}' or 'nixacme post-run ${job.cert}' tries again`,
    ],
  })
