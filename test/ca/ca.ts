// A small RFC 8555 CA for tests and the demo: strict where a public CA is strict, and able to fail in every way that a
// test needs. It lives in the process of its caller (or in one of its own: main.ts).
import { X509Certificate } from 'node:crypto'
import type { Answer } from './answer.ts'
import { Authority, makeTlsIdentity } from './authority.ts'
import { dispatch, dispatchFlawed } from './dispatch.ts'
import { type Fault, Faults, type Hook } from './faults.ts'
import { peekJws } from './jws.ts'
import { Nonces } from './nonces.ts'
import { type RequestKind, requestKinds, routeOf, type Urls, urlsOf } from './routes.ts'
import { type HttpsListening, type PlainRequest, serve } from './server.ts'
import { changed, defaultSettings, type Settings, type SettingsChanges } from './settings.ts'
import { Store } from './store.ts'
import type { World } from './world.ts'

/** One request as the journal keeps it. */
export interface JournalEntry {
  readonly method: string
  readonly kind: RequestKind
  readonly path: string
  /** The account URL it was signed for. */
  readonly kid?: string
  /** The decoded payload; absent for POST-as-GET. */
  readonly payload?: unknown
  /** Milliseconds since the CA was started, at arrival. */
  readonly at: number
  /** HTTP status of the answer; 0 while there is none, and for a connection that was dropped. */
  status: number
}

export interface Stats {
  readonly accounts: number
  readonly orders: number
  readonly certificates: number
  readonly requests: Readonly<Record<RequestKind, number>>
}

export class Ca {
  readonly directoryUrl: string
  /** PEM that a client has to trust to talk to the CA. */
  readonly rootPem: string
  /** PEM of the root that issued certificates lead to. */
  readonly issuerRootPem: string
  readonly #store = new Store()
  readonly #nonces = new Nonces()
  readonly #faults = new Faults()
  readonly #authority: Authority
  readonly #urls: Urls
  readonly #base: string
  readonly #started = performance.now()
  readonly #initial: Settings
  readonly #server: HttpsListening
  #settings: Settings
  #requests: JournalEntry[] = []

  /** Made by `startCa`. */
  constructor(server: HttpsListening, rootPem: string, authority: Authority, settings: Settings) {
    const base = `https://127.0.0.1:${server.port}`
    this.#base = base
    this.#urls = urlsOf(base)
    this.#authority = authority
    this.#settings = this.#initial = settings
    this.#server = server
    this.directoryUrl = this.#urls.directory
    this.rootPem = rootPem
    this.issuerRootPem = authority.rootPem
  }

  /** The journal since the start or the last `reset`, in order of arrival. */
  get requests(): readonly JournalEntry[] {
    return this.#requests
  }

  get settings(): Readonly<Settings> {
    return this.#settings
  }

  get lifetime(): Readonly<Settings['lifetime']> {
    return this.#settings.lifetime
  }

  /** Of certificates from now on; both in seconds, `notBeforeOffsetSeconds` negative for a backdated one. */
  set lifetime(lifetime: Settings['lifetime']) {
    this.set({ lifetime })
  }

  /** Changes settings from now on. Throws TypeError for a name that is none. */
  set(changes: SettingsChanges): void {
    this.#settings = changed(this.#settings, changes)
  }

  /** How many requests of a kind (of all kinds) there were since the last `reset`. */
  count(kind?: RequestKind): number {
    return kind === undefined ? this.#requests.length : this.#requests.filter((entry) => entry.kind === kind).length
  }

  /** TLS connections since the start; those that a client broke off do not count. */
  get connections(): number {
    return this.#server.connections()
  }

  /** What the CA holds, and the counts by kind. */
  get stats(): Stats {
    const { accounts, orders: allOrders, certificates } = this.#store
    const counts = Object.fromEntries(requestKinds.map((kind) => [kind, this.count(kind)]))
    return {
      accounts: accounts.size,
      orders: allOrders.size,
      certificates: certificates.size,
      requests: counts as Record<RequestKind, number>,
    }
  }

  /** How a certificate (PEM) was revoked: the code of the reason; undefined when it is not, or not from here. */
  revocationOf(certificate: string): number | undefined {
    const { raw } = new X509Certificate(certificate)
    return this.#store.certificates.all.find(({ issued }) => new X509Certificate(issued.leaf).raw.equals(raw))?.revoked
  }

  /** Requests of `kind` (`*`: all) go wrong from now on. Returns what ends that. */
  fault(kind: RequestKind | '*', fault: Fault | Hook): () => void {
    return this.#faults.add(kind, fault)
  }

  /** Empty journal, no faults, the settings of the start. Accounts, orders and certificates stay. */
  reset(): void {
    this.#requests = []
    this.#faults.clear()
    this.#settings = this.#initial
  }

  /** The CA loses accounts, orders and certificates. */
  forget(): void {
    this.#store.clear()
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  get #world(): World {
    return { store: this.#store, authority: this.#authority, urls: this.#urls, settings: this.#settings }
  }

  /** One request from the socket to the answer; for `startCa`. */
  async handle(request: PlainRequest): Promise<Answer> {
    const { kind, id } = routeOf(request.path)
    const { nonce, ...claimed } = request.method === 'POST' ? peekJws(request.body) : {}
    // Spent here, so that a request that a fault swallows has used its nonce up too.
    const nonceIsGood = this.#nonces.spend(nonce)
    const { method, path } = request
    const call = { ...request, kind, id, url: this.#base + path, nonceIsGood }
    const at = performance.now() - this.#started
    const entry: JournalEntry = { method, kind, path, ...claimed, at, status: 0 }
    this.#requests.push(entry)
    const answer = await this.#faults.run({
      method,
      kind,
      url: call.url,
      ...claimed,
      next: () => dispatch(this.#world, call),
      flawed: (flaw) => dispatchFlawed(this.#world, call, flaw),
    })
    entry.status = answer.status
    if (answer.bare || kind === 'directory') return answer
    const headers = { Link: `<${this.directoryUrl}>;rel="index"`, 'Cache-Control': 'no-store', ...answer.headers }
    if (answer.headers['Link']) headers.Link = `${answer.headers['Link']}, <${this.directoryUrl}>;rel="index"`
    return { ...answer, headers: { ...headers, 'Replay-Nonce': this.#nonces.fresh() } }
  }
}

export interface CaOptions extends SettingsChanges {
  /** Of the HTTPS server on 127.0.0.1; any free one by default. */
  readonly port?: number
}

/** Starts a CA on 127.0.0.1 with fresh roots. `options` are first settings. Whoever starts it calls `close`. */
export async function startCa({ port = 0, ...settings }: CaOptions = {}): Promise<Ca> {
  const initial = changed(defaultSettings(), settings)
  const [identity, authority] = await Promise.all([makeTlsIdentity(), Authority.create()])
  let ca: Ca | undefined
  const server = await serve(identity, port, (request) => {
    if (ca === undefined) throw new Error('a request came before the CA was ready')
    return ca.handle(request)
  })
  ca = new Ca(server, identity.rootPem, authority, initial)
  return ca
}
