// The members of acme-client 5.4.0 that client.ts relies on and its own types leave out; client.test.ts holds them to it.

declare module 'acme-client/src/http.js' {
  interface RawResponse {
    readonly status: number
    readonly headers: Readonly<Record<string, unknown>>
    readonly data: unknown
  }
  /** A JWS in flattened JSON serialisation (RFC 7515 §7.2.2). */
  interface SignedBody {
    readonly protected: string
    readonly payload: string
    readonly signature: string
  }
  export default class HttpClient {
    constructor(directoryUrl: string, accountKey: string)
    /** PEM (SEC1, PKCS#1 or PKCS#8), or what node:crypto has read of it. */
    accountKey: string | import('node:crypto').KeyObject
    /** The public key of `accountKey`, members sorted; null until first asked for. */
    jwk: object | null
    getJwk(): object
    /** A falsy payload becomes the empty one of a POST-as-GET (RFC 8555 §6.3); without `kid` the header carries the JWK. */
    createSignedBody(
      url: string,
      payload: object | null,
      header: { nonce: string | null; kid: string | null },
    ): SignedBody
    /** `options` go to axios as they are. Any status resolves. */
    request(url: string, method: string, options: object): Promise<RawResponse>
  }
}

declare module 'acme-client/src/axios.js' {
  const instance: {
    readonly interceptors: { readonly request: { clear(): void }; readonly response: { clear(): void } }
  }
  export default instance
}
