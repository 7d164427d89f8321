// A bare ACME client for the tests of the test CA: it signs what it is told to, right or wrong, and shows the answer as
// it came.
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import * as acme from 'acme-client'
import type { Ca } from './ca.ts'

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body as JSON. */
  readonly json: Record<string, unknown>
}

/** What of a right request is to be different; a header member that is undefined is left out. */
export interface Wrong {
  readonly header?: Record<string, unknown>
  readonly payload?: string
  readonly contentType?: string
  readonly key?: KeyObject
  readonly envelope?: Record<string, unknown>
}

export class RawClient {
  readonly ca: Ca
  readonly key: KeyObject
  readonly #alg: string
  #account: string | undefined

  constructor(ca: Ca, alg: 'ES256' | 'ES384' | 'RS256' = 'ES256') {
    this.ca = ca
    this.#alg = alg
    this.key =
      alg === 'RS256'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
        : generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' }).privateKey
  }

  get jwk(): Record<string, unknown> {
    return { ...createPublicKey(this.key).export({ format: 'jwk' }) }
  }

  get account(): string {
    if (this.#account === undefined) throw new Error('register first')
    return this.#account
  }

  url(path: string): string {
    return new URL(path, this.ca.directoryUrl).href
  }

  async nonce(): Promise<string> {
    return String((await this.send('HEAD', '/new-nonce')).headers['replay-nonce'])
  }

  /** POST with `payload` as JSON (undefined: POST-as-GET), signed with kid, or jwk for newAccount. */
  async post(path: string, payload?: unknown, wrong: Wrong = {}): Promise<RawAnswer> {
    const url = this.url(path)
    const who = path === '/new-account' ? { jwk: this.jwk } : { kid: this.#account }
    const header = { alg: this.#alg, ...who, nonce: await this.nonce(), url, ...wrong.header }
    const encoded = {
      protected: Buffer.from(JSON.stringify(header)).toString('base64url'),
      payload: Buffer.from(wrong.payload ?? JSON.stringify(payload) ?? '').toString('base64url'),
    }
    const key = { key: wrong.key ?? this.key, dsaEncoding: 'ieee-p1363' as const }
    const hash = this.#alg === 'ES384' ? 'sha384' : 'sha256'
    const signature = sign(hash, Buffer.from(`${encoded.protected}.${encoded.payload}`), key).toString('base64url')
    const body = JSON.stringify({ ...encoded, signature, ...wrong.envelope })
    return this.send('POST', path, body, { 'Content-Type': wrong.contentType ?? 'application/jose+json' })
  }

  /** newAccount, remembered for later requests. */
  async register(payload: Record<string, unknown> = {}): Promise<RawAnswer> {
    const answer = await this.post('/new-account', { termsOfServiceAgreed: true, ...payload })
    this.#account = answer.headers.location
    return answer
  }

  /** An order for `names` with one POST to each http-01 challenge; resolves to the order's path. */
  async order(...names: string[]): Promise<string> {
    const identifiers = names.map((value) => ({ type: 'dns', value }))
    const order = await this.post('/new-order', { identifiers })
    for (const authz of order.json['authorizations'] as string[]) {
      const { json } = await this.post(new URL(authz).pathname)
      const challenges = json['challenges'] as { type: string; url: string }[]
      const url = challenges.find(({ type }) => type === 'http-01')?.url
      if (url !== undefined) await this.post(new URL(url).pathname, {})
      await this.post(new URL(authz).pathname)
    }
    return new URL(String(order.headers.location)).pathname
  }

  send(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const options = { method, ca: this.ca.rootPem, agent: false as const, timeout: 10_000, signal }
      const all = { 'User-Agent': 'raw-client', ...headers }
      const sent = request(this.url(path), { ...options, headers: all }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text,
            get json() {
              return JSON.parse(text) as Record<string, unknown>
            },
          }),
        )
      })
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer')))
      sent.end(body)
    })
  }
}

/** The last part of the URN of a problem document. */
export const problemType = (answer: RawAnswer): string => String(answer.json['type']).replace(/^.*:/, '')

/** The PEM certificates in a download. */
export const pemsOf = (text: string): string[] => text.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? []

/** The payload of finalize for these names: a CSR with `keyPem` or a fresh P-256 key. */
export async function csrFor(names: string[], keyPem?: string): Promise<{ csr: string }> {
  const key = keyPem ?? (await acme.crypto.createPrivateEcdsaKey())
  const [, pem] = await acme.crypto.createCsr({ altNames: names }, key)
  const der = Buffer.from(pem.toString().replace(/-----[^-]+-----|\n/g, ''), 'base64')
  return { csr: der.toString('base64url') }
}
