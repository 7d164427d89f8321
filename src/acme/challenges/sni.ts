// The names that a CA asks a TLS server for (SNI): the DNS name itself (RFC 8737 §3), and for an address the name of its
// reverse mapping (RFC 8738 §6; RFC 1034, RFC 3596 §2.5).
import { isIP } from 'node:net'

/** The SNI name of an identifier, an A-label or an IP address. */
export function sniOf(identifier: string): string {
  const version = isIP(identifier)
  if (version === 4) return `${identifier.split('.').reverse().join('.')}.in-addr.arpa`
  if (version === 6) return `${[...nibbles(identifier)].reverse().join('.')}.ip6.arpa`
  return identifier.toLowerCase()
}

/** The 32 hex digits of an IPv6 address. */
function nibbles(address: string): string {
  // The URL parser writes it as RFC 5952 wants: without an IPv4 part, and with at most one '::'.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = plain.split('::')
  const groups = (text: string | undefined) => (text ? text.split(':') : [])
  const [before, after] = [groups(head), groups(tail)]
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('')
}

/** An SNI name as a file's name; undefined for what is none that a certificate can be for. */
export function sniName(name: string): string | undefined {
  const lower = name.toLowerCase()
  const isName = lower.length <= 253 && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(lower)
  return isName ? lower : undefined
}
