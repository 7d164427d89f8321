// From names as people write them to the identifiers that a CA and a certificate hold.

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { canonicalAddress } from '../url.ts'

/** One DNS name as A-labels in lower case, a leading `*.` kept; '' when it is no domain name (UTS 46). */
export function aLabel(name: string): string {
  // Where a URL's host would end, Node's converter ends too, and forgets the rest.
  if (/[/?#\\:@[\]]/.test(name)) return ''
  const wildcard = name.startsWith('*.')
  const ascii = domainToASCII(wildcard ? name.slice(2) : name)
  return ascii && (wildcard ? `*.${ascii}` : ascii)
}

/** A name as an identifier's value: the A-labels of a DNS name, the one text form of an IP address (RFC 5952). */
export const identifierOf = (name: string): string => (isIP(name) ? canonicalAddress(name) : aLabel(name))

/** All names as identifiers, in order, duplicates dropped. */
export const identifiers = (names: readonly string[]): string[] => [...new Set(names.map(identifierOf))]
