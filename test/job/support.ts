// Configs and folders for the tests of this room.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CertConfig, ChallengeGroup, Config } from '../../src/config/config.ts'
import type { Roots } from '../../src/job/paths.ts'

/** All names by files in this folder; what becomes of units and hashes does not depend on the names. */
export const shownIn = (webroot: string, names: readonly string[] = ['example.com']): ChallengeGroup[] => [
  { challenge: { kind: 'webroot', webroot }, names },
]

export const certConfig = (change: Partial<CertConfig> & { readonly name: string }): CertConfig => ({
  domain: change.name,
  extraDomainNames: [],
  server: null,
  servers: [],
  plainHttp: false,
  email: 'hostmaster@example.test',
  keyType: 'ec256',
  group: 'acme',
  challenges: shownIn('/var/lib/acme/acme-challenge'),
  validMinDays: null,
  postRun: '',
  reloadServices: [],
  caCertificates: [],
  renewInterval: 'daily',
  renewJitter: '24h',
  environmentFile: null,
  credentialFiles: {},
  profiles: [],
  profilePolicy: 'required',
  ocspMustStaple: false,
  csr: null,
  preferredChain: null,
  keyReuse: false,
  notAfter: null,
  orderTimeout: 600,
  dnsProvider: null,
  extraLegoFlags: [],
  extraLegoRunFlags: [],
  extraLegoRenewFlags: [],
  engine: { kind: 'native' },
  written: { ocspMustStaple: change.ocspMustStaple ?? false, profile: change.profiles?.join(' ') || null },
  ...change,
})

export const config = (certs: readonly CertConfig[], change: Partial<Config> = {}): Config => ({
  sources: [{ path: '/etc/nixacme/config.toml', stamp: '1:2' }],
  maxConcurrentRenewals: 5,
  lockPolicy: 'home',
  lockTimeout: null,
  useRoot: false,
  preliminarySelfsigned: true,
  certs,
  warnings: [],
  ...change,
})

/** Runs `action` with the roots in a new folder, and takes the folder away again. */
export function withRoots(action: (roots: Roots, dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-job-'))
  try {
    action({ state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }, dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
