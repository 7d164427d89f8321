// Where challenges are answered by a listener of our own: `:80`, `192.0.2.1:80`, `[::1]:8080`, or the path of a socket.
import { isIP } from 'node:net'
import { NixacmeError } from '../errors.ts'

export type ListenAddress =
  | { readonly path: string }
  /** `host` undefined: every address of this machine, IPv4 and IPv6. */
  | { readonly host: string | undefined; readonly port: number }

/** What the config has accepted as an address to listen on, in parts. Throws `data` (65) for anything else. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('/')) return { path: text }
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain ?? ''
  const port = Number(digits)
  const isHost = host === '' || host === 'localhost' || isIP(host) === (bracketed === undefined ? 4 : 6)
  if (isHost && port > 0 && port < 65_536) return { host: host === '' ? undefined : host, port }
  throw new NixacmeError('data', `'${text.slice(0, 100)}' is no address to listen on`)
}

/** Ports below are root's, unless the kernel is told otherwise (net.ipv4.ip_unprivileged_port_start). */
const firstFreePort = 1024

/** Whether listening there needs root, or somebody who has done it for us. */
export function isPrivileged(address: ListenAddress): boolean {
  return 'port' in address && address.port < firstFreePort
}

/** Where a client of this very machine finds the listener. */
export const nearAddress = (address: ListenAddress): { path: string } | { host: string; port: number } =>
  'path' in address ? address : { host: loopbackOf(address.host), port: address.port }

const loopbackOf = (host: string | undefined): string =>
  host === undefined || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
