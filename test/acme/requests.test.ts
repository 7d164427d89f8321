// How many requests a renewal takes: each has a reason.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { RequestKind } from '../ca/routes.ts'
import { type Pebble, pebbleMissing, serve, startPebble } from '../support/pebble.ts'
import { directory, startFakeCa } from './fake-ca.ts'
import { scene } from './interrupted.ts'
import { bench, failureOf } from './request.ts'

const whole: readonly RequestKind[] = [
  'directory',
  'newNonce',
  'newOrder',
  'authz',
  'challenge',
  'order',
  'finalize',
  'certificate',
  'renewalInfo',
]

test('a renewal of one name at a CA that does everything at once: 9 requests', async (t) => {
  const renewalInfo = { retryAfter: null }
  const s = await scene(t, { renewalInfo }, { names: ['a.example'] })
  ;(await s.next()).issued.stored()
  s.ca.reset()
  await s.next()
  assert.deepEqual(
    s.ca.requests.map(({ kind }) => kind),
    whole,
  )
})

test('a nonce in the answer of the directory saves the question for one', async (t) => {
  const ca = await startFakeCa(t, (call) =>
    call.path === '/dir' ? { headers: { 'replay-nonce': 'first' }, body: directory(call) } : undefined,
  )
  // As far as the download, which this CA has no certificate for.
  assert.match((await failureOf(issue(bench(t, ca.directoryUrl).req))).message, /issued .* not have it ready/)
  assert.deepEqual(ca.log().slice(0, 2), ['GET /dir', 'POST /account'])
  assert.equal(ca.calls[1]?.header['nonce'], 'first')
})

describe('at Pebble', { skip: pebbleMissing ?? false }, () => {
  let pebble: Pebble
  before(async () => {
    pebble = await startPebble()
  })
  after(() => pebble.stop())

  test('a renewal of one name: 8 requests and the polls that the CA asks for', async (t) => {
    const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot], names: ['a.example'] })
    const web = await serve(b.webroot, pebble.httpPort)
    t.after(() => web.stop())
    const renew = async (n: number) => {
      ;(await issue(b.req))?.stored()
      await pebble.logged('GET /draft-ietf-acme-ari-03/renewalInfo/', n)
      return { all: pebble.count('-> calling handler()'), polls: pebble.count('POST /my-order/') }
    }
    const first = await renew(1)
    const second = await renew(2)
    const polls = second.polls - first.polls
    assert.equal(second.all - first.all - polls, 8)
    assert.ok(polls >= 2 && polls <= 4, `${polls} polls`)
    t.diagnostic(`${second.all - first.all} requests, ${polls} of them polls`)
  })
})
