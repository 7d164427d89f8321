// The checked config: what `read` + `resolve` make of the files, and all that the compile step needs to know.

export const keyTypes = ['ec256', 'ec384', 'rsa2048', 'rsa3072', 'rsa4096', 'rsa8192'] as const
export type KeyType = (typeof keyTypes)[number]

export const lockPolicies = ['home', 'any'] as const
export type LockPolicy = (typeof lockPolicies)[number]

export const profilePolicies = ['required', 'preferred'] as const
export type ProfilePolicy = (typeof profilePolicies)[number]

export const engines = ['native', 'lego'] as const

/** Who speaks with the CA. */
export type Engine =
  | { readonly kind: 'native' }
  /** `path` null: found in PATH. */
  | { readonly kind: 'lego'; readonly path: string | null; readonly flags: LegoFlags }

/** The options extraLegoFlags, extraLegoRunFlags and extraLegoRenewFlags. */
export interface LegoFlags {
  readonly all: readonly string[]
  readonly run: readonly string[]
  readonly renew: readonly string[]
}

/** A certificate request of one's own: absolute paths of the request and of its key. */
export interface OwnRequest {
  readonly request: string
  readonly key: string
}

/** How the CA is shown control over names. */
export type Challenge =
  /** http-01, with files in a folder that a web server serves. */
  | { readonly kind: 'webroot'; readonly webroot: string }
  /** http-01, by a listener of our own: `:80`, `[::1]:8080`. */
  | { readonly kind: 'listen-http'; readonly address: string }
  /** tls-alpn-01, likewise. */
  | { readonly kind: 'listen-tls'; readonly address: string }
  /** http-01, with objects in a bucket. */
  | { readonly kind: 's3'; readonly bucket: string }
  | {
      readonly kind: 'dns'
      readonly provider: string
      /** `host:port` to look up names with; null: the system's. */
      readonly resolver: string | null
      /** Whether the record must be seen before the CA is told. */
      readonly propagationCheck: boolean
      /** dns-account-01 in place of dns-01: the record stands below a label of the account. */
      readonly accountLabel?: true
    }
  /** dns-persist-01: TXT records that are there for good, made by hand. */
  | {
      readonly kind: 'dns-persist'
      /** The CA's domain name in them, as A-labels. */
      readonly issuer: string
      readonly resolver: string | null
      /** Whether they are looked at before anything is ordered. */
      readonly propagationCheck: boolean
    }

/** The identifiers (A-labels, addresses) that are shown in one way. */
export interface ChallengeGroup {
  readonly challenge: Challenge
  readonly names: readonly string[]
}

/** The folders that a web server serves, each once. */
export const webrootsOf = (groups: readonly ChallengeGroup[]): string[] => [
  ...new Set(groups.flatMap(({ challenge }) => (challenge.kind === 'webroot' ? [challenge.webroot] : []))),
]

/** One certificate with every option resolved: its own value, else that of `defaults`, else the built-in one. */
export interface CertConfig {
  readonly name: string
  readonly domain: string
  readonly extraDomainNames: readonly string[]
  /** Directory URL as written (it feeds the hashes); null or '' is the module's `null`: Let's Encrypt. */
  readonly server: string | null
  /** CAs to ask one after the other, the first of them `server`; [] where there is only that one. */
  readonly servers: readonly string[]
  /** Whether a CA on this machine may be asked by plain http. */
  readonly plainHttp: boolean
  readonly email: string | null
  readonly keyType: KeyType
  readonly group: string
  /** Together they hold every identifier once. */
  readonly challenges: readonly ChallengeGroup[]
  /** Whole days, or null: a share of the lifetime decides. */
  readonly validMinDays: number | null
  readonly postRun: string
  readonly reloadServices: readonly string[]
  /** Absolute paths of PEM files with further roots to trust for the CA's own HTTPS. */
  readonly caCertificates: readonly string[]
  /** When the timer starts the renewal: a calendar expression of systemd.time(7). */
  readonly renewInterval: string
  /** Random delay of the timer: a time span of systemd.time(7). */
  readonly renewJitter: string
  /** Absolute path of a file of variables, or null. */
  readonly environmentFile: string | null
  /** Absolute paths by variable, which ends in _FILE or _PATH. */
  readonly credentialFiles: Readonly<Record<string, string>>
  /** Profiles that will do, best first; []: whatever the CA gives. */
  readonly profiles: readonly string[]
  readonly profilePolicy: ProfilePolicy
  readonly ocspMustStaple: boolean
  readonly csr: OwnRequest | null
  readonly preferredChain: string | null
  readonly keyReuse: boolean
  /** Seconds of life to ask for, or null: as the CA likes. */
  readonly notAfter: number | null
  /** Seconds that an order may take with all its waits. */
  readonly orderTimeout: number
  readonly engine: Engine
  /** These feed the hashes only: options as they were written. */
  readonly dnsProvider: string | null
  readonly extraLegoFlags: readonly string[]
  readonly extraLegoRunFlags: readonly string[]
  readonly extraLegoRenewFlags: readonly string[]
  /** Likewise, of what flags of lego may have said, too. */
  readonly written: { readonly ocspMustStaple: boolean; readonly profile: string | null }
}

/** A file or folder that the config was read from, and how it looked then; `stamp` null: it was not there. */
export interface ConfigSource {
  readonly path: string
  readonly stamp: string | null
}

export interface Config {
  readonly sources: readonly ConfigSource[]
  readonly maxConcurrentRenewals: number
  readonly lockPolicy: LockPolicy
  /** Seconds to wait for a slot, or null: as long as it takes. */
  readonly lockTimeout: number | null
  readonly useRoot: boolean
  readonly preliminarySelfsigned: boolean
  /** In byte order of the names. */
  readonly certs: readonly CertConfig[]
  /** What is to be said though the config holds: renamed options, one sentence each. */
  readonly warnings: readonly string[]
}

export const letsEncrypt = 'https://acme-v02.api.letsencrypt.org/directory'

/** Directory URLs of the CAs that are asked, in order; at least one. */
export const directoriesOf = ({ server, servers }: Pick<CertConfig, 'server' | 'servers'>): readonly string[] =>
  servers.length > 0 ? servers : [server || letsEncrypt]
