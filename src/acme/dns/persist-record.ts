// Whether a TXT record that somebody made lets an account prove a name (draft-ietf-acme-dns-persist-01 §4.1, §4.2; its syntax
// is that of RFC 8659 §4.2), judged as the CA will.
import type { PersistTerms } from '../../job/proof-records.ts'

/** Of those that are known here; others mean nothing to anybody yet. */
interface PersistRecord {
  /** In lower case. */
  readonly issuer: string
  readonly parameters: ReadonlyMap<string, string>
  /** Why no CA will take it. */
  readonly flaw?: string
}

/** Characters of a value that stand in a message, and records that are told of. */
const longest = 200
const mostTold = 3
const known = ['accounturi', 'policy', 'persistuntil']

const trimmed = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '')
const quoted = (text: string): string => `'${text.slice(0, longest)}'`

function parse(value: string): PersistRecord {
  const [first = '', ...rest] = value.split(';').map(trimmed)
  const parameters = new Map<string, string>()
  const issuer = first.toLowerCase()
  for (const parameter of rest) {
    const [, tag = '', text = ''] = /^([A-Za-z0-9-]+)[ \t]*=[ \t]*(.*)$/.exec(parameter) ?? []
    const name = tag.toLowerCase()
    const flaw = flawOfParameter(parameter, name, text, parameters)
    if (flaw !== undefined) return { issuer, parameters, flaw }
    parameters.set(name, text)
  }
  return { issuer, parameters }
}

function flawOfParameter(
  whole: string,
  name: string,
  text: string,
  before: PersistRecord['parameters'],
): string | undefined {
  if (whole === '') return 'has a semicolon with nothing behind it'
  if (name === '') return `has ${quoted(whole)}, expected 'name=value'`
  if (!/^[\x21-\x3a\x3c-\x7e]*$/.test(text)) return `has a blank or an odd character in '${name}'`
  return known.includes(name) && before.has(name) ? `has '${name}' twice` : undefined
}

/** What is wrong with a record of the wanted issuer, as the end of a sentence about it. */
function flawOf({ parameters, flaw }: PersistRecord, wanted: PersistTerms, now: Date): string | undefined {
  if (flaw !== undefined) return flaw
  const account = parameters.get('accounturi')
  if (account === undefined || account === '') return "has no 'accounturi'"
  // Simple string comparison (RFC 3986 §6.2.1), as of a CA.
  if (account !== wanted.accountUrl) return `is for another account, ${quoted(account)}`
  const until = parameters.get('persistuntil')
  if (until !== undefined && !/^\d{1,12}$/.test(until)) return `has 'persistUntil' ${quoted(until)}, expected seconds`
  const end = until === undefined ? undefined : new Date(Number(until) * 1000)
  if (end !== undefined && end < now) return `held until ${end.toISOString().slice(0, 19)}Z only (persistUntil)`
  if (wanted.isWildcard && parameters.get('policy')?.toLowerCase() !== 'wildcard')
    return "lacks 'policy=wildcard', which the wildcard needs"
  return undefined
}

/**
 * Undefined when one of these values, those of all TXT records at the name, will do; else what is wrong, as a clause about
 * the record.
 */
export function flawOfValues(values: readonly string[], wanted: PersistTerms, now: Date): string | undefined {
  const records = values.map(parse)
  const ours = records.filter(({ issuer }) => issuer === wanted.issuer)
  const flaws = ours.map((record) => flawOf(record, wanted, now))
  if (flaws.includes(undefined)) return undefined
  const others = records.filter(({ issuer }) => issuer !== '').map(({ issuer }) => quoted(issuer))
  if (ours.length === 0)
    return values.length === 0 ? 'is missing' : `names ${others.slice(0, mostTold).join(', ') || 'nobody'} only`
  return flaws.slice(0, mostTold).join('; another one ')
}
