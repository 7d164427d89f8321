// What every DNS provider promises, and what it is lent for its work. A provider is one file in providers/, named as lego
// names it, with lego's variables, so that credentials that are there can be used unchanged.
import { NixacmeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Api } from './api.ts'
import type { RunHook } from './hook.ts'

/** One TXT record, as a CA wants to find it. */
export interface TxtRecord {
  /** Where it stands, CNAMEs followed: A-labels in lower case, without a dot at the end. */
  readonly name: string
  /** As it is looked up: without quotes. */
  readonly value: string
  /** Where the CA looks for it, before CNAMEs; unknown when it is taken away. */
  readonly sought?: string
  /** What it answers; for providers that hand that on. */
  readonly challenge: {
    /** The name that is proven, without the asterisk of a wildcard. */
    readonly domain: string
    readonly token: string
    readonly keyAuthorization: string
  }
}

/**
 * Puts records into a zone and takes them away. Between the two the process may have been killed: all that `cleanUp` knows
 * is the record. Neither touches other values of the same name. Both throw `refused` (76) where the provider says no,
 * `unavailable` (69) where it cannot be reached or answers nonsense, and the signal's reason when it is aborted.
 */
export interface DnsProvider {
  /** It is told the name that is proven only, and puts `_acme-challenge` before that itself: no label of an account fits in. */
  readonly makesNames?: boolean
  /** Adds the value beside those that are there; one that is there already is left as it is. */
  present(record: TxtRecord): Promise<void>
  /** Removes the value; one that is not there is no fault. */
  cleanUp(record: TxtRecord): Promise<void>
}

export interface Variable {
  /** As lego has it. Each may be given as `<name>_FILE` as well. */
  readonly name: string
  /** A few words: what it is. */
  readonly about: string
  /** No secret: it may be told in messages. */
  readonly isPublic?: boolean
  /** Needed in any case; else the notes say when. */
  readonly required?: boolean
  /** Other names of the same, the older ones of lego. */
  readonly aliases?: readonly string[]
}

/** Seconds; each may be changed by `<prefix>_TTL`, `<prefix>_PROPAGATION_TIMEOUT` and `<prefix>_POLLING_INTERVAL`. */
export interface Times {
  /** How long resolvers may keep the record. */
  readonly ttl: number
  /** How long the name servers may take to show it. */
  readonly propagationTimeout: number
  /** Between two looks. */
  readonly pollingInterval: number
}

export interface ProviderTools {
  /** The value of a variable, or of the file that `<name>_FILE` names; undefined where it is not set. */
  readonly variable: (name: string) => string | undefined
  /** HTTPS requests. */
  readonly api: Api
  /** Other programs. */
  readonly runHook: RunHook
  /** All variables that the certificate's files with credentials set: for programs that look for theirs themselves. */
  readonly credentials: () => Readonly<Record<string, string>>
  /** Somebody reads along, at a terminal. */
  readonly isAttended: boolean
  /** Seconds that resolvers may keep the record. */
  readonly ttl: number
  /** The zone that holds a name, as the DNS tells it. Throws `unavailable` (69). */
  readonly zoneOf: (name: string) => Promise<string>
  now(): Date
  readonly log: Log
  readonly signal: AbortSignal
}

export interface ProviderDefinition {
  /** Lego's name for it. */
  readonly name: string
  /** How it calls itself. */
  readonly title: string
  /** The public documentation that it was written from. */
  readonly documentation: string
  /** Of the variables of `Times`. */
  readonly prefix: string
  /** Lego's newer one for all variables: each is looked for under it first. */
  readonly newerPrefix?: string
  readonly times: Times
  readonly variables: readonly Variable[]
  /** What else the manual says of it, sentences: which variables go together, what the provider cannot do. */
  readonly notes?: readonly string[]
  /** How it was proven, a sentence for the manual: what was run, and what was not. */
  readonly verified: string
  /** Its changes to a zone cannot be made side by side. */
  readonly oneByOne?: boolean
  /** Reads the variables; nothing is sent yet. Throws `config` (78) for what is missing or makes no sense. */
  open(tools: ProviderTools): DnsProvider
}

/** The value of the first of these variables that is set. */
export function given({ variable }: Pick<ProviderTools, 'variable'>, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = variable(name)
    if (value !== undefined && value !== '') return value
  }
  return undefined
}

/** The same; throws `config` (78) where none is. */
export function wanted(tools: Pick<ProviderTools, 'variable'>, ...names: readonly string[]): string {
  const value = given(tools, ...names)
  if (value === undefined) throw missing(names)
  return value
}

/** `config` (78): a credential that is not there. `names` are alternatives. */
export const missing = (names: readonly string[]): NixacmeError =>
  new NixacmeError('config', `the variable ${names.map((name) => `'${name}'`).join(' or ')} is not set`, {
    hints: [
      `set it in the file that 'environmentFile' names, or give the file with its value as '${names[0]}_FILE' in 'credentialFiles'`,
    ],
  })

/**
 * A name within its zone: `_acme-challenge.www` for `_acme-challenge.www.example.com` in `example.com`; `apex` (by default
 * `@`) for the zone itself.
 */
export function withinZone(name: string, zone: string, apex = '@'): string {
  if (name === zone) return apex
  return name.endsWith(`.${zone}`) ? name.slice(0, -zone.length - 1) : name
}

/** The zones that may hold a name, the longest first: itself, then without its first label, and so on, but no top level. */
export function candidateZones(name: string): string[] {
  const labels = name.split('.')
  return labels.slice(0, -1).map((_, i) => labels.slice(i).join('.'))
}
