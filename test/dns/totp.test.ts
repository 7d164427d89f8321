// One-time passwords: the vectors of RFC 6238 appendix B (of its eight digits the last six), and secrets as people copy them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedSecret, totp, totpStep } from '../../src/acme/dns/totp.ts'

const secret = Buffer.from('12345678901234567890')

for (const [seconds, password] of [
  [59, '287082'],
  [1111111109, '081804'],
  [1111111111, '050471'],
  [1234567890, '005924'],
  [2000000000, '279037'],
  [20000000000, '353130'],
] as const)
  test(`totp: ${password} at ${seconds} s`, () => assert.equal(totp(secret, Math.floor(seconds / totpStep)), password))

for (const text of [
  'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
  'gezd gnbv gy3t qojq gezd gnbv gy3t qojq',
  'GEZDGNBVGY3TQOJQ-GEZDGNBVGY3TQOJQ====',
])
  test(`totp: the secret '${text}'`, () => assert.deepEqual(sharedSecret(text), secret))

for (const text of ['', '===', 'GEZD1', 'GEZDÄ'])
  test(`totp: '${text}' is no secret`, () => assert.equal(sharedSecret(text), undefined))
