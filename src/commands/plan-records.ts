// The TXT records of a plan as text: where each will stand, and what somebody has to make by hand.
import { provenName } from '../job/limits.ts'
import { type ProofRecord, zoneLine } from '../job/proof-records.ts'
import type { Paint } from '../log.ts'

/** A table of its own, after an empty line; '' where there is none. */
export function recordsTable(records: readonly ProofRecord[], paint: Paint): string {
  if (records.length === 0) return ''
  const head = ['DNS RECORD', 'MADE'] as const
  const rows = records.map((record) => [placeOf(record), howMade(record)] as const)
  const width = Math.max(head[0].length, ...rows.map(([place]) => place.length))
  // Certificates may share a name.
  const lines = new Set(rows.map(([place, how]) => `${place.padEnd(width)}  ${how}\n`))
  return `\n${paint.bold(head[0].padEnd(width))}  ${paint.bold(head[1])}\n${[...lines].join('')}`
}

const placeOf = ({ name, proves: [first = ''] }: ProofRecord): string =>
  name ?? `_<label>._acme-challenge.${provenName(first)}`

function howMade({ name, value, provider }: ProofRecord): string {
  if (provider !== null)
    return `for each order, by '${provider}'${name === null ? '; the label is known when the account is' : ''}`
  if (name === null || value === null)
    return "by hand, once: what it says is known when the account is, 'nixacme renew' registers it"
  return `by hand, once: ${zoneLine(name, value).slice(`${name}. `.length)}`
}
