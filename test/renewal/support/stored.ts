// State as lego v4 and the NixOS module leave it (contract 1.6): the same files, spellings and modes.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Job } from '../../../src/job/job.ts'
import type { CertPaths } from '../../../src/job/paths.ts'
import { healing } from '../../../src/renewal/look.ts'
import type { StoredSet } from '../../../src/renewal/state.ts'

function write(path: string, content: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
}

/** The four files of lego and the module's hash. */
export function writeCertificate(paths: CertPaths, job: Job, set: StoredSet, domainHash = job.domainHash): void {
  const certUrl = 'https://acme-v02.api.letsencrypt.org/acme/cert/04d2'
  write(paths.key, set.key)
  write(paths.certificate, set.fullchain)
  write(paths.issuer, set.issuers)
  write(paths.resource, JSON.stringify({ domain: job.domain, certUrl, certStableUrl: certUrl }, null, '\t'))
  write(paths.domainHash, `${domainHash}\n`, 0o644)
}

/** lego's `account.json` of a registered account. */
export const accountJson = (email: string, uri = 'https://acme-v02.api.letsencrypt.org/acme/acct/1234567'): string =>
  JSON.stringify({ email, registration: { body: { status: 'valid', contact: [`mailto:${email}`] }, uri } }, null, '\t')

export function writeAccount(paths: CertPaths, email = 'hostmaster@example.test'): void {
  write(paths.accountJson, accountJson(email))
  write(paths.accountKey, '-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n', 0o644)
}

/** A memory of one failure with this job: the next try is at `retryAt`. */
export const failedUntil = (retryAt: Date, job: Job): object => ({
  version: 1,
  failure: {
    kind: 'network',
    problem: 'unavailable',
    message: "cannot reach the CA at 'ca.example'",
    count: 1,
    last: new Date(Math.min(Date.now(), retryAt.getTime()) - 60_000).toISOString(),
    retryAt: retryAt.toISOString(),
    config: healing(job),
  },
})

export const writeMemory = (paths: CertPaths, value: unknown): void => write(paths.memory, JSON.stringify(value))
