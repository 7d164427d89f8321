// What a CA may say, as types, and the readers through which every answer enters: nothing behind them meets a surprise.

import { isSecure } from '../url.ts'
import { asProblem, longestName, type Problem } from './problem.ts'

/** RFC 8555 §7.1.1, as far as it is used here. */
export interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  readonly revokeCert: string | undefined
  readonly keyChange: string | undefined
  /** RFC 9773 §4.1 */
  readonly renewalInfo: string | undefined
  /** Names of the profiles offered; empty where the CA has none. */
  readonly profiles: readonly string[]
  readonly termsOfService: string | undefined
  readonly externalAccountRequired: boolean
  /** Domain names by which CAA records mean this CA (RFC 8555 §7.1.1). */
  readonly caaIdentities: readonly string[]
}

/** RFC 8555 §7.1.2; `orders` is kept only because lego writes it down. */
export interface AccountObject {
  readonly status: string
  readonly contact: readonly string[]
  readonly orders: string | undefined
}

const orderStatuses = ['pending', 'ready', 'processing', 'valid', 'invalid'] as const
export type OrderStatus = (typeof orderStatuses)[number]

/** RFC 8555 §7.1.3 */
export interface Order {
  readonly status: OrderStatus
  readonly authorizations: readonly string[]
  readonly finalize: string
  readonly certificate: string | undefined
  /** When the CA gives it up, where it says so. */
  readonly expires: Date | undefined
  readonly error: Problem | undefined
}

const authorizationStatuses = ['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked'] as const

/** RFC 8555 §7.1.4 */
export interface Authorization {
  readonly status: (typeof authorizationStatuses)[number]
  /** The name; a wildcard's without its `*.`. */
  readonly name: string
  /** Of a wildcard, as far as the CA says so. */
  readonly isWildcard: boolean
  readonly challenges: readonly ChallengeObject[]
}

/** RFC 9773 §4.2: `start` before `end`. */
export interface RenewalInfo {
  readonly window: { readonly start: Date; readonly end: Date }
  readonly explanationUrl: string | undefined
}

/** RFC 8555 §8. Types that are not known here are kept too: `token` is not theirs to have. */
export interface ChallengeObject {
  readonly type: string
  readonly url: string
  readonly token: string | undefined
  /** Of dns-persist-01: domain names of the CA, one of which the record must name. */
  readonly issuers: readonly string[]
  /** `pending` until it is answered, then `processing`. */
  readonly status: string | undefined
  readonly error: Problem | undefined
}

/** Characters; it stands in messages. */
const longestPage = 500

/** A CA has a handful. */
const mostProfiles = 50
/** What is longer is no name that anybody writes into a config; they are kept on disk. */
const isShort = (name: string): boolean => name.length <= 100

/** Why an answer is not what it should be, as the end of a sentence; the client adds the URL. */
export class Flaw extends Error {}

/** Makes a type of a JSON body; `plainHttp`: URLs in it may lead to this machine by plain http. Throws a Flaw. */
export type Reader<T> = (value: unknown, plainHttp?: boolean) => T

export type Fields = Readonly<Record<string, unknown>>

export const isRecord = (v: unknown): v is Fields => typeof v === 'object' && v !== null && !Array.isArray(v)

export function fieldsOf(value: unknown, what: string): Fields {
  if (!isRecord(value)) throw new Flaw(`${what} is no JSON object`)
  return value
}

export function text(fields: Fields, key: string): string {
  const value = fields[key]
  if (typeof value !== 'string' || value === '') throw new Flaw(`'${key}' is missing or no text`)
  return value
}

/** Some CAs write null or an empty text in place of what is not there. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === ''

export const optionalText = (fields: Fields, key: string): string | undefined =>
  isAbsent(fields[key]) ? undefined : text(fields, key)

export function url(fields: Fields, key: string, plainHttp: boolean): string {
  const value = text(fields, key)
  if (!isSecure(value, plainHttp)) throw new Flaw(`'${key}' is no https URL`)
  return value
}

const optionalUrl = (fields: Fields, key: string, plainHttp: boolean): string | undefined =>
  isAbsent(fields[key]) ? undefined : url(fields, key, plainHttp)

export function list(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key]
  if (!Array.isArray(value)) throw new Flaw(`'${key}' is missing or no list`)
  return value
}

function oneOf<T extends string>(fields: Fields, key: string, known: readonly T[]): T {
  const value = text(fields, key)
  const found = known.find((k) => k === value)
  if (!found) throw new Flaw(`'${key}' is '${value.slice(0, 40)}', which RFC 8555 does not know`)
  return found
}

export function readDirectory(value: unknown, plainHttp = false): Directory {
  const fields = fieldsOf(value, 'the directory')
  const meta = isRecord(fields['meta']) ? fields['meta'] : {}
  return {
    newNonce: url(fields, 'newNonce', plainHttp),
    newAccount: url(fields, 'newAccount', plainHttp),
    newOrder: url(fields, 'newOrder', plainHttp),
    revokeCert: optionalUrl(fields, 'revokeCert', plainHttp),
    keyChange: optionalUrl(fields, 'keyChange', plainHttp),
    renewalInfo: optionalUrl(fields, 'renewalInfo', plainHttp),
    profiles: isRecord(meta['profiles']) ? Object.keys(meta['profiles']).filter(isShort).slice(0, mostProfiles) : [],
    termsOfService: optionalText(meta, 'termsOfService'),
    externalAccountRequired: meta['externalAccountRequired'] === true,
    caaIdentities: readCaaIdentities(meta['caaIdentities']),
  }
}

/** Names of domains in a list, a handful at most: they are printed for somebody to paste into a zone. */
export const readCaaIdentities = (value: unknown): readonly string[] =>
  Array.isArray(value)
    ? value.filter((v): v is string => typeof v === 'string' && /^[A-Za-z0-9.-]{1,253}$/.test(v)).slice(0, 10)
    : []

