// Plain http: to this machine alone, and only where 'plainHttp' says so, wherever a URL of the CA comes in.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import test from 'node:test'
import { readAccount } from '../../src/acme/account-files.ts'
import { issue } from '../../src/acme/issue.ts'
import { readAuthorization, readChallenge, readDirectory, readOrder } from '../../src/acme/types.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { isSecure } from '../../src/url.ts'
import { startFakeCa } from './fake-ca.ts'
import { bench, failureOf } from './request.ts'

const local = ['http://localhost:4000/dir', 'http://ca.localhost/', 'http://127.9.9.9/', 'http://[::1]:80/']
const never = [
  'http://ca.example/dir',
  'http://localhost.example/',
  'http://127.0.0.1.example/',
  'http://128.0.0.1/',
  'http://[::2]/',
  'https://user@ca.example/',
  'https://:secret@ca.example/',
  'ftp://localhost/',
  'file:///etc/passwd',
  'data:,x',
  '//ca.example/',
  '/dir',
  '',
  `https://ca.example/${'x'.repeat(2000)}`,
]

test('https always, http to this machine only when asked for, nothing else ever', () => {
  for (const plainHttp of [false, true]) {
    assert.ok(isSecure('https://ca.example/dir', plainHttp))
    for (const url of local) assert.equal(isSecure(url, plainHttp), plainHttp, url)
    for (const url of never) assert.equal(isSecure(url, plainHttp), false, url)
  }
})

test('without plainHttp a CA on this machine is refused by a sentence that names the option, nothing is sent', async (t) => {
  const ca = await startFakeCa(t)
  const e = await failureOf(issue(bench(t, ca.directoryUrl, { plainHttp: false }).req))
  assert.equal(e.exitStatus, 78)
  assert.match(e.message, /^server 'http:\/\/127\.0\.0\.1:\d+\/dir' is plain http, which only the option 'plainHttp'/)
  assert.match(e.hints.join('\n'), /plainHttp = true/)
  assert.deepEqual(ca.calls, [])
})

for (const url of ['http://ca.example/dir', 'https://user:secret@ca.example/dir'])
  test(`${url} is refused with plainHttp too, its password is not shown`, async (t) => {
    const e = await failureOf(issue(bench(t, url).req))
    assert.equal(e.exitStatus, 78)
    assert.match(e.message, /is no https URL that may be asked/)
    assert.ok(!`${e.message}${e.hints}`.includes('secret'))
  })

const url = 'http://localhost/x'
const bodies = {
  directory: [readDirectory, { newNonce: url, newAccount: url, newOrder: url, revokeCert: url }],
  order: [readOrder, { status: 'valid', authorizations: [url], finalize: url, certificate: url }],
  authorization: [
    readAuthorization,
    { status: 'valid', identifier: { value: 'a' }, challenges: [{ type: 'http-01', url }] },
  ],
  challenge: [readChallenge, { type: 'http-01', url }],
} as const

for (const [what, [read, body]] of Object.entries(bodies))
  test(`URLs in the ${what}: plain http only where asked for`, () => {
    assert.doesNotThrow(() => read(body, true))
    assert.throws(() => read(body), /is no https URL/)
    const elsewhere: unknown = JSON.parse(JSON.stringify(body).replaceAll('localhost', 'ca.example'))
    assert.throws(() => read(elsewhere, true), /is no https URL/)
  })

test('the URL of a stored account: the same', async (t) => {
  const { account } = bench(t, 'https://ca.example/').req
  mkdirSync(dirname(account.key), { recursive: true })
  writeFileSync(account.key, await generateKey('ec256'))
  writeFileSync(account.json, JSON.stringify({ registration: { uri: url } }))
  assert.equal(readAccount(account, true).url, url)
  assert.equal(readAccount(account, false).url, 'unusable')
})
