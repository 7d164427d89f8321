// The paths of the test CA and the kinds of request, the names under which they are counted and broken.

/** Exported so that tests can go through all of them; `unknown` is every other path. */
export const requestKinds = [
  'directory',
  'newNonce',
  'newAccount',
  'account',
  'orders',
  'keyChange',
  'newOrder',
  'order',
  'finalize',
  'authz',
  'challenge',
  'certificate',
  'revokeCert',
  'renewalInfo',
  'unknown',
] as const

export type RequestKind = (typeof requestKinds)[number]

const patterns: readonly (readonly [RequestKind, RegExp])[] = [
  ['directory', /^\/directory$/],
  ['newNonce', /^\/new-nonce$/],
  ['newAccount', /^\/new-account$/],
  ['newOrder', /^\/new-order$/],
  ['revokeCert', /^\/revoke-cert$/],
  ['keyChange', /^\/key-change$/],
  ['account', /^\/account\/(\d+)$/],
  ['orders', /^\/account\/(\d+)\/orders$/],
  ['order', /^\/order\/(\d+)$/],
  ['finalize', /^\/order\/(\d+)\/finalize$/],
  ['authz', /^\/authz\/(\d+)$/],
  ['challenge', /^\/challenge\/(\d+)$/],
  ['certificate', /^\/certificate\/(\d+)$/],
  ['renewalInfo', /^\/renewal-info\/[^/]+$/],
]

/** The kind of a path and the number in it (0 where there is none). */
export function routeOf(path: string): { kind: RequestKind; id: number } {
  for (const [kind, pattern] of patterns) {
    const match = pattern.exec(path)
    if (match !== null) return { kind, id: Number(match[1] ?? 0) }
  }
  return { kind: 'unknown', id: 0 }
}

/** All URLs of the CA; `base` is `https://127.0.0.1:<port>`. */
export const urlsOf = (base: string) => ({
  directory: `${base}/directory`,
  newNonce: `${base}/new-nonce`,
  newAccount: `${base}/new-account`,
  newOrder: `${base}/new-order`,
  revokeCert: `${base}/revoke-cert`,
  keyChange: `${base}/key-change`,
  renewalInfo: `${base}/renewal-info`,
  terms: `${base}/terms`,
  account: (id: number) => `${base}/account/${id}`,
  orders: (id: number) => `${base}/account/${id}/orders`,
  order: (id: number) => `${base}/order/${id}`,
  finalize: (id: number) => `${base}/order/${id}/finalize`,
  authz: (id: number) => `${base}/authz/${id}`,
  challenge: (id: number) => `${base}/challenge/${id}`,
  certificate: (id: number) => `${base}/certificate/${id}`,
})

export type Urls = ReturnType<typeof urlsOf>
