// `nixacme wait`: ends when services have a certificate to start with, or the real one. Reads only.
import { lackingNames } from '../certificate/read.ts'
import { NixacmeError, unreachable } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { pathsOf } from '../job/job.ts'
import { type Installed, readInstalled } from '../renewal/installed.ts'
import { isoMinute } from '../time.ts'
import { sleep } from '../wait.ts'
import { type Context, findJobs } from './context.ts'

export interface WaitOptions {
  /** A self-signed certificate does not do. */
  readonly real: boolean
  /** Seconds to wait at most; 0: look once. */
  readonly seconds: number
}

/** Pauses between two looks, in milliseconds: short at first. */
const firstPause = 200
const longestPause = 1000

/**
 * Returns 0 as soon as `out/` shows a whole, unexpired set with all names of the job. Throws `later` (75) when the time is
 * up or a signal comes, `usage` (64) for a certificate that is not in the config, `permission` (77) or `data` (65) for
 * files that cannot be read.
 */
export async function wait(cert: string, options: WaitOptions, context: Context): Promise<number> {
  const { jobs } = await findJobs(context, [cert])
  for (const job of jobs) await waitForOne(job, options, context)
  return 0
}

async function waitForOne(job: Job, { real, seconds }: WaitOptions, { host, log, roots }: Context): Promise<void> {
  const { out } = pathsOf(roots, job)
  const look = () => obstacle(readInstalled(out), job.names, real, host.now())
  const what = real ? 'the real certificate' : 'a certificate'
  let instead = look()
  if (instead !== undefined && seconds > 0)
    log.about(job.cert).waiting(`waiting up to ${seconds} seconds for ${what}: ${instead}`)
  // The pauses are counted, not the clock's time: at boot, when this is used most, the clock may be set meanwhile.
  for (
    let left = seconds * 1000, pause = firstPause;
    instead !== undefined;
    pause = Math.min(pause * 1.5, longestPause)
  ) {
    if (left <= 0) throw tooLate(job, `${what} is not there after ${seconds} seconds: ${instead}`)
    const next = Math.min(left, pause)
    await sleep(next, host.interrupted)
    left -= next
    instead = look()
  }
}

/** What stands there instead of what is waited for, as a clause; undefined when it is there. */
function obstacle(installed: Installed, names: readonly string[], real: boolean, now: Date): string | undefined {
  switch (installed.kind) {
    case 'nothing':
      return 'nothing is installed'
    case 'torn':
      return `what is installed is no whole set: ${installed.flaw}`
    case 'whole':
      break
    default:
      return unreachable(installed)
  }
  const { facts } = installed
  const it = facts.preliminary ? 'the self-signed one' : 'the installed one'
  const lacking = lackingNames(facts, names)
  if (facts.notAfter <= now) return `${it} expired at ${isoMinute(facts.notAfter)}`
  if (real && facts.preliminary) return `there is a self-signed one until ${isoMinute(facts.notAfter)}`
  return lacking.length > 0 ? `${it} lacks ${lacking.map((name) => `'${name}'`).join(', ')}` : undefined
}

const tooLate = (job: Job, sentence: string): NixacmeError =>
  new NixacmeError('later', sentence, {
    hints: [`systemctl status acme-${job.cert}.service`, `journalctl -u acme-${job.cert}.service`],
  })
