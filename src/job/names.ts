// From names as people write them to the identifiers that a CA and a certificate hold.
import { domainToASCII } from 'node:url'

/** One DNS name as A-labels in lower case, a leading `*.` kept; '' when it is no domain name (UTS 46). */
export function aLabel(name: string): string {
  // Where a URL's host would end, Node's converter ends too, and forgets the rest.
  if (/[/?#\\:@[\]]/.test(name)) return ''
  const wildcard = name.startsWith('*.')
  const ascii = domainToASCII(wildcard ? name.slice(2) : name)
  return ascii && (wildcard ? `*.${ascii}` : ascii)
}

/** All names as A-labels, in order, duplicates dropped. */
export const aLabels = (names: readonly string[]): string[] => [...new Set(names.map(aLabel))]
