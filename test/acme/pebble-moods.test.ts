// A whole issuance at a Pebble that is stricter than CAs are today, and at one that rejects nine nonces of ten.
import assert from 'node:assert/strict'
import test from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { type PebbleOptions, pebbleMissing, serve, startPebble } from '../support/pebble.ts'
import { bench } from './request.ts'

const skip = pebbleMissing ?? false

const moods: readonly [name: string, options: PebbleOptions, leastRequests: number][] = [
  ['-strict', { strict: true }, 16],
  ['PEBBLE_WFE_NONCEREJECT=90', { nonceReject: 90 }, 60],
]

for (const [name, options, leastRequests] of moods)
  test(`Pebble with ${name}: an account, and two certificates`, { skip }, async (t) => {
    const pebble = await startPebble(options)
    t.after(() => pebble.stop())
    const { req, webroot, challengeFiles } = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot] })
    const web = await serve(webroot, pebble.httpPort)
    t.after(() => web.stop())
    const first = await issue(req)
    const second = await issue(req)
    assert.ok(first && second)
    assert.equal(second.accountUrl, first.accountUrl)
    assert.deepEqual(challengeFiles(), [])
    await pebble.logged('POST /certZ/', 2)
    assert.ok(pebble.count('-> calling handler()') >= leastRequests)
    assert.equal(pebble.count('There are now 1 accounts in memory'), 1)
  })
