// `nixacme selfsign`: something for services to start with, until the real certificate is there; then its hooks.
import { under } from '../fs.ts'
import { isPending } from '../renewal/signal.ts'
import { asAcme } from './as-acme.ts'
import { type Context, findJobs } from './context.ts'
import { isAcme } from './owner.ts'
import { tell } from './post-run.ts'
import { makeSelfsigned } from './work-selfsign.ts'

/**
 * Installs a self-signed certificate for `cert` unless the real one, or a self-signed one in order, is there. Root works as
 * user acme in a child, as `renew` does, and runs the hooks itself; user acme leaves them to its unit. Throws `usage` (64)
 * for a certificate that is not in the config, and as `ensurePreliminary` and the hooks do.
 */
export async function selfsign(cert: string, context: Context): Promise<number> {
  const { host, roots } = context
  const { jobs } = await findJobs(context, [cert])
  const isForAcme = host.identity.uid === 0 && jobs[0]?.useRoot === false
  const status = isForAcme ? await asAcme(jobs, { selfsign: true }, context) : await makeSelfsigned(jobs, context)
  if (status !== 0 || !isPending(under(roots.state, cert))) return status
  if (await isAcme(host)) return status
  for (const job of jobs) await tell(job, context)
  return status
}
