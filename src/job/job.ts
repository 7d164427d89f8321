// A job is all that the run phase needs to know of one certificate: made from the config by compile.ts, kept as
// `<jobs>/<cert>.json`, read by `renew` with a light check (the strict one was the config's).
import type {
  ChallengeGroup,
  ConfigSource,
  Engine,
  KeyType,
  LockPolicy,
  OwnRequest,
  ProfilePolicy,
} from '../config/config.ts'
import { messageOf, NixacmeError } from '../errors.ts'
import { readTextIfThere } from '../fs.ts'
import type { Limits } from './limits.ts'
import { type CertPaths, certPaths, jobPath, noEmail, type Roots } from './paths.ts'

export const jobVersion = 3

/** One CA that a certificate may come from. */
export interface JobServer {
  readonly directoryUrl: string
  /** The folders of its account and of the certificates that it issued. */
  readonly hashes: { readonly account: string; readonly certDir: string }
  readonly limits: Limits
}

export interface Job {
  readonly version: typeof jobVersion
  readonly cert: string
  readonly domain: string
  /** The identifiers of the order: domain first, then the extra names, as A-labels in lower case, duplicates dropped. */
  readonly names: readonly string[]
  /** The first is asked, the others one after the other where it fails for good; at least one. */
  readonly servers: readonly [JobServer, ...JobServer[]]
  readonly plainHttp: boolean
  readonly email: string | null
  readonly keyType: KeyType
  readonly group: string
  readonly useRoot: boolean
  /** How each name is proven: together they hold every one. */
  readonly challenges: readonly ChallengeGroup[]
  readonly validMinDays: number | null
  readonly postRun: string
  readonly reloadServices: readonly string[]
  readonly caCertificates: readonly string[]
  /** Files with secrets, by path: of variables, and by variable (nixacme-config(5)). In a unit systemd reads them. */
  readonly environmentFile: string | null
  readonly credentialFiles: Readonly<Record<string, string>>
  /** `home` null: no limit. `timeout` in seconds, null: as long as it takes. */
  readonly lock: {
    readonly home: number | null
    readonly slots: number
    readonly policy: LockPolicy
    readonly timeout: number | null
  }
  readonly keyName: string
  readonly domainHash: string
  /** Best first; []: whatever the CA gives. */
  readonly profiles: readonly string[]
  readonly profilePolicy: ProfilePolicy
  readonly mustStaple: boolean
  readonly csr: OwnRequest | null
  readonly preferredChain: string | null
  readonly keyReuse: boolean
  /** Seconds of life to ask for; null: as the CA likes. */
  readonly notAfter: number | null
  /** Seconds that an order may take with all its waits. */
  readonly orderTimeout: number
  readonly engine: Engine
  readonly sources: readonly ConfigSource[]
}

/** Where a job's files are, as far as one CA is concerned: the first unless told. */
export const pathsOf = (roots: Roots, job: Job, server: JobServer = job.servers[0]): CertPaths =>
  certPaths(roots, {
    cert: job.cert,
    keyName: job.keyName,
    certDirHash: server.hashes.certDir,
    accountHash: server.hashes.account,
    directoryUrl: server.directoryUrl,
    accountName: job.email ?? noEmail,
  })

/** The text of a job file. */
export const renderJob = (job: Job): string => `${JSON.stringify(job, null, 2)}\n`

/** What each field must be; the check is light, and complete enough that no later code meets a surprise. */
type Check = (v: unknown) => boolean
const isString: Check = (v) => typeof v === 'string'
const isNumber: Check = (v) => typeof v === 'number'
const isBoolean: Check = (v) => typeof v === 'boolean'
const orNull =
  (isOne: Check): Check =>
  (v) =>
    v === null || isOne(v)
const listOf =
  (isOne: Check, least = 0): Check =>
  (v) =>
    Array.isArray(v) && v.length >= least && v.every(isOne)
const isStrings = listOf(isString)
const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v)
const hasStrings = (v: unknown, ...keys: string[]) => isRecord(v) && keys.every((k) => isString(v[k]))
const hasCounts = (v: unknown, ...keys: string[]) =>
  isRecord(v) && keys.every((k) => isNumber(v[k]) && Number(v[k]) >= 1)
