// A CA that is away, answers nonsense, refuses, or sends another certificate than the one asked for: the right status, the
// CA's own words where it has any, and the certificate that is there stays to the byte.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CertificateFlaw, certificateFlaws } from '../ca/authority.ts'
import type { Fault } from '../ca/faults.ts'
import type { RequestKind } from '../ca/routes.ts'
import { cert, makeWorld, type World } from '../support/world.ts'
import { type BadInput, badInputs, closeCa, keptOrder } from './bad-input.ts'

const fault = (kind: RequestKind | '*', what: Fault) => (world: World) => world.ca.fault(kind, what)

type CaCase = Pick<BadInput, 'name' | 'status' | 'error' | 'hint' | 'spoil'> & Partial<BadInput>

const cases: readonly CaCase[] = [
  {
    name: 'a CA that is away',
    spoil: closeCa,
    status: 69,
    error: /cannot reach the CA at '127\.0\.0\.1:\d+': connection refused/,
    hint: /option 'server'/,
  },
  {
    name: 'a CA with the certificate of an unknown root',
    spoil: (w) => w.configure({ defaults: { caCertificates: [] } }),
    status: 69,
    error: /its TLS certificate comes from an unknown CA/,
    hint: /caCertificates/,
  },
  {
    name: 'a page for people in place of the directory',
    spoil: fault('directory', { do: 'html' }),
    status: 69,
    error: /the answer of 'https:.*\/directory' makes no sense: expected JSON, found 'text\/html'/,
    hint: /no proxy or portal/,
  },
  {
    name: 'half a JSON in place of an order',
    spoil: fault('newOrder', { do: 'half-json' }),
    status: 69,
    error: /the answer of '.*\/new-order' makes no sense: JSON that cannot be read/,
    hint: /no proxy or portal/,
  },
  {
    name: 'a directory whose members have other types',
    spoil: fault('directory', { do: 'patch', json: { newOrder: 5 } }),
    status: 69,
    error: /\/directory' makes no sense: .*newOrder/,
    hint: /no proxy or portal/,
  },
  {
    name: 'an order whose members have other types',
    spoil: fault('newOrder', { do: 'patch', json: { authorizations: 'none' } }),
    status: 69,
    error: /\/new-order' makes no sense: .*authorizations/,
    hint: /no proxy or portal/,
  },
  {
    name: 'an answer that is cut off, again and again',
    spoil: fault('finalize', { do: 'cut' }),
    status: 69,
    error: /cannot reach the CA|makes no sense/,
    hint: null,
    changed: keptOrder,
  },
  {
    name: 'a name that the CA refuses',
    spoil: (w) => w.ca.set({ blocked: ['www.example.com'] }),
    status: 76,
    error: /the CA refused the order of 'example\.com', 'www\.example\.com': rejectedIdentifier: /,
    hint: /^www\.example\.com: rejectedIdentifier/,
  },
  {
    name: 'a rate limit with Retry-After',
    spoil: fault('newOrder', {
      do: 'problem',
      type: 'rateLimited',
      status: 429,
      detail: 'too many orders',
      retryAfter: 3600,
    }),
    status: 75,
    error: /the CA refused the order of .*: rateLimited: too many orders/,
    hint: /the CA asks to wait 3600 s/,
  },
  {
    name: 'a CA with a fault of its own',
    spoil: fault('newOrder', {
      do: 'problem',
      type: 'serverInternal',
      status: 500,
      detail: 'the database is away',
      retryAfter: 60,
    }),
    status: 69,
    error: /the CA failed at the order of .*: serverInternal: the database is away/,
    hint: null,
  },
  {
    name: 'a name that does not lead to the webroot',
    spoil: (w) => w.ca.set({ httpPort: 1 }),
    status: 76,
    error: /the CA refused the proof of control over 'example\.com'.*: connection: /,
    hint: /\.well-known\/acme-challenge\/<token>' on port 80/,
  },
  {
    name: 'a rate limit of 34 hours',
    spoil: fault('newOrder', { do: 'problem', type: 'rateLimited', status: 429, detail: 'wait', retryAfter: 122_400 }),
    status: 75,
    error: /rateLimited: wait/,
    hint: /the CA asks to wait 122400 s \(34 h\) before the next attempt/,
    mostRequests: 3,
  },
  {
    name: 'a token that would lead out of the folder',
    spoil: fault('authz', { do: 'token', token: '../../../../etc/cron.d/x' }),
    status: 76,
    error: /the CA sent a token for '.*' that is no base64url text/,
    hint: /nothing was written/,
  },
]

/** What each wrong download ends with. Text that is no certificate at all is nonsense, the rest is another certificate. */
const flaws: Partial<Record<CertificateFlaw, readonly [status: number, error: RegExp]>> = {
  'other-key': [76, /the key is not the one of the certificate/],
  'other-names': [76, /lacks 'example\.com'/],
  'wrong-intermediate': [76, /certificate 1 of the chain is not issued by the next one/],
  reversed: [76, /the key is not the one of the certificate/],
  expired: [76, /the certificate expired at \d{4}-/],
  truncated: [69, /makes no sense/],
  garbage: [69, /makes no sense/],
  empty: [69, /makes no sense/],
}

const downloads: readonly CaCase[] = certificateFlaws.flatMap((flaw) => {
  const [status, error] = flaws[flaw] ?? []
  if (status === undefined || error === undefined) return []
  const spoil = fault('certificate', { do: 'certificate', flaw })
  // What is no certificate may be one at the next try, and then it is that of this order.
  const changed = status === 69 ? keptOrder : () => []
  return [{ name: `a download that is wrong: ${flaw}`, spoil, status, error, hint: null, changed }]
})

badInputs(
  'CA',
  // Nine requests, polls of the order, and what is tried again.
  [...cases, ...downloads].map((bad) => ({ args: ['renew', '--now', cert], requests: null, mostRequests: 16, ...bad })),
)

test('a first run that the CA refuses leaves no certificate, no marker and no challenge', async (t) => {
  const world = await makeWorld(t, { ca: { blocked: [cert] } })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 76, stderr)
  const { out, certificates } = world.paths()
  assert.deepEqual([readdirSync(out), readdirSync(certificates)], [[], ['nixacme.json']])
  assert.deepEqual(readdirSync(join(world.webroot, '.well-known/acme-challenge')), [])
  assert.equal(world.ca.stats.orders, 0)
})

test('what a CA says cannot write on the terminal or on further lines', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  world.ca.fault('newOrder', { do: 'problem', type: 'rejectedIdentifier', detail: 'no\nnixacme: all is well\u001b[2J' })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 76)
  assert.ok(!stderr.includes('\u001b'))
  assert.doesNotMatch(stderr, /^nixacme: all is well/m)
})
