// `nixacme check`: judges the config, all faults at once. Reads it as every command does, so what holds here holds there.
import { resolve } from 'node:path'
import { type CertConfig, type Challenge, type Config, directoriesOf } from '../config/config.ts'
import { ConfigError, sayFaults } from '../config/faults.ts'
import { loadConfig } from '../config/load.ts'
import { dropInDir } from '../config/sources.ts'
import { exitStatuses, NixacmeError, unreachable } from '../errors.ts'
import type { Host } from '../host.ts'
import { findLego } from '../job/lego.ts'
import { identifiers } from '../job/names.ts'
import { type Log, printable } from '../log.ts'

export interface CheckOptions {
  readonly config: string
  /** Whether the path was named by the user. */
  readonly explicitConfig: boolean
  readonly json: boolean
}

/**
 * A line for each certificate and a summary on stdout, or one object with `json`; faults and warnings on stderr. Gives
 * the exit status: 0, 78, or 77 when a file may not be read.
 */
export async function check(
  { config: path, explicitConfig, json }: CheckOptions,
  host: Host,
  log: Log,
): Promise<number> {
  const result = judge(path, explicitConfig)
  const failed = result instanceof ConfigError
  for (const warning of result.warnings) log.warning(warning)
  if (!failed) sayMissingLego(result, host, log)
  if (failed) sayFaults(log, result)
  if (json) {
    const { faults, certs } = failed ? { faults: result.faults, certs: [] } : { faults: [], certs: result.certs }
    const answer = { ok: !failed, faults, warnings: result.warnings, certs: certs.map(asJson) }
    host.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  } else if (!failed) host.stdout.write(summary(result, dropInDir(resolve(path))))
  return failed ? result.exitStatus : exitStatuses.ok
}

/** No fault of the config: it may be judged on another machine than it is for. */
function sayMissingLego({ certs }: Config, { env }: Host, log: Log): void {
  const paths = new Set(certs.flatMap(({ engine }) => (engine.kind === 'lego' ? [engine.path] : [])))
  for (const path of paths)
    try {
      findLego(path, env['PATH'])
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      log.warning(e.message, e.hints)
    }
}

function judge(path: string, explicit: boolean): Config | ConfigError {
  try {
    return loadConfig(path, explicit)
  } catch (e) {
    if (e instanceof ConfigError) return e
    throw e
  }
}

function summary(config: Config, dir: string): string {
  const read = config.sources.filter(({ path, stamp }) => stamp !== null && path !== dir).map(({ path }) => path)
  const dropIns = read.length - 1
  const certs = config.certs.length
  const certificates = certs === 1 ? '1 certificate' : `${certs === 0 ? 'no' : certs} certificates`
  const more = dropIns === 0 ? '' : ` and ${dropIns === 1 ? '1 file' : `${dropIns} files`} in ${dir}`
  return `${config.certs.map(line).join('')}${read[0]}${more}: ${certificates}, no faults\n`
}

/** `name: names; ec256 from CA, else from CA, profile one or another, challenges in folder` */
function line(cert: CertConfig): string {
  const names = identifiers([cert.domain, ...cert.extraDomainNames]).join(' ')
  const key = cert.csr === null ? cert.keyType : `request ${cert.csr.request}`
  const cas = cert.server === null || cert.server === '' ? '' : ` from ${directoriesOf(cert).join(', else from ')}`
  const policy = cert.profilePolicy === 'preferred' ? ' if offered' : ''
  const profile = cert.profiles.length === 0 ? '' : `, profile ${cert.profiles.join(' or ')}${policy}`
  const engine = cert.engine.kind === 'lego' ? ', by lego' : ''
  return `${printable(`${cert.name}: ${names}; ${key}${cas}${profile}, ${ways(cert)}${engine}`)}\n`
}

/** `challenges in folder`; where there are several ways, each with its names. */
function ways({ challenges }: CertConfig): string {
  const [first] = challenges
  if (challenges.length === 1 && first) return challengeWords(first.challenge)
  return challenges.map(({ challenge, names }) => `${names.join(' ')}: ${challengeWords(challenge)}`).join('; ')
}

function challengeWords(challenge: Challenge): string {
  switch (challenge.kind) {
    case 'webroot':
      return `challenges in ${challenge.webroot}`
    case 'listen-http':
      return `challenges by HTTP on ${challenge.address}`
    case 'listen-tls':
      return `challenges by TLS on ${challenge.address}`
    case 's3':
      return `challenges in bucket ${challenge.bucket}`
    case 'dns':
      return `challenges in DNS by ${challenge.provider}${challenge.accountLabel ? ', below a label of the account' : ''}`
    case 'dns-persist':
      return `standing DNS records for ${challenge.issuer}`
    default:
      return unreachable(challenge)
  }
}

/** Without postRun: hooks now and then hold what is nobody's business. */
const asJson = (cert: CertConfig) => ({
  name: cert.name,
  domain: cert.domain,
  extraDomainNames: cert.extraDomainNames,
  names: identifiers([cert.domain, ...cert.extraDomainNames]),
  server: cert.server,
  servers: directoriesOf(cert),
  plainHttp: cert.plainHttp,
  email: cert.email,
  keyType: cert.keyType,
  group: cert.group,
  challenges: cert.challenges,
  validMinDays: cert.validMinDays,
  profiles: cert.profiles,
  profilePolicy: cert.profilePolicy,
  ocspMustStaple: cert.ocspMustStaple,
  csr: cert.csr,
  preferredChain: cert.preferredChain,
  keyReuse: cert.keyReuse,
  notAfter: cert.notAfter,
  orderTimeout: cert.orderTimeout,
  engine: cert.engine.kind,
  reloadServices: cert.reloadServices,
  caCertificates: cert.caCertificates,
})
