// The work of `dns test`, as the user who does that of renewals: the same steps, with made-up challenges and without a CA.
// Records that stand there for good are only looked at.
import { randomBytes } from 'node:crypto'
import { readAccount, usableUrl } from '../acme/account-files.ts'
import { openSolvers } from '../acme/challenges/open.ts'
import { openTransport } from '../acme/transport.ts'
import type { ChallengeGroup } from '../config/config.ts'
import { NixacmeError } from '../errors.ts'
import { type Job, pathsOf } from '../job/job.ts'
import { provenName } from '../job/limits.ts'
import { accountFilesOf, type Roots } from '../job/paths.ts'
import { secretReader } from '../job/variables.ts'
import { withCertificateLock } from './certificate-lock.ts'
import { challengeRequest } from './challenge-request.ts'
import type { Context } from './context.ts'
import { ownerFinder } from './owner.ts'
import type { SecretsOf } from './work.ts'

/**
 * Puts a record for each name of `job` that is proven by DNS, waits until it is seen, and takes it away again; those of
 * dns-persist-01 are looked at. Throws `config` (78) for a provider, its credentials, a standing record that will not do,
 * and where a record needs an account that there is not yet; `refused` (76) and `unavailable` (69) as providers and
 * resolvers do.
 */
export async function testDns(
  job: Job,
  context: Context,
  secretsOf: SecretsOf = secretReader(context.host),
): Promise<number> {
  const { host, roots } = context
  const log = context.log.about(job.cert)
  const { gid, fault } = await ownerFinder(host)(job)
  if (fault) throw fault
  const byProvider = job.challenges.filter(({ challenge }) => challenge.kind === 'dns')
  const standing = job.challenges.filter(({ challenge }) => challenge.kind === 'dns-persist')
  const accounts = accountsOf(job, roots)
  if (standing.length > 0 && accounts.length === 0)
    throw new NixacmeError('config', 'the records of dns-persist-01 name the ACME account, and there is none yet', {
      hints: ["run 'nixacme renew': it registers one, tells the records, and orders nothing while they are missing"],
    })
  const secrets = await secretsOf(job)
  const transport = openTransport({ caCertificates: job.caCertificates, env: host.env })
  try {
    await withCertificateLock(job, gid, context, async () => {
      const request = challengeRequest(job, gid, secrets, context)
      const solvers = openSolvers({ ...request, challenges: [...byProvider, ...standing], transport })
      let isClean = false
      try {
        await solvers.prepare()
        const names = byProvider.flatMap((group) => group.names)
        for (const accountUrl of accounts) await solvers.verify(accountUrl)
        for (const name of standing.flatMap((group) => group.names)) log.info(`the DNS has the record for '${name}'`)
        await solvers.present(byProvider.flatMap((group) => trials(group, accounts)))
        for (const name of names) log.info(`the DNS shows the record for '${name}'`)
      } finally {
        isClean = await solvers.cleanUp()
      }
      if (!isClean)
        throw new NixacmeError('refused', 'the records could be put there, and not taken away again', {
          hints: ['the credentials must allow both'],
        })
      if (byProvider.length > 0) log.info('the records are taken away again')
    })
  } finally {
    transport.close()
  }
  return 0
}

/** Of all CAs of the job at which one is registered: whichever of them is asked, its record must do. */
function accountsOf(job: Job, roots: Roots): readonly string[] {
  const urls = job.servers.flatMap((server) => {
    const files = accountFilesOf(pathsOf(roots, job, server))
    return usableUrl(readAccount(files, job.plainHttp)) ?? []
  })
  return [...new Set(urls)]
}

/** A challenge for each name; for each account, where its label is part of the record's name. */
function trials({ challenge, names }: ChallengeGroup, accounts: readonly string[]) {
  const isLabelled = challenge.kind === 'dns' && challenge.accountLabel
  const asked = isLabelled && accounts.length > 0 ? accounts : [undefined]
  return asked.flatMap((accountUrl) => names.map((name) => ({ ...madeUp(name), accountUrl })))
}

/** A challenge that no CA has given: `*.example.com` is proven at `example.com`. */
function madeUp(name: string) {
  const token = randomBytes(32).toString('base64url')
  return { name: provenName(name), isWildcard: name.startsWith('*.'), token, keyAuthorization: `${token}.test` }
}
