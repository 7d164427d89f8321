// `nixacme revoke`: takes the word back that a CA has given. Root works as user acme in a child, as `renew` does.
import { readFileSync } from 'node:fs'
import { splitPem } from '../certificate/pem.ts'
import { readLeaf } from '../certificate/read.ts'
import { parseReason, type RevocationReason } from '../certificate/reason.ts'
import { NixacmeError, readError } from '../errors.ts'
import { asAcme } from './as-acme.ts'
import { type Context, findJobs } from './context.ts'
import { type RevokeSettings, revokeOne } from './work-revoke.ts'

export interface RevokeOptions {
  /** Name or number; undefined: none is given to the CA. */
  readonly reason: string | undefined
  /** A PEM file, in place of the stored certificate. */
  readonly file: string | undefined
  readonly confirmed: boolean
}

/** Throws `usage` (64) for wrong options and for a certificate that is not in the config, else as `revokeOne` does. */
export async function revokeCommand(cert: string, options: RevokeOptions, context: Context): Promise<number> {
  const reason: RevocationReason = options.reason === undefined ? 'unspecified' : parseReason(options.reason)
  const pem = options.file === undefined ? undefined : readCertificate(options.file)
  const settings: RevokeSettings = { reason, pem, confirmed: options.confirmed }
  const { jobs } = await findJobs(context, [cert])
  const [job] = jobs
  if (!job) throw new NixacmeError('bug', `there is no job of '${cert}'`)
  if (context.host.identity.uid === 0 && !job.useRoot) return asAcme(jobs, { revoke: settings }, context)
  return revokeOne(job, settings, context)
}

function readCertificate(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (e) {
    throw readError(path, e)
  }
  const [leaf = ''] = splitPem(text)
  try {
    readLeaf(leaf)
    return leaf
  } catch (cause) {
    throw new NixacmeError('data', `'${path}' does not begin with a certificate in PEM`, { cause })
  }
}
