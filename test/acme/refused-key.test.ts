// Keys that are there already and must not be certified any more.
import assert from 'node:assert/strict'
import test from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { NixacmeError } from '../../src/errors.ts'
import { startFakeCa } from './fake-ca.ts'
import { bench, failureOf } from './request.ts'

test('a key that must not be certified any more is told before the CA is asked, by a dry run too', async (t) => {
  const ca = await startFakeCa(t)
  const pem = await generateKey('ec256')
  const refusal = new NixacmeError('data', 'not this key')
  const refuseKey = (keyPem: string) => {
    if (keyPem === pem) throw refusal
  }
  for (const dryRun of [false, true]) {
    const { req } = bench(t, ca.directoryUrl, { key: { kind: 'keep', pem }, refuseKey, dryRun })
    assert.equal(await failureOf(issue(req)), refusal)
  }
  assert.deepEqual(ca.log(), [])
})