const isServer = (v: unknown) =>
  hasStrings(v, 'directoryUrl') &&
  URL.canParse((v as JobServer).directoryUrl) &&
  hasStrings((v as JobServer).hashes, 'account', 'certDir') &&
  hasCounts((v as JobServer).limits, 'orders', 'validations')

const isGroup = (v: unknown) =>
  isRecord(v) && isStrings(v['names']) && hasStrings(v['challenge'], 'kind', ...challengeFields(v['challenge']))
/** What a challenge of this kind names. */
const challengeFields = (v: unknown): string[] =>
  isRecord(v) ? (texts.get(String(v['kind'])) ?? ['unknown kind']) : []
const texts = new Map([
  ['webroot', ['webroot']],
  ['listen-http', ['address']],
  ['listen-tls', ['address']],
  ['s3', ['bucket']],
  ['dns', ['provider']],
  ['dns-persist', ['issuer']],
])

const isEngine = (v: unknown) => {
  if (!hasStrings(v, 'kind')) return false
  const { kind, path, flags } = v as { kind: string; path?: unknown; flags?: unknown }
  if (kind !== 'lego') return kind === 'native'
  const lists = isRecord(flags) ? [flags['all'], flags['run'], flags['renew']] : [undefined]
  return orNull(isString)(path) && lists.every(isStrings)
}

const fields: Record<keyof Job, Check> = {
  version: (v) => v === jobVersion,
  cert: isString,
  domain: isString,
  names: listOf(isString, 1),
  servers: listOf(isServer, 1),
  plainHttp: isBoolean,
  email: orNull(isString),
  keyType: isString,
  group: isString,
  useRoot: isBoolean,
  challenges: listOf(isGroup, 1),
  validMinDays: orNull(isNumber),
  postRun: isString,
  reloadServices: isStrings,
  caCertificates: isStrings,
  environmentFile: orNull(isString),
  credentialFiles: (v) => isRecord(v) && Object.values(v).every(isString),
  lock: (v) =>
    isRecord(v) &&
    orNull(isNumber)(v['home']) &&
    isNumber(v['slots']) &&
    isString(v['policy']) &&
    orNull(isNumber)(v['timeout']),
  keyName: (v) => isString(v) && !(v as string).includes('/'),
  domainHash: isString,
  profiles: isStrings,
  profilePolicy: isString,
  mustStaple: isBoolean,
  csr: orNull((v) => hasStrings(v, 'request', 'key')),
  preferredChain: orNull(isString),
  keyReuse: isBoolean,
  notAfter: orNull(isNumber),
  orderTimeout: isNumber,
  engine: isEngine,
  sources: listOf((v) => hasStrings(v, 'path') && orNull(isString)((v as ConfigSource).stamp)),
}

/**
 * Reads `<jobs>/<cert>.json`. Undefined when there is none. Throws `data` (65) when it is not a job of this certificate
 * and version, `permission` (77) when it may not be read.
 */
export function readJob(roots: Roots, cert: string): Job | undefined {
  const path = jobPath(roots, cert)
  const again = ["run 'nixacme apply' to write the jobs anew"]
  const text = readTextIfThere(path)
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new NixacmeError('data', `job file '${path}' is not JSON: ${messageOf(cause)}`, { cause, hints: again })
  }
  if (!isRecord(value)) throw new NixacmeError('data', `job file '${path}' holds no object`, { hints: again })
  const wrong = Object.entries(fields).find(([key, ok]) => !ok(value[key]))?.[0]
  if (wrong === 'version')
    throw new NixacmeError(
      'data',
      `job file '${path}' has ${value['version'] === undefined ? 'no version' : `version ${JSON.stringify(value['version'])}`}, this nixacme reads ${jobVersion}`,
      { hints: again },
    )
  if (wrong)
    throw new NixacmeError('data', `job file '${path}' is not a job: '${wrong}' is missing or wrong`, { hints: again })
  const job = value as unknown as Job
  if (job.cert !== cert)
    throw new NixacmeError('data', `job file '${path}' is the job of '${job.cert}', not of '${cert}'`, { hints: again })
  return job
}

/** True when a text is a job of this certificate, of whatever version: what `apply` once wrote, and may remove. */
export function isJobOf(text: string, cert: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return (
      isRecord(value) && value['cert'] === cert && typeof value['version'] === 'number' && isString(value['keyName'])
    )
  } catch {
    return false
  }
}
