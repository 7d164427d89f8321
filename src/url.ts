// Which URLs are spoken to: https (RFC 8555 §6.1), and plain http only where nobody can listen and somebody asked for it.

/** True for `localhost`, names below it, 127.0.0.0/8 and ::1; takes a URL's `hostname`, brackets included. */
export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' ||
  hostname.endsWith('.localhost') ||
  hostname === '[::1]' ||
  /^127(\.\d{1,3}){3}$/.test(hostname)

/** Characters; whatever a CA sends ends up in messages. */
const longestUrl = 2000

/**
 * True for a URL that may be asked: https, or with `plainHttp` http to this machine; no user or password in it, of a
 * length that fits into a message.
 */
export function isSecure(url: string, plainHttp: boolean): boolean {
  if (url.length > longestUrl || !URL.canParse(url)) return false
  const { protocol, hostname, username, password } = new URL(url)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (plainHttp && protocol === 'http:' && isLoopback(hostname))
}

/** An IPv6 address in the one spelling that RFC 5952 allows; everything else as it is. */
export function canonicalAddress(text: string): string {
  const url = `http://[${text}]`
  return text.includes(':') && URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : text
}
