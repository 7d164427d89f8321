// What a string in the config must look like. Each check is pure and gives undefined, or a sentence that says what is wrong.

import { isIP } from 'node:net'
import { aLabel } from '../job/names.ts'
import { isLoopback } from '../url.ts'

type Verdict = string | undefined

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const control = /[\u0000-\u001f\u007f-\u009f]/

/** Longest stem of a file name that leaves room for `.issuer.crt` and a temporary file's ending within 255 bytes. */
const longestStem = 220

const labelWrong = (label: string): boolean => label.length > 63 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label)

/**
 * A name that a certificate can be ordered for: labels of letters, digits and hyphens (RFC 1123 section 2.1), at most 63
 * bytes each and 253 in all (RFC 1035 section 2.3.4), the first may be `*` (RFC 8555 section 7.1.3). IDN are judged as A-labels.
 */
export function dnsName(name: string): Verdict {
  const host = name.startsWith('*.') ? name.slice(2) : name
  if (host === '') return 'expected a DNS name, found an empty one'
  if (isIP(host.replace(/^\[(.*)\]$/, '$1'))) return `'${name}' is an IP address, not a DNS name`
  if (host.includes('*'))
    return `'${name}' is not a DNS name: '*' may only be the whole first label, as in '*.example.com'`
  if (host.endsWith('.')) return `'${name}' is not a DNS name: leave out the dot at the end`
  // domainToASCII reads %-escapes and numbers as a browser would: only plain letters and IDN may reach it.
  const odd = /[^A-Za-z0-9.\u0080-\u{10ffff}-]/u.exec(host)
  if (odd) return `'${name}' is not a DNS name: '${odd[0]}' may not stand in it`
  const ascii = aLabel(host)
  if (ascii === '') return `'${name}' is not a DNS name (it has no A-label form)`
  const plain = /^[\p{ASCII}]*$/u.test(host)
  if ((plain && ascii !== host.toLowerCase()) || /^[0-9]+$/.test(ascii.split('.').at(-1) ?? ''))
    return `'${name}' is not a DNS name: its last label is a number`
  const label = ascii.split('.').find(labelWrong)
  if (label === '') return `'${name}' is not a DNS name: a label between two dots is empty`
  if (label !== undefined && label.length > 63)
    return `'${name}' is not a DNS name: a label has ${label.length} bytes, at most 63 are possible`
  if (label !== undefined) return `'${name}' is not a DNS name: label '${label}' starts or ends with a hyphen`
  const bytes = ascii.length + (name.length - host.length)
  if (bytes > 253) return `'${name}' is not a DNS name: it has ${bytes} bytes, at most 253 are possible`
  return undefined
}

/** What a certificate can be ordered for: a DNS name, or an IP address (RFC 8738 section 3) without brackets and zone. */
export function identifier(name: string): Verdict {
  if (isIP(name) && !name.includes('%')) return undefined
  const bare = name.replace(/^\[(.*)\]$/, '$1').replace(/%.*/, '')
  if (bare !== name && isIP(bare)) {
    const excess = name.includes('%') ? 'a zone, which is of one machine only' : 'brackets, which belong into URLs'
    return `'${name}' is an IP address with ${excess}: write '${bare}'`
  }
  if (/^[0-9]+(\.[0-9]+)*$/.test(name)) return `'${name}' is not an IP address: expected four numbers from 0 to 255`
  if (/^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/i.test(name))
    return `'${name}' is not an IP address: expected one such as '2001:db8::1'`
  return dnsName(name)
}

/** A `domain` names files too, which a long name would not fit. */
export function domain(name: string): Verdict {
  const wrong = identifier(name)
  const bytes = Buffer.byteLength(name)
  if (wrong !== undefined || bytes <= longestStem) return wrong
  return `'${name}' has ${bytes} bytes, too long for the names of its files: at most ${longestStem}`
}

/** Names whose folders or units are somebody else's. */
const taken = new Map([
  ['accounts', "'.lego/accounts' holds the accounts"],
  ['acme-challenge', "'/var/lib/acme/acme-challenge' is where webroots are, open to the web server"],
  ['due', "'acme-due.service' starts renewals that are due"],
  ['fixperms', "'acme-fixperms.service' sets owners and modes"],
  ['http', "'acme-http.service' answers challenges"],
  ['lockfiles', "'acme-lockfiles.service' makes the lock files"],
  ['poll', "'acme-poll.service' asks when certificates are to be renewed"],
  ['selfsigned-ca', "'acme-selfsigned-ca.service' makes the local CA"],
  ['tls', "'acme-tls.service' answers challenges"],
])

