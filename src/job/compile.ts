// Config → jobs: the first of the two phases, pure.
import { type CertConfig, type Config, letsEncrypt } from '../config/config.ts'
import { accountHash, certDirHash, domainHash, keyName } from './identity.ts'
import { type Job, type JobServer, jobVersion } from './job.ts'
import { identifiers } from './names.ts'
import { assignSlots, byBytes } from './slots.ts'

/** The CA of an option's value; the hashes use the value as it is. */
const serverOf = (c: CertConfig, server: string | null): JobServer => ({
  directoryUrl: server || letsEncrypt,
  hashes: {
    account: accountHash({ ...c, server }),
    certDir: certDirHash({ ...c, ...c.written, server, csr: c.csr?.request ?? null }),
  },
})

function servers(c: CertConfig): Job['servers'] {
  const [first, ...others] = c.servers
  return [serverOf(c, first ?? c.server), ...others.map((server) => serverOf(c, server))]
}

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
    names: identifiers([c.domain, ...c.extraDomainNames]),
    servers: servers(c),
    plainHttp: c.plainHttp,
    email: c.email || null,
    keyType: c.keyType,
    group: c.group,
    useRoot: config.useRoot,
    challenges: c.challenges,
    validMinDays: c.validMinDays,
    postRun: c.postRun,
    reloadServices: c.reloadServices,
    caCertificates: c.caCertificates,
    environmentFile: c.environmentFile,
    credentialFiles: c.credentialFiles,
    lock: {
      home: slots.get(c.name) ?? null,
      slots: Math.max(0, config.maxConcurrentRenewals),
      policy: config.lockPolicy,
      timeout: config.lockTimeout,
    },
    keyName: keyName(c.domain),
    domainHash: domainHash(c),
    profiles: c.profiles,
    profilePolicy: c.profilePolicy,
    mustStaple: c.ocspMustStaple,
    csr: c.csr,
    preferredChain: c.preferredChain,
    keyReuse: c.keyReuse,
    notAfter: c.notAfter,
    orderTimeout: c.orderTimeout,
    engine: c.engine,
    sources: config.sources,
  })
  return [...config.certs].sort((a, b) => byBytes(a.name, b.name)).map(one)
}
