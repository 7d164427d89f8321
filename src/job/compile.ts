// Config → jobs: the first of the two phases, pure.
import { type CertConfig, type Config, directoriesOf, letsEncrypt } from '../config/config.ts'
import { accountHash, certDirHash, domainHash, keyName } from './identity.ts'
import { type Job, type JobServer, jobVersion } from './job.ts'
import { type Claim, dealLimits, type Limits } from './limits.ts'
import { identifiers } from './names.ts'
import { assignSlots, byBytes } from './slots.ts'

/** The CAs of a certificate; the hashes use the options' values as they are. */
function servers(c: CertConfig, limitsAt: (directoryUrl: string) => Limits): Job['servers'] {
  const serverOf = (server: string | null): JobServer => {
    const directoryUrl = server || letsEncrypt
    const hashes = {
      account: accountHash({ ...c, server }),
      certDir: certDirHash({ ...c, ...c.written, server, csr: c.csr?.request ?? null }),
    }
    return { directoryUrl, hashes, limits: limitsAt(directoryUrl) }
  }
  const [first, ...others] = c.servers
  return [serverOf(first ?? c.server), ...others.map(serverOf)]
}

const claimOf = (c: CertConfig): Claim => ({
  cert: c.name,
  names: identifiers([c.domain, ...c.extraDomainNames]),
  directories: directoriesOf(c),
})

/** Config → one job per certificate, in byte order of the names. Pure. */
export function compile(config: Config): Job[] {
  const slots = assignSlots(
    config.certs.map((c) => c.name),
    config.maxConcurrentRenewals,
  )
  const claims = [...config.certs].sort((a, b) => byBytes(a.name, b.name)).map((c) => [c, claimOf(c)] as const)
  const limitsOf = dealLimits(claims.map(([, claim]) => claim))
  const one = ([c, claim]: readonly [CertConfig, Claim]): Job => ({
    version: jobVersion,
    cert: c.name,
    domain: c.domain,
    names: claim.names,
    servers: servers(c, (directoryUrl) => limitsOf(claim, directoryUrl)),
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
  return claims.map(one)
}
