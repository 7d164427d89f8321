// `nixacme selfsign-ca`: the local CA of the self-signed certificates is there afterwards; the work of one unit.
import { asAcme } from './as-acme.ts'
import { type Context, findJobs } from './context.ts'
import { makeSelfsignedCa } from './work-selfsign.ts'

/**
 * Makes `<state>/.minica/{key,cert}.pem` when missing, else does nothing, in silence. Root works as user acme, unless the
 * config says `useRoot`. Throws `data` (65) for a CA that is there and cannot be used, and what writing throws.
 */
export async function selfsignCa(context: Context): Promise<number> {
  if (context.host.identity.uid !== 0) return makeSelfsignedCa(context)
  const { jobs } = await findJobs(context, 'all')
  return jobs[0]?.useRoot ? makeSelfsignedCa(context) : asAcme([], { selfsignCa: true }, context)
}
