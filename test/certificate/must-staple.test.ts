// Whether a certificate asks for stapling and can have it, with certificates that openssl makes.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { asksForStapling, flawOfMustStaple, mustStapleValue } from '../../src/certificate/must-staple.ts'

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '/dev/null']

function certificate(...extensions: string[]): string {
  const more = ['subjectAltName=DNS:a.example', ...extensions].flatMap((extension) => ['-addext', extension])
  const args = ['req', '-x509', ...newKey, '-subj', '/CN=a.example', '-days', '1', ...more]
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

const staple = 'tlsfeature=status_request'
const ocsp = 'authorityInfoAccess=OCSP;URI:http://ocsp.example/'

const cases: readonly [extensions: readonly string[], flaw: RegExp | undefined][] = [
  [[], /lacks the must-staple extension/],
  [[ocsp], /lacks the must-staple extension/],
  [['tlsfeature=status_request_v2', ocsp], /lacks the must-staple extension/],
  [[staple], /the CA has no OCSP$/],
  [[staple, 'authorityInfoAccess=caIssuers;URI:http://ca.example/'], /the CA has no OCSP$/],
  [[staple, ocsp], undefined],
  [['tlsfeature=status_request_v2,status_request', ocsp], undefined],
  [[staple, `${ocsp},caIssuers;URI:http://ca.example/`], undefined],
]

for (const [extensions, flaw] of cases)
  test(`${extensions.join(', ') || 'no extension'}: ${flaw?.source ?? 'good'}`, () => {
    const found = flawOfMustStaple(certificate(...extensions))
    if (flaw) assert.match(found ?? '', flaw)
    else assert.equal(found, undefined)
  })

test('what is asked for is what is looked for', () => {
  assert.ok(asksForStapling(mustStapleValue))
})
