// URLs that the operator writes into a variable: a server of one's own, which may well have plain http only.
import { NixacmeError } from '../../errors.ts'
import { isLoopback } from '../../url.ts'
import { type ProviderTools, wanted } from './provider.ts'

export interface Endpoint {
  /** Without a slash at the end, a query, and credentials. */
  readonly url: string
  /** Of the credentials in the URL, where it has some. */
  readonly headers: Readonly<Record<string, string>>
}

/** Reads it. Plain http is warned about. Throws `config` (78) for what is no http URL. */
export function endpointOf(tools: Pick<ProviderTools, 'variable' | 'api' | 'log'>, variable: string): Endpoint {
  const text = wanted(tools, variable)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw new NixacmeError('config', `the variable '${variable}' is no URL that begins with https:// or http://`)
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    tools.log.warning(
      `'${variable}' is plain http: credentials are readable on the way to '${url.host}', going on all the same`,
    )
  const { username, password } = url
  const headers = username === '' ? {} : tools.api.basic(decodeURIComponent(username), decodeURIComponent(password))
  if (password !== '') tools.api.hide(decodeURIComponent(password))
  return { url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, headers }
}
