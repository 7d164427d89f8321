// Every option of the config, defined once: its type and check, default, and what it means. The types of `resolve.ts`, the
// JSON Schema and the test of the manual all come from these tables. Names, types and defaults are those of the NixOS
// module (contract 1.1, 1.2, 2.2); what is ours is marked so.
import type * as z from 'zod'
import { engines, keyTypes, letsEncrypt, lockPolicies, profilePolicies } from './config.ts'
import * as syntax from './syntax.ts'
import * as value from './values.ts'

export interface Option<T extends z.ZodType = z.ZodType> extends value.Kind<T> {
  readonly default: z.output<T>
  readonly description: string
}

export type Options = Readonly<Record<string, Option>>

/** The checked values of options that are given somewhere. */
export type Given<T extends Options> = { readonly [K in keyof T]?: z.output<T[K]['type']> }

/** A value for each option. */
export type Complete<T extends Options> = { readonly [K in keyof T]: z.output<T[K]['type']> }

const option = <T extends z.ZodType>(
  { type, kind }: value.Kind<T>,
  fallback: z.output<T>,
  description: string,
): Option<T> => ({ type, kind, default: fallback, description })

const flags = () => value.texts(syntax.withoutNul)
const orNull = () => value.nullableText(syntax.withoutNul)

/** May stand in `defaults` and in a certificate. */
export const inheritable = {
  server: option(
    value.nullableText(syntax.server, 'a URL'),
    letsEncrypt,
    "ACME directory URL of the CA; null: Let's Encrypt, with the account of a NixOS machine that never set one.",
  ),
  servers: option(
    value.texts(syntax.server, 'URLs'),
    [],
    'ACME directory URLs of CAs to ask one after the other, in place of server. Not an option of NixOS.',
  ),
  plainHttp: option(
    value.bool,
    false,
    'Whether a CA on this machine may be asked by plain http. Not an option of NixOS.',
  ),
  email: option(
    value.nullableText(syntax.email, 'an e-mail address'),
    null,
    'Contact address of the ACME account; each address is an account of its own.',
  ),
  keyType: option(value.oneOf(keyTypes), 'ec256', 'Kind of private key, of the certificate and of the account.'),
  group: option(value.text(syntax.group), 'acme', 'Group that may read key and certificate.'),
  webroot: option(
    value.nullableText(syntax.absolutePath, 'an absolute path'),
    null,
    'Folder that a web server serves on port 80 of every name: challenges go to .well-known/acme-challenge in it.',
  ),
  validMinDays: option(
    value.nullableWholeNumber(0, 36_500),
    null,
    'Renew when this many whole days or fewer are left; null: when a third of the lifetime is left, or the CA says so.',
  ),
  postRun: option(
    value.text(syntax.withoutNul),
    '',
    "Shell commands, run as root in the certificate's folder after a new certificate went live.",
  ),
  reloadServices: option(
    value.texts(syntax.unitName, 'unit names'),
    [],
    'Units to reload or restart after a new certificate went live, if they run.',
  ),
  caCertificates: option(
    value.texts(syntax.absolutePath, 'absolute paths'),
    [],
    "PEM files with further roots to trust for the CA's own HTTPS. Not an option of NixOS.",
  ),
  enableDebugLogs: option(value.bool, true, 'Accepted without effect: the log always says what is done.'),
  renewInterval: option(
    value.text(syntax.calendar, 'a calendar expression'),
    'daily',
    'When the timer starts the renewal, as systemd.time(7) has it.',
  ),
  renewJitter: option(
    value.text(syntax.timeSpan, 'a time span'),
    '24h',
    'Random delay of the timer, the same one each time (systemd.time(7)).',
  ),
  dnsProvider: option(
    value.nullableText(syntax.dnsProvider, 'a DNS provider'),
    null,
    'DNS-01: the service that holds the zone (nixacme-dns(7)).',
  ),
  dnsResolver: option(
    value.nullableText(syntax.hostAndPort, 'host:port'),
    null,
    'DNS-01: resolver, as host:port, to look up names with.',
  ),
  dnsPropagationCheck: option(value.bool, true, 'DNS-01: wait until the record is seen.'),
  dnsAccountLabel: option(
    value.bool,
    false,
    'Prove names by DNS-ACCOUNT-01, with records below a label of the ACME account, in place of DNS-01. Not an option of NixOS.',
  ),
  dnsPersist: option(
    value.nullableText(syntax.issuerDomain, "a CA's domain name"),
    null,
    'DNS-PERSIST-01: domain name of the CA, as it stands in TXT records that are made once, by hand. Not an option of NixOS.',
  ),
  environmentFile: option(
    value.nullableText(syntax.secretPath, 'an absolute path'),
    null,
    'File of variables for the environment of the renewal.',
  ),
  credentialFiles: option(
    value.pathTable(syntax.secretPath, syntax.fileVariable),
    {},
    'Variables, named …_FILE or …_PATH, each with the file that it stands for.',
  ),
  listenHTTP: option(
    value.nullableText(syntax.listenAddress, 'an address'),
    null,
    'HTTP-01: address, as [host]:port or an absolute path, to listen on.',
  ),
  listenTLS: option(
    value.nullableText(syntax.listenAddress, 'an address'),
    null,
    'TLS-ALPN-01: address, as [host]:port or an absolute path, to listen on. Not an option of NixOS.',
  ),
  ocspMustStaple: option(value.bool, false, 'Ask for the must-staple extension (RFC 7633).'),
  profile: option(
    value.nullableTextOrTexts(syntax.profile, 'a profile'),
    null,
    "The CA's certificate profile to order, or several that will do, best first.",
  ),
  profilePolicy: option(
    value.oneOf(profilePolicies),
    'required',
    'Whether to order without a profile where the CA offers none of these. Not an option of NixOS.',
  ),
  preferredChain: option(
    orNull(),
    null,
    'Common name of the issuer at the end of the chain to choose, where the CA offers several. Not an option of NixOS.',
  ),
  keyReuse: option(
    value.bool,
    false,
    'Whether a renewal keeps the private key instead of making a new one. Not an option of NixOS.',
  ),
  notAfter: option(
    value.nullableDuration(syntax.durationSeconds, 1),
    null,
    'How long the certificate is to live; null: as the CA likes. Not an option of NixOS.',
  ),
  orderTimeout: option(
    value.duration(syntax.durationSeconds, 1),
    '10m',
    'How long an order may take, with all its waits. Not an option of NixOS.',
  ),
  engine: option(
    value.oneOf(engines),
    'native',
    'Who speaks with the CA: nixacme itself, or the lego that is installed. Not an option of NixOS.',
  ),
  legoPath: option(
    value.nullableText(syntax.absolutePath, 'an absolute path'),
    null,
    'The program lego; null: found in PATH. Not an option of NixOS.',
  ),
  extraLegoFlags: option(flags(), [], 'Further options for each call of lego.'),
  extraLegoRunFlags: option(flags(), [], 'Further options for lego run.'),
  extraLegoRenewFlags: option(flags(), [], 'Further options for lego renew.'),
} satisfies Options