/** DESIGN section 3: a certificate's name is a file name and a part of unit names. */
export function certName(name: string): Verdict {
  if (name === '') return 'a certificate needs a name'
  if (name.includes('*')) return `'*' may not stand in a certificate's name '${name}'`
  if (name.startsWith('.')) return `a certificate's name may not start with a dot: '${name}' would be a hidden folder`
  if (name.includes('/')) return `'/' may not stand in a certificate's name '${name}', which is a file name`
  const odd = /[^A-Za-z0-9.\-_@+]/u.exec(name)
  if (odd) return `'${odd[0]}' may not stand in a certificate's name '${name}': only letters, digits and . - _ @ +`
  if (taken.has(name)) return `'${name}' cannot be a certificate's name: ${taken.get(name)}`
  // In the name of a unit, '+' is four characters.
  const length = name.replaceAll('+', '\\x2b').length
  if (length > 200)
    return `a certificate's name may have 200 bytes, each '+' counted as 4: '${name.slice(0, 40)}…' has ${length}`
  return undefined
}

/** RFC 8555 section 7.3: one address without header fields; here also a file name, so without '/' and no leading dot. */
export function email(address: string): Verdict {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const host = address.slice(at + 1)
  const wrong = `'${address}' is not an e-mail address`
  if (at < 1) return `${wrong}: expected something like 'hostmaster@example.com'`
  if (address.startsWith('.') || address.includes('/')) return `${wrong} that can name an account's folder`
  if (!/^[A-Za-z0-9!#$&'*+=^_`{|}~-]+(\.[A-Za-z0-9!#$&'*+=^_`{|}~-]+)*$/.test(local))
    return `${wrong}: before the '@' may stand letters, digits and . _ + -`
  if (host.startsWith('*.') || dnsName(host) !== undefined) return `${wrong}: '${host}' is not a DNS name`
  if (Buffer.byteLength(address) > longestStem) return `${wrong} that can name an account's folder: it is too long`
  return undefined
}

/** An ACME directory URL: https (RFC 8555 section 6.1), plain http to this machine alone. */
export function server(url: string): Verdict {
  if (!URL.canParse(url) || /\s/.test(url)) return `'${url}' is not a URL: expected 'https://…/directory'`
  const { protocol, hostname, username, password, hash } = new URL(url)
  // Not shown: it may hold a password.
  if (username || password) return 'a URL with a user name or password is not possible here: it would be seen in logs'
  if (hash) return `'${url}' has a fragment '${hash}', expected a directory URL without one`
  if (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) return undefined
  return `'${url}' is not an https URL (http is possible for this machine only: localhost, 127.0.0.1, [::1])`
}

/** `host:port`, `[address]:port`; without a port it is that of DNS. */
export function hostAndPort(text: string): Verdict {
  const [, host = '', port] = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  const bare = host.replace(/^\[|\]$/g, '')
  const isHost = isIP(bare) !== 0 || dnsName(bare) === undefined
  if (isHost && (port === undefined || isPort(port))) return undefined
  return `'${text}' is no host and port: expected something like '9.9.9.9:53' or '[2620:fe::fe]:53'`
}

const isPort = (text: string): boolean => Number(text) > 0 && Number(text) < 65_536

/** Where to listen: `:80`, `192.0.2.1:80`, `[::1]:80`, or the absolute path of a socket. */
export function listenAddress(text: string): Verdict {
  if (text.startsWith('/')) return absolutePath(text)
  const [, host = '', port = ''] = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]*):(\d{1,5})$/.exec(text) ?? []
  const bare = host.replace(/^\[|\]$/g, '')
  const isHost = bare === '' || isIP(bare) !== 0 || bare === 'localhost'
  if (isHost && isPort(port) && host.startsWith('[') === (isIP(bare) === 6)) return undefined
  return `'${text}' is no address to listen on: expected something like ':80', '192.0.2.1:80' or '[::1]:80'`
}

/** `cloudflare`; `acmesh:dns_cf`: a bridge, and what it leads to. */
export function dnsProvider(name: string): Verdict {
  if (/^[a-z0-9-]+(:[^\s,]\S*)?$/.test(name)) return undefined
  return `'${name}' is no name of a DNS provider: see nixacme-dns(7)`
}

