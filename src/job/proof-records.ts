// The TXT records that prove names: where each stands, and what it says as far as that is known before an order. Pure.
import { createHash } from 'node:crypto'
import type { Challenge, ChallengeGroup } from '../config/config.ts'
import { provenName, provenNames } from './limits.ts'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
/** Bytes that a label is made of, and bytes that one string of a TXT record has room for (RFC 1035 §3.3.14). */
const labelBytes = 10
const longestString = 255

/** RFC 4648 §6, lower case, of whole groups of five bytes: nothing is padded. */
function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('')
}

/** `_` and 16 characters: what sets the records of one account apart (draft-ietf-acme-dns-account-label §3.2). */
export const accountLabel = (accountUrl: string): string =>
  `_${base32(createHash('sha256').update(accountUrl).digest().subarray(0, labelBytes))}`

/** Where the CA looks for the record of a name: for dns-01 (RFC 8555 §8.4), or below the label of an account. */
export const challengeName = (name: string, label?: string): string =>
  `${label === undefined ? '' : `${label}.`}_acme-challenge.${provenName(name)}`

/** Where it looks for the standing record of a name (draft-ietf-acme-dns-persist §4). */
export const persistName = (name: string): string => `_validation-persist.${provenName(name)}`

export interface PersistTerms {
  /** The CA's domain name, as A-labels. */
  readonly issuer: string
  readonly accountUrl: string
  /** A wildcard is to be proven, too. */
  readonly isWildcard: boolean
}

/** What the standing record says (draft-ietf-acme-dns-persist-01 §4.1: the syntax of RFC 8659 §4.2). */
export const persistValue = ({ issuer, accountUrl, isWildcard }: PersistTerms): string =>
  `${issuer}; accounturi=${accountUrl}${isWildcard ? '; policy=wildcard' : ''}`

/** A TXT record as a line of a zone file (RFC 1035 §5.1). */
export function zoneLine(name: string, value: string): string {
  const strings = value.match(new RegExp(`.{1,${longestString}}`, 'g')) ?? ['']
  return `${name}. IN TXT ${strings.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(' ')}`
}

/** One TXT record. */
export interface ProofRecord {
  readonly challenge: 'dns-01' | 'dns-account-01' | 'dns-persist-01'
  /** The identifiers that it proves. */
  readonly proves: readonly string[]
  /** Null: it has a label of the account, which there is not yet. */
  readonly name: string | null
  readonly type: 'TXT'
  /** Null: the CA says it with the order, or there is no account yet. */
  readonly value: string | null
  /** Who makes it for each order; null: somebody by hand, once. */
  readonly provider: string | null
}

/** Names that one record proves: a name and its wildcard. */
export interface Place {
  /** Without `*.` */
  readonly name: string
  readonly proves: readonly string[]
  readonly isWildcard: boolean
}

/** In the order of the names. */
export const placesOf = (names: readonly string[]): Place[] =>
  provenNames(names).map((name) => {
    const proves = names.filter((one) => provenName(one) === name)
    return { name, proves, isWildcard: proves.some((one) => one !== name) }
  })

/**
 * The records of all names that are proven by DNS, for each of these accounts where they name one: a certificate may have
 * several CAs. None: no account is registered yet.
 */
export function proofRecords(groups: readonly ChallengeGroup[], accountUrls: readonly string[]): ProofRecord[] {
  const accounts = accountUrls.length > 0 ? [...new Set(accountUrls)] : [undefined]
  return groups.flatMap(({ challenge, names }): ProofRecord[] => {
    if (challenge.kind === 'dns-persist')
      return accounts.flatMap((one) => standingRecords(challenge.issuer, names, one))
    if (challenge.kind !== 'dns') return []
    const isNamed = challenge.accountLabel
    return (isNamed ? accounts : [undefined]).flatMap((one) => ordersRecords(challenge, names, one))
  })
}

const type = 'TXT'

const standingRecords = (issuer: string, names: readonly string[], accountUrl: string | undefined): ProofRecord[] =>
  placesOf(names).map(({ name, proves, isWildcard }) => {
    const value = accountUrl === undefined ? null : persistValue({ issuer, accountUrl, isWildcard })
    return { challenge: 'dns-persist-01', proves, name: persistName(name), type, value, provider: null }
  })

function ordersRecords(
  { provider, accountLabel: isLabelled }: Challenge & { readonly kind: 'dns' },
  names: readonly string[],
  accountUrl: string | undefined,
): ProofRecord[] {
  const label = isLabelled && accountUrl !== undefined ? accountLabel(accountUrl) : undefined
  return placesOf(names).map(({ name, proves }) => ({
    challenge: isLabelled ? 'dns-account-01' : 'dns-01',
    proves,
    name: isLabelled && label === undefined ? null : challengeName(name, label),
    type,
    value: null,
    provider,
  }))
}