export function readAccountObject(value: unknown): AccountObject {
  const fields = fieldsOf(value, 'the account')
  const contact = fields['contact'] ?? []
  return {
    status: text(fields, 'status'),
    contact: Array.isArray(contact) ? contact.filter((c) => typeof c === 'string') : [],
    orders: optionalText(fields, 'orders'),
  }
}

export function readOrder(value: unknown, plainHttp = false): Order {
  const fields = fieldsOf(value, 'the order')
  const authorizations = list(fields, 'authorizations').map((v) =>
    url({ authorization: v }, 'authorization', plainHttp),
  )
  if (authorizations.length === 0) throw new Flaw("'authorizations' is empty")
  return {
    status: oneOf(fields, 'status', orderStatuses),
    authorizations,
    finalize: url(fields, 'finalize', plainHttp),
    certificate: optionalUrl(fields, 'certificate', plainHttp),
    expires: optionalInstant(fields, 'expires'),
    error: asProblem(fields['error']),
  }
}

/** A time nobody depends on: nonsense is as good as none. */
function optionalInstant(fields: Fields, key: string): Date | undefined {
  const date = new Date(typeof fields[key] === 'string' ? fields[key] : Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}

export function readAuthorization(value: unknown, plainHttp = false): Authorization {
  const fields = fieldsOf(value, 'the authorization')
  return {
    status: oneOf(fields, 'status', authorizationStatuses),
    name: readName(fields['identifier']),
    isWildcard: fields['wildcard'] === true,
    challenges: list(fields, 'challenges').map((v) => readChallenge(v, plainHttp)),
  }
}

function readName(identifier: unknown): string {
  const name = text(fieldsOf(identifier, "'identifier'"), 'value')
  if (name.length > longestName) throw new Flaw("the 'value' of an identifier is longer than a name can be")
  return name
}

export function readChallenge(value: unknown, plainHttp = false): ChallengeObject {
  const fields = fieldsOf(value, 'the challenge')
  return {
    type: text(fields, 'type'),
    url: url(fields, 'url', plainHttp),
    token: optionalText(fields, 'token'),
    // Later drafts have a name for it without hyphens.
    issuers: readCaaIdentities(fields['issuer-domain-names'] ?? fields['issuerDomainNames']),
    status: typeof fields['status'] === 'string' ? fields['status'] : undefined,
    error: asProblem(fields['error']),
  }
}

const timestamp = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/** RFC 3339 */
function instant(fields: Fields, key: string): Date {
  const value = text(fields, key)
  const date = new Date(timestamp.test(value) ? value : Number.NaN)
  if (Number.isNaN(date.getTime()))
    throw new Flaw(`'${key}' is '${value.slice(0, 40)}', expected an RFC 3339 timestamp`)
  return date
}

/** A page for people, so plain http will do; what is no such URL is not worth losing the window for. */
function page(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > longestPage || !URL.canParse(value)) return undefined
  const { protocol, username, password, href } = new URL(value)
  return ['https:', 'http:'].includes(protocol) && username === '' && password === '' ? href : undefined
}

/** A window that does not end after its start counts as none (RFC 9773 §4.2). */
export function readRenewalInfo(value: unknown): RenewalInfo {
  const fields = fieldsOf(value, 'the renewal information')
  const window = fieldsOf(fields['suggestedWindow'], "'suggestedWindow'")
  const [start, end] = [instant(window, 'start'), instant(window, 'end')]
  if (end <= start) throw new Flaw("the 'suggestedWindow' does not end after its start")
  return { window: { start, end }, explanationUrl: page(fields['explanationURL']) }
}
