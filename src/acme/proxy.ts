// Which proxy, if any, a URL is asked through: HTTPS_PROXY, HTTP_PROXY and NO_PROXY as curl and Go's programs, lego among
// them, read them. Lower case wins; hosts of this machine are never asked through a proxy.
import { BlockList, isIP, isIPv6 } from 'node:net'
import { NixacmeError } from '../errors.ts'
import { isLoopback } from '../url.ts'

type Env = Readonly<Record<string, string | undefined>>

const read = (env: Env, name: string): string => (env[name.toLowerCase()] || env[name] || '').trim()

/**
 * The proxy for `url`, or undefined. Throws `config` (78) when the variable holds no http or https URL; its value may hold
 * a password, so it is not shown.
 */
export function proxyFor(url: URL, env: Env): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const value = read(env, name)
  if (value === '' || isLoopback(url.hostname) || isExempt(url, read(env, 'NO_PROXY'))) return undefined
  const text = value.includes('://') ? value : `http://${value}`
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (proxy && (proxy.protocol === 'http:' || proxy.protocol === 'https:') && proxy.hostname !== '') return proxy
  throw new NixacmeError('config', `environment variable '${name}' holds no http or https URL of a proxy`, {
    hints: [`set it to 'http://host:port', or name '${url.hostname}' in NO_PROXY`],
  })
}

/** NO_PROXY: comma separated host names (with all below them), addresses, address/prefix, each with `:port` if wanted; `*` all. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const entries = noProxy.toLowerCase().split(/[\s,]+/)
  return entries.some((entry) => entry !== '' && matches(entry, host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return isInSubnet(entry, host)
  const { name, wanted } = splitPort(entry)
  if (wanted !== undefined && wanted !== port) return false
  const bare = name.replace(/^\*?\./, '')
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`))
}

function splitPort(entry: string): { name: string; wanted: string | undefined } {
  if (isIPv6(entry)) return { name: entry, wanted: undefined }
  const parts = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(entry)
  return { name: parts?.[1] ?? entry, wanted: parts?.[2] }
}

function isInSubnet(entry: string, host: string): boolean {
  const [network = '', prefix = ''] = entry.split('/')
  const family = isIP(network)
  const bits = Number(prefix)
  if (family === 0 || isIP(host) !== family || !/^\d+$/.test(prefix) || bits > (family === 6 ? 128 : 32)) return false
  const list = new BlockList()
  const type = family === 6 ? 'ipv6' : 'ipv4'
  list.addSubnet(network, bits, type)
  return list.check(host, type)
}
