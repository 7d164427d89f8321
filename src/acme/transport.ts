// Connections to the CA: kept alive during an issuance, with the right roots, through a proxy where the environment says
// so, and all gone at its end, so that the process can exit at once.
import * as http from 'node:http'
import * as https from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { ProxyRefusal } from './failure.ts'
import { acceptLanguage } from './language.ts'
import { proxyFor } from './proxy.ts'
import { type MachineRoots, machineRoots, type RootSources, trustedRoots } from './roots.ts'

export interface Route {
  readonly httpAgent?: http.Agent
  readonly httpsAgent?: http.Agent
  /** Host and port of the proxy, for words; never its credentials. */
  readonly proxy: string | undefined
}

export interface Transport {
  /** How `url` is reached. Throws `config` (78) for an unusable proxy variable. */
  route(url: string): Route
  /** From now on routes trust the machine's own roots too, where it has any: then each is another one than before. */
  trustMachine(): void
  /** What came of that, for hints. */
  readonly trustNotes: readonly string[]
  /** The Accept-Language of requests. */
  readonly language: string
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
      throw new ProxyRefusal(status)
    }
    return socket
  }
}

/** Reads the roots now, so that a missing file is told before anything is sent. Throws `config` (78). */
export function openTransport(sources: RootSources): Transport {
  const life = new AbortController()
  const context = trustedRoots(sources)
  let routes = new Routes(context, life.signal)
  const all = [routes]
  let machine: MachineRoots | undefined
  return {
    language: acceptLanguage(sources.env),
    route(url) {
      const proxy = proxyFor(new URL(url), sources.env)
      return proxy ? routes.through(proxy) : routes.direct
    },
    trustMachine() {
      if (machine) return
      machine = machineRoots(sources)
      if (!machine.context) return
      routes = new Routes(machine.context, life.signal)
      all.push(routes)
    },
    get trustNotes() {
      return machine?.notes ?? []
    },
    close() {
      life.abort()
      for (const one of all) one.close()
    },
  }
}

/** The ways under one set of roots. */
class Routes {
  readonly direct: Route
  readonly #roots: Roots
  readonly #signal: AbortSignal
  readonly #tunnels = new Map<string, Route>()

  constructor(secureContext: SecureContext | undefined, signal: AbortSignal) {
    this.#roots = secureContext ? { secureContext } : {}
    this.#signal = signal
    const options = { keepAlive: true, maxSockets }
    const httpsAgent = new https.Agent({ ...options, ...this.#roots })
    this.direct = { httpAgent: new http.Agent(options), httpsAgent, proxy: undefined }
  }

  through(proxy: URL): Route {
    const known = this.#tunnels.get(proxy.href)
    if (known) return known
    const route = { httpsAgent: new Tunnel(proxy, this.#roots, this.#signal), proxy: proxy.host }
    this.#tunnels.set(proxy.href, route)
    return route
  }

  close(): void {
    for (const { httpAgent, httpsAgent } of [this.direct, ...this.#tunnels.values()]) {
      httpAgent?.destroy()
      httpsAgent?.destroy()
    }
  }
}