/** May stand in a certificate only. */
export const certOnly = {
  domain: option(
    value.nullableText(syntax.domain, 'a DNS name or an IP address'),
    null,
    "First name of the certificate; null: the certificate's own name under certs.",
  ),
  extraDomainNames: option(
    value.texts(syntax.identifier, 'DNS names and IP addresses'),
    [],
    'Further names of the certificate, in this order.',
  ),
  inheritDefaults: option(value.bool, true, 'Whether the values of defaults hold for this certificate.'),
  s3Bucket: option(orNull(), null, 'HTTP-01: S3 bucket to put challenges into.'),
  challenges: option(
    value.challengeTable({
      webroot: syntax.absolutePath,
      listenHTTP: syntax.listenAddress,
      listenTLS: syntax.listenAddress,
      dnsProvider: syntax.dnsProvider,
      s3Bucket: syntax.withoutNul,
      dnsPersist: syntax.issuerDomain,
    }),
    {},
    'Names that are proven in another way than the others, each with a table of one of webroot, listenHTTP, listenTLS, dnsProvider, s3Bucket and dnsPersist. Not an option of NixOS.',
  ),
  csr: option(
    value.nullableText(syntax.absolutePath, 'an absolute path'),
    null,
    'File with a certificate request to use.',
  ),
  csrKey: option(value.nullableText(syntax.absolutePath, 'an absolute path'), null, 'File with the key of csr.'),
} satisfies Options

/** At the top level, beside `defaults` and `certs`. */
export const global = {
  acceptTerms: option(value.bool, false, "Whether you accept the CA's terms of service; required to be true."),
  maxConcurrentRenewals: option(
    value.wholeNumber(-65_535, 65_535),
    5,
    'How many renewals may run at once; 0 or less: any number.',
  ),
  lockPolicy: option(
    value.oneOf(lockPolicies),
    'home',
    'Slot a renewal runs in: only its own, or any that is free. Not an option of NixOS.',
  ),
  lockTimeout: option(
    value.nullableDuration(syntax.durationSeconds, 0),
    null,
    'How long to wait for a slot; null: as long as it takes. Not an option of NixOS.',
  ),
  useRoot: option(value.bool, false, 'Whether renewals run as root instead of user acme.'),
  preliminarySelfsigned: option(
    value.bool,
    true,
    'Whether services get a self-signed certificate until the first real one is there.',
  ),
} satisfies Options

/** Options of `defaults` that older configs have at the top level (contract 1.1, 2.2): the same types, same meaning. */
export const forwarded = ['email', 'server', 'validMinDays', 'renewInterval', 'enableDebugLogs'] as const

export const certificate = { ...inheritable, ...certOnly }
