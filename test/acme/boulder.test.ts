// What Let's Encrypt's Boulder really sends, from its source and from reports: the words, hints and links made of it.
import assert from 'node:assert/strict'
import test from 'node:test'
import { answerOf, problemOf } from '../../src/acme/answer.ts'
import { problemType } from '../../src/acme/problem.ts'

interface Sent {
  readonly status: number
  readonly type: string
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
  readonly subproblems?: readonly { type: string; detail: string; identifier: string }[]
}

function told({ status, type, detail, headers = {}, subproblems }: Sent) {
  const subs = subproblems?.map(({ identifier, ...sub }) => ({
    ...sub,
    type: problemType(sub.type),
    status,
    identifier: { type: 'dns', value: identifier },
  }))
  const data = JSON.stringify({ type: problemType(type), detail, status, ...(subs && { subproblems: subs }) })
  const response = { status, headers: { 'content-type': 'application/problem+json', ...headers }, data }
  const url = 'https://acme-v02.api.letsencrypt.org/acme/new-order'
  return problemOf(answerOf(url, response, new Date()), "the order of 'example.com'")
}

const unpause = `https://portal.letsencrypt.org/sfe/v1/unpause?jwt=${'eyJ'.padEnd(500, 'a')}.b-c_d.${'e'.repeat(43)}`

test('rateLimited, names that are paused: later, the link that un-pauses is told whole', () => {
  const names = Array.from({ length: 15 }, (_, i) => `www${i}.example.com`).join(', ')
  const e = told({
    status: 429,
    type: 'rateLimited',
    detail: `Your account is temporarily prevented from requesting certificates for ${names} and possibly others. Please visit: ${unpause}`,
  })
  assert.deepEqual([e.exitStatus, e.problem, e.retryAfter], [75, 'rateLimited', undefined])
  assert.deepEqual(e.links, [unpause])
  assert.ok(e.hints.includes(`see '${unpause}'`))
  assert.ok(e.message.length < 500)
})

test('rateLimited, a limit with its instant and its page: the words as they are, and Retry-After', () => {
  const page = 'https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers'
  const e = told({
    status: 429,
    type: 'rateLimited',
    detail: `too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-23 14:00:00 UTC: see ${page}`,
    headers: { 'retry-after': '122400', link: `<https://letsencrypt.org/docs/rate-limits>;rel="help"` },
  })
  assert.equal(e.retryAfter, 122_400)
  assert.deepEqual(e.links, ['https://letsencrypt.org/docs/rate-limits', page])
  assert.match(e.message, /rateLimited: too many certificates \(5\) .* 14:00:00 UTC: see https:/)
  // Both links stand in the words already.
  assert.deepEqual(e.hints, ['the CA asks to wait 122400 s (34 h) before the next attempt'])
})

test('rejectedIdentifier of several names: one line each', () => {
  const forbidden =
    'The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy'
  const e = told({
    status: 400,
    type: 'rejectedIdentifier',
    detail: `Cannot issue for "a.example.com": ${forbidden} (and 1 more problems. Refer to sub-problems for more information.)`,
    subproblems: [
      { type: 'rejectedIdentifier', detail: forbidden, identifier: 'a.example.com' },
      { type: 'malformed', detail: 'Domain name contains an invalid character', identifier: '-b.example.com' },
    ],
  })
  assert.equal(e.exitStatus, 76)
  assert.deepEqual(e.hints, [
    `a.example.com: rejectedIdentifier: ${forbidden}`,
    '-b.example.com: malformed: Domain name contains an invalid character',
  ])
})

test('compound: the type and the reason of each name', () => {
  const e = told({
    status: 403,
    type: 'compound',
    detail: 'Some of the identifiers requested were rejected',
    subproblems: [
      { type: 'caa', detail: 'CAA record for a.example.com prevents issuance', identifier: 'a.example.com' },
      { type: 'dns', detail: 'DNS problem: NXDOMAIN looking up A for b.example.com', identifier: 'b.example.com' },
    ],
  })
  assert.equal(e.problem, 'compound')
  assert.deepEqual(e.hints, [
    'a.example.com: caa: CAA record for a.example.com prevents issuance',
    'b.example.com: dns: DNS problem: NXDOMAIN looking up A for b.example.com',
  ])
})

for (const [status, type, detail] of [
  [400, 'malformed', 'Unable to validate JWS :: Parse error reading JWS'],
  [403, 'caa', 'CAA record for example.com prevents issuance'],
  [400, 'dns', "DNS problem: SERVFAIL looking up CAA for example.com - the domain's nameservers may be malfunctioning"],
  [
    400,
    'connection',
    '203.0.113.7: Fetching http://example.com/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)',
  ],
  [403, 'unauthorized', '203.0.113.7: Invalid response from http://example.com/.well-known/acme-challenge/x: 404'],
] as const)
  test(`${type}: refused, in its own words, without hints of ours`, () => {
    const e = told({ status, type, detail })
    assert.deepEqual([e.exitStatus, e.problem, e.hints, e.links], [76, type, [], []])
    assert.equal(e.message, `the CA refused the order of 'example.com': ${type}: ${detail}`)
  })

test('userActionRequired: the page of this user, and the new terms', () => {
  const data = JSON.stringify({
    type: problemType('userActionRequired'),
    detail: 'Terms of service have changed',
    instance: 'https://ca.example/acme/agreement/?token=W8Ih3PswD-8',
  })
  const headers = {
    'content-type': 'application/problem+json',
    link: '<https://ca.example/acme/terms/2026-06-20>;rel="terms-of-service"',
  }
  const e = problemOf(answerOf('https://ca.example/new-order', { status: 403, headers, data }, new Date()), 'the order')
  assert.deepEqual(e.hints, [
    "see 'https://ca.example/acme/agreement/?token=W8Ih3PswD-8'",
    "see 'https://ca.example/acme/terms/2026-06-20'",
  ])
})

test('words that would write on a terminal, or fill a log, become one bounded line', () => {
  const evil = `no\r\nnixacme: all is well\u001b[2J\u009b31m\u0000${'x'.repeat(100_000)}`
  const e = told({
    status: 403,
    type: 'caa\u001b[1m',
    detail: evil,
    subproblems: [{ type: 'dns\n', detail: evil, identifier: `a\n${evil}` }],
  })
  for (const line of [e.message, ...e.hints]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
    assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f]/)
    assert.ok(line.length < 1000)
  }
  assert.ok(e.detail.length <= 8000)
})
