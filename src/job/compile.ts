// Config → jobs: the first of the two phases, pure.
import { type CertConfig, type Config, letsEncrypt } from '../config/config.ts'
import { accountHash, certDirHash, domainHash, keyName } from './identity.ts'
import { type Job, jobVersion } from './job.ts'
import { aLabels } from './names.ts'
import { assignSlots, byBytes } from './slots.ts'

/** Config → one job per certificate, in byte order of the names. Pure. */
export function compile(config: Config): Job[] {
  const slots = assignSlots(
    config.certs.map((c) => c.name),
    config.maxConcurrentRenewals,
  )
  const one = (c: CertConfig): Job => ({
    version: jobVersion,
    cert: c.name,
    domain: c.domain,
    names: aLabels([c.domain, ...c.extraDomainNames]),
    directoryUrl: c.server || letsEncrypt,
    email: c.email || null,
    keyType: c.keyType,
    group: c.group,
    useRoot: config.useRoot,
    challenge: c.challenge,
    validMinDays: c.validMinDays,
    postRun: c.postRun,
    reloadServices: c.reloadServices,
    caCertificates: c.caCertificates,
    lock: {
      home: slots.get(c.name) ?? null,
      slots: Math.max(0, config.maxConcurrentRenewals),
      policy: config.lockPolicy,
      timeout: config.lockTimeout,
    },
    keyName: keyName(c.domain),
    hashes: { account: accountHash(c), certDir: certDirHash(c), domain: domainHash(c) },
    sources: config.sources,
  })
  return [...config.certs].sort((a, b) => byBytes(a.name, b.name)).map(one)
}
