// What a test may change while the CA runs, with the defaults: a CA that does everything at once, so that request
// counts are exact.

export interface Settings {
  /** notBefore = the instant of issuance + offset (negative backdates), notAfter = notBefore + seconds; in seconds. */
  lifetime: { notBeforeOffsetSeconds: number; seconds: number }
  /** What a download holds: the leaf, and what follows it. */
  chain: 'intermediate' | 'with-root' | 'leaf-only'
  /** `http` fetches http-01 for real from 127.0.0.1:httpPort; `always` and `never` judge every type without looking. */
  validate: 'http' | 'always' | 'never'
  /** Where port 80 of every name is. */
  httpPort: number
  /** Offered in this order; of a type other than the three of RFC 8555 and 8737 no token is given. */
  challengeTypes: readonly string[]
  /** How many looks are in vain: at an authorization before its verdict, at an order before `ready`, before `valid`. */
  polls: { authz: number; ready: number; certificate: number }
  /** Retry-After (seconds from now) on everything that is pending or processing, as a number or as an HTTP date. */
  retryAfter: { seconds: number; as: 'seconds' | 'date' } | null
  /** A valid authorization serves later orders of the account too. */
  reuseAuthorizations: boolean
  /** Accounts must agree to terms of service. */
  terms: boolean
  /** HMAC keys (base64url) by key id, of which each new account must be bound to one; null: none is wanted. */
  externalAccounts: Readonly<Record<string, string>> | null
  /** Domain names by which CAA records mean this CA; []: the directory does not say. */
  caaIdentities: readonly string[]
  /**
   * Renewal information (RFC 9773): null, the CA has none. `window`: ISO 8601; by default as Boulder has it, two percent of
   * the lifetime, round two thirds of it. `retryAfter` in seconds, null: no such header.
   */
  renewalInfo: {
    window?: { start: string; end: string }
    explanationURL?: string
    retryAfter: number | null
  } | null
  /** How a second order that replaces the same certificate (RFC 9773 §5) is refused; null: it is not. */
  alreadyReplaced: { status: number; type: string } | null
  /** Names refused with rejectedIdentifier at newOrder, one subproblem each. */
  blocked: readonly string[]
}

export type SettingsChanges = Partial<Omit<Settings, 'lifetime' | 'polls'>> & {
  lifetime?: Partial<Settings['lifetime']>
  polls?: Partial<Settings['polls']>
}

const day = 86_400

export const defaultSettings = (): Settings => ({
  lifetime: { notBeforeOffsetSeconds: 0, seconds: 90 * day },
  chain: 'intermediate',
  validate: 'http',
  httpPort: 80,
  challengeTypes: ['http-01', 'dns-01', 'tls-alpn-01'],
  polls: { authz: 0, ready: 0, certificate: 0 },
  retryAfter: null,
  reuseAuthorizations: false,
  terms: true,
  externalAccounts: null,
  caaIdentities: [],
  renewalInfo: null,
  alreadyReplaced: null,
  blocked: [],
})

const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v)

/** `settings` with `changes` laid over it, `lifetime` and `polls` field by field. Throws TypeError for an unknown name. */
export function changed(settings: Settings, changes: SettingsChanges): Settings {
  const entries = Object.entries(changes).map(([key, value]) => {
    if (!(key in settings)) throw new TypeError(`unknown setting '${key}'`)
    const old: unknown = settings[key as keyof Settings]
    return [key, isRecord(old) && isRecord(value) ? { ...old, ...value } : value]
  })
  return { ...settings, ...Object.fromEntries(entries) }
}
