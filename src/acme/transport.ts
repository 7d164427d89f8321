// Connections to the CA: kept alive during an issuance, with the right roots, through a proxy where the environment says
// so, and all gone at its end, so that the process can exit at once.
import * as http from 'node:http'
import * as https from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { proxyFor } from './proxy.ts'
import { type RootSources, trustedRoots } from './roots.ts'

export interface Route {
  readonly httpAgent?: http.Agent
  readonly httpsAgent?: http.Agent
  /** Host and port of the proxy, for words; never its credentials. */
  readonly proxy: string | undefined
}

export interface Transport {
  /** How `url` is reached. Throws `config` (78) for an unusable proxy variable. */
  route(url: string): Route
  /** Ends every connection. */
  close(): void
}

/** As many as requests can be under way (nonces.ts). */
const maxSockets = 8

/** Empty: Node's own. */
interface Roots {
  readonly secureContext?: SecureContext
}

type ProxyAgent = HttpsProxyAgent<`https://${string}`>
type ConnectRequest = Parameters<ProxyAgent['connect']>[0]
type ConnectOptions = Parameters<ProxyAgent['connect']>[1]

/** A tunnel whose far end is judged by our roots: the agent itself keeps its TLS options for the proxy. */
class Tunnel extends HttpsProxyAgent<`https://${string}`> {
  readonly #roots: Roots

  constructor(proxy: URL, roots: Roots, signal: AbortSignal) {
    // net.connect takes the signal: a connection to a proxy that never answers would else outlive the request.
    const options = { keepAlive: true, maxSockets, signal, ...roots }
    super(proxy, options)
    this.#roots = roots
  }

  override async connect(req: ConnectRequest, options: ConnectOptions): Promise<Socket> {
    let status = 200
    req.once('proxyConnect', (answer: { statusCode: number }) => {
      status = answer.statusCode
    })
    const socket = await super.connect(req, options.secureEndpoint ? { ...options, ...this.#roots } : options)
    // Without this the proxy's refusal would be taken for an answer of the CA.
    if (status !== 200) {
      socket.destroy()
      throw new Error(`the proxy answered with status ${status}`)
    }
    return socket
  }
}

/** Reads the roots now, so that a missing file is told before anything is sent. Throws `config` (78). */
export function openTransport(sources: RootSources): Transport {
  const secureContext = trustedRoots(sources)
  const roots: Roots = secureContext ? { secureContext } : {}
  const life = new AbortController()
  const options = { keepAlive: true, maxSockets }
  const direct: Route = {
    httpAgent: new http.Agent(options),
    httpsAgent: new https.Agent({ ...options, ...roots }),
    proxy: undefined,
  }
  const tunnels = new Map<string, Route>()
  const through = (proxy: URL): Route => {
    const route = { httpsAgent: new Tunnel(proxy, roots, life.signal), proxy: proxy.host }
    tunnels.set(proxy.href, route)
    return route
  }
  return {
    route(url) {
      const proxy = proxyFor(new URL(url), sources.env)
      return proxy ? (tunnels.get(proxy.href) ?? through(proxy)) : direct
    },
    close() {
      life.abort()
      for (const { httpAgent, httpsAgent } of [direct, ...tunnels.values()]) {
        httpAgent?.destroy()
        httpsAgent?.destroy()
      }
    },
  }
}
