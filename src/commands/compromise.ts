// `nixacme compromise`: somebody else may have the key. A new key and certificate first, installed and told to the services;
// then the old one is revoked with its own key. Root works as user acme in a child, and runs the hooks in between.
import { NixacmeError } from '../errors.ts'
import { under } from '../fs.ts'
import { isPending } from '../renewal/signal.ts'
import { asAcme } from './as-acme.ts'
import { type Context, findJobs } from './context.ts'
import { acmeUser, isAcme } from './owner.ts'
import { tell } from './post-run.ts'
import { type CompromiseStep, compromiseStep } from './work-compromise.ts'

export interface CompromiseSettings {
  /** `--yes` */
  readonly confirmed: boolean
  /** `--again`: the key that an earlier run brought is replaced, too, before all of what that run left is done. */
  readonly again: boolean
}

/**
 * Gives the exit status of the step that failed. Throws `usage` (64) when it is not confirmed, and for a certificate that
 * is not in the config; `permission` (77) for user acme, who runs no hooks; `data` (65) when there is no key; `hook` (1).
 */
export async function compromiseCommand(
  cert: string,
  { confirmed, again: isAgain }: CompromiseSettings,
  context: Context,
): Promise<number> {
  const { host, log, roots } = context
  if (await isAcme(host))
    throw new NixacmeError('permission', `the services have to be told, which is not for user '${acmeUser}' to do`, {
      hints: ['run it as root'],
    })
  const { jobs } = await findJobs(context, [cert])
  const [job] = jobs
  if (!job) throw new NixacmeError('bug', `there is no job of '${cert}'`)
  const isForAcme = host.identity.uid === 0 && !job.useRoot
  const step = (name: CompromiseStep) =>
    isForAcme ? asAcme(jobs, { compromise: name }, context) : compromiseStep(job, name, context)
  if (!confirmed) return step('show')
  const again = `run 'nixacme compromise ${cert} --yes' again: it goes on from here`
  const replaced = await step(isAgain ? 'replaceAgain' : 'replace')
  if (replaced !== 0) {
    log
      .about(cert)
      .warning('the old certificate is still in use and not revoked, as there is no new one', [
        again,
        `to revoke it without a new one, when an outage is better: nixacme revoke ${cert} --reason keyCompromise --yes`,
      ])
    return replaced
  }
  try {
    if (isPending(under(roots.state, cert))) await tell(job, context)
  } catch (e) {
    log
      .about(cert)
      .warning('the new certificate is installed, and the old one is not revoked before its services know', [again])
    throw e
  }
  return step('revoke')
}
