// Where a name server is: what people write (`host`, `host:port`, `[v6]:port`) becomes addresses and a port.
import { lookup } from 'node:dns/promises'
import { isIP, isIPv6 } from 'node:net'
import { messageOf, NixacmeError } from '../../errors.ts'
import { ownSignal } from '../../wait.ts'

/** A socket address. */
export interface ServerAddress {
  readonly address: string
  readonly port: number
}

/** RFC 1035 §4.2. */
export const dnsPort = 53
/** Seconds for the name of a name server. */
const lookupSeconds = 10

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export const show = ({ address, port }: ServerAddress): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`

/** One address of a server, and what words call it: `'ns1.example.com' (192.0.2.1)`. */
export interface Addressed {
  readonly place: ServerAddress
  readonly label: string
}

/** Each address of each of these servers. */
export const addressesOf = (
  servers: readonly { readonly name: string; readonly addresses: readonly ServerAddress[] }[],
): Addressed[] =>
  servers.flatMap(({ name, addresses }) => addresses.map((place) => ({ place, label: `'${name}' (${place.address})` })))

/** A server that the config names by its address. */
export const chosenAddress = (place: ServerAddress): Addressed => ({ place, label: `'${show(place)}'` })

/** `host`, `host:port`, an IPv6 address alone or in brackets; undefined for anything else. The port is 53 where none is told. */
export function parseServer(text: string): { readonly host: string; readonly port: number } | undefined {
  if (isIPv6(text)) return { host: text, port: dnsPort }
  const [, bracketed, plain, digits] = /^(?:\[([^\]\s]+)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = digits === undefined ? dnsPort : Number(digits)
  const host = bracketed ?? plain
  if (host === undefined || port < 1 || port > 65535) return undefined
  return bracketed !== undefined && !isIPv6(bracketed) ? undefined : { host, port }
}

/**
 * All addresses of a server; `option` says where `text` stands. Throws `config` (78) for what is no server,
 * `unavailable` (69) where its name leads nowhere, and the signal's reason when it is aborted.
 */
export async function serverAddresses(text: string, option: string, signal: AbortSignal): Promise<ServerAddress[]> {
  const server = parseServer(text)
  if (!server)
    throw new NixacmeError('config', `${option}: '${text}' is no name server`, {
      hints: ["write 'host:port', e.g. '192.0.2.53:53' or '[2001:db8::53]:53'"],
    })
  const { host, port } = server
  if (isIP(host)) return [{ address: host, port }]
  const found = await bounded(lookup(host, { all: true }), signal).catch((e) => {
    signal.throwIfAborted()
    throw new NixacmeError('unavailable', `${option}: the name server '${host}' is not found: ${messageOf(e)}`, {
      hints: ['write its address in place of its name'],
    })
  })
  return found.map(({ address }) => ({ address, port }))
}

/** The system's own lookup can be ended by nobody; it is no longer waited for. */
function bounded<T>(promise: Promise<T>, whole: AbortSignal): Promise<T> {
  const signal = ownSignal(whole)
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no answer within ${lookupSeconds} s`)), lookupSeconds * 1000)
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
    })
  })
}