/** What a CA calls itself in DNS records: `letsencrypt.org`. */
export const issuerDomain = (name: string): Verdict =>
  name.startsWith('*.') ? `'${name}' is a wildcard, expected the domain name of a CA` : dnsName(name)

/** An absolute path of one line. systemd passes over those with '..' (systemd.exec(5)), so they are told here. */
export function absolutePath(path: string): Verdict {
  if (control.test(path)) return 'a path may not hold control characters'
  if (path.split('/').includes('..')) return `'${path}' goes up by '..': write where it leads to`
  return path.startsWith('/') ? undefined : `'${path}' is not an absolute path: it must start with '/'`
}

/** A path that stands in a unit as it is: systemd has no quotes there, and takes that of an environment file for a pattern. */
export function secretPath(path: string): Verdict {
  if (/[*?[\]\\]|\s$/.test(path))
    return `'${path}' cannot be told to systemd: it holds one of * ? [ ] \\ or ends in a space`
  return absolutePath(path)
}

/** A group's name as useradd(8) and systemd take it. */
export const group = (name: string): Verdict =>
  /^[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?$/.test(name)
    ? undefined
    : `'${name}' is not a group's name: expected a letter or '_', then up to 30 letters, digits and . - _`

/** A unit name for systemctl(1), with or without its suffix; a leading hyphen would be an option. */
export const unitName = (name: string): Verdict =>
  /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}$/.test(name)
    ? undefined
    : `'${name}' is not a unit's name: expected something like 'nginx.service'`

/** A variable whose value is read from a file (contract 2.2). */
export const fileVariable = (name: string): Verdict =>
  /^[A-Za-z_][A-Za-z0-9_]*_(FILE|PATH)$/.test(name)
    ? undefined
    : `only a variable that ends in _FILE or _PATH can name a file, found '${name}'`

/** A profile's name is what the CA says it is; here it stands in a line of words. */
export const profile = (name: string): Verdict =>
  name !== '' && !/\s/.test(name) && !control.test(name) ? undefined : `'${name}' is not a profile's name`

/** Goes into the environment or an argument of a program, where a NUL byte ends the string. */
export const withoutNul = (text: string): Verdict =>
  text.includes('\0') ? 'expected text without NUL characters' : undefined

/** An expression for OnCalendar=; systemd itself judges it when it is applied (`systemd-analyze calendar`). */
export const calendar = (expression: string): Verdict =>
  /^[A-Za-z0-9*,.:/~+_ -]*[A-Za-z0-9*][A-Za-z0-9*,.:/~+_ -]*$/.test(expression)
    ? undefined
    : `'${expression}' is not a calendar expression: expected something like 'daily' or 'Mon..Fri 04:00' (systemd.time(7))`

const longestDuration = 365 * 86_400

const spanUnits: readonly (readonly [names: RegExp, seconds: number])[] = [
  [/^(us|usec|µs|μs)$/, 1e-6],
  [/^(ms|msec)$/, 1e-3],
  [/^(s|sec|seconds?)?$/, 1],
  [/^(m|min|minutes?)$/, 60],
  [/^(h|hr|hours?)$/, 3600],
  [/^(d|days?)$/, 86_400],
  [/^(w|weeks?)$/, 7 * 86_400],
  [/^(M|months?)$/, 30.44 * 86_400],
  [/^(y|years?)$/, 365.25 * 86_400],
]

const secondsOf = (unit: string): number => spanUnits.find(([names]) => names.test(unit))?.[1] ?? Number.NaN

/** A time span of systemd.time(7), of at most a year: systemd would pass over one that it cannot count. */
export function timeSpan(span: string): Verdict {
  const text = span.replace(/^ +/, '')
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?) *([A-Za-zµμ]*) */gy)]
  const seconds = parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * secondsOf(unit), 0)
  if (text === '' || parts.map(([part]) => part).join('') !== text || Number.isNaN(seconds))
    return `'${span}' is not a time span: expected something like '24h' or '1h 30min'`
  return seconds > longestDuration ? `'${span}' is longer than a year` : undefined
}

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds of `90`, `"90"`, `"90s"`, `"15m"`, `"2h"` or `"1d"`; undefined when it is none, negative or above a year. */
export function durationSeconds(value: string | number): number | undefined {
  const [, digits, unit = 's'] = /^([0-9]{1,9})([smhd])?$/.exec(String(value)) ?? []
  const seconds = Number(digits) * (unitSeconds[unit] ?? Number.NaN)
  return seconds <= longestDuration ? seconds : undefined
}
