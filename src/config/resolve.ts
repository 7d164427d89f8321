// Documents → Config: sections checked, old global options moved into defaults, defaults and built-in values filled in.
import { isDeepStrictEqual } from 'node:util'
import { byBytes } from '../job/slots.ts'
import { assertCertificate, assertTerms, assertUnitNames, assertWebroots } from './assertions.ts'
import { assertServers, warnOfTwins } from './assertions-of-cas.ts'
import { assertRoots } from './ca-certificates.ts'
import type { Candidate } from './candidate.ts'
import { challengeGroups } from './challenges.ts'
import type { CertConfig, Config } from './config.ts'
import type { Findings } from './faults.ts'
import { meantByFlags } from './lego-flags.ts'
import { merge, whereOf } from './merge.ts'
import { type Complete, certificate, forwarded, type Given, global, inheritable, type Options } from './options.ts'
import type { Files } from './read.ts'
import { readSection, type Section } from './section.ts'
import { durationSeconds } from './syntax.ts'

const builtIn = <T extends Options>(options: T): Complete<T> =>
  Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.default])) as Complete<T>

const builtInGlobal = builtIn(global)
const builtInCertificate = builtIn(certificate)

const older = Object.fromEntries(forwarded.map((name) => [name, inheritable[name]])) as Pick<
  typeof inheritable,
  (typeof forwarded)[number]
>
const topLevel = { ...global, ...older }

/** Throws ConfigError with all faults that `findings` and the resolving itself gathered. */
export function resolve({ main, documents, sources }: Files, findings: Findings): Config {
  const merged = merge(main, documents, findings)
  const top = readSection(merged.global, 'global', topLevel, findings)
  const defaults = withOlder(readSection(merged.defaults, 'defaults', inheritable, findings), top, findings)
  const certs = [...merged.certs]
    .sort(([a], [b]) => byBytes(a, b))
    .map(([name, raw]) => [name, readSection(raw, 'cert', certificate, findings)] as const)
  const candidates = certs.map(([name, section]) => candidate(name, section, defaults, top))
  for (const section of [defaults, ...certs.map(([, own]) => own)]) assertServers(section, findings)
  assertRoots([merged.global, merged.defaults, ...merged.certs.values()], findings)
  // With a file missing, what the others lack says nothing.
  if (documents.every(({ root }) => root !== undefined)) {
    assertTerms(top, merged.certs.size, findings)
    for (const one of candidates) assertCertificate(one, findings)
    assertUnitNames(candidates, findings)
    assertWebroots(candidates, findings)
    warnOfTwins(candidates, findings)
  }
  findings.throwIfAny(documents.map(({ file }) => file))
  const all = { ...builtInGlobal, ...top.values }
  return {
    sources,
    maxConcurrentRenewals: all.maxConcurrentRenewals,
    lockPolicy: all.lockPolicy,
    lockTimeout: all.lockTimeout === null ? null : (durationSeconds(all.lockTimeout) ?? null),
    useRoot: all.useRoot,
    preliminarySelfsigned: all.preliminarySelfsigned,
    certs: candidates.map(certConfig),
    warnings: findings.warnings,
  }
}

/** A dump of a NixOS config has the old global options and the defaults they became, with one value. */
function withOlder(
  defaults: Section<typeof inheritable>,
  top: Section<typeof topLevel>,
  findings: Findings,
): Section<typeof inheritable> {
  const values: Record<string, unknown> = { ...defaults.values }
  const faulty = new Set(defaults.faulty)
  for (const name of forwarded) {
    const given = top.raw.options.get(name)
    if (!given) continue
    const now = defaults.raw.options.get(name)
    if (top.faulty.has(name)) faulty.add(name)
    else if (!now) values[name] = top.values[name]
    else if (!faulty.has(name) && !isDeepStrictEqual(values[name], top.values[name]))
      findings.fault(
        { file: given.file, at: given.keyAt, path: [name] },
        `'${name}' is the older place of defaults.${name}, which ${whereOf(now)} sets to another value`,
        'keep the one in defaults',
      )
  }
  return { ...defaults, values: values as Given<typeof inheritable>, faulty }
}

function candidate(
  name: string,
  own: Section<typeof certificate>,
  defaults: Section<typeof inheritable>,
  top: Section<typeof topLevel>,
): Candidate {
  const inherits = own.values.inheritDefaults ?? true
  const inherited = { ...builtInCertificate, ...(inherits ? defaults.values : {}) }
  const options = { ...inherited, ...own.values }
  // The one CA of a certificate's own takes the place of several that it would inherit.
  if (own.values.server !== undefined && own.values.servers === undefined) options.servers = []
  const faulty = new Set(own.faulty)
  if (inherits) for (const key of defaults.faulty) if (!own.raw.options.has(key)) faulty.add(key)
  // Before there were defaults, null in a certificate meant the global server (contract 1.2); every dump of then has it.
  const oldStyle = defaults.raw.options.size === 0 && options.server === null && top.values.server !== undefined
  return {
    name,
    raw: own.raw,
    defaults: inherits ? defaults.raw : { ...defaults.raw, options: new Map() },
    older: inherits ? top.raw : { ...top.raw, options: new Map() },
    options: oldStyle && inherits ? { ...options, server: top.values.server ?? null } : options,
    inherited,
    faulty,
  }
}

function certConfig({ name, options: given }: Candidate): CertConfig {
  const options = { ...given, ...meantByFlags(given) }
  return {
    name,
    domain: options.domain ?? name,
    extraDomainNames: options.extraDomainNames,
    server: options.servers[0] ?? options.server,
    servers: options.servers,
    plainHttp: options.plainHttp,
    email: options.email,
    keyType: options.keyType,
    group: options.group,
    challenges: challengeGroups(name, options),
    validMinDays: options.validMinDays === '' ? null : options.validMinDays,
    postRun: options.postRun,
    reloadServices: options.reloadServices,
    caCertificates: options.caCertificates,
    renewInterval: options.renewInterval,
    renewJitter: options.renewJitter,
    environmentFile: options.environmentFile || null,
    credentialFiles: options.credentialFiles,
    profiles: [options.profile ?? []].flat(),
    profilePolicy: options.profilePolicy,
    ocspMustStaple: options.ocspMustStaple,
    csr: options.csr === null || options.csrKey === null ? null : { request: options.csr, key: options.csrKey },
    preferredChain: options.preferredChain,
    keyReuse: options.keyReuse,
    notAfter: options.notAfter === null ? null : (durationSeconds(options.notAfter) ?? null),
    orderTimeout: durationSeconds(options.orderTimeout) ?? 0,
    engine: engineOf(options),
    dnsProvider: options.dnsProvider,
    extraLegoFlags: options.extraLegoFlags,
    extraLegoRunFlags: options.extraLegoRunFlags,
    extraLegoRenewFlags: options.extraLegoRenewFlags,
    written: {
      ocspMustStaple: given.ocspMustStaple,
      profile: [given.profile ?? []].flat().join(' ') || null,
    },
  }
}

function engineOf({ engine, legoPath, extraLegoFlags, extraLegoRunFlags, extraLegoRenewFlags }: Candidate['options']) {
  if (engine === 'native') return { kind: engine }
  return {
    kind: engine,
    path: legoPath,
    flags: { all: extraLegoFlags, run: extraLegoRunFlags, renew: extraLegoRenewFlags },
  }
}
