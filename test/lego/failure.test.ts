// What becomes of lego's last words: lines as lego 4.9 and 4.35 wrote them against Pebble.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { legoFault } from '../../src/acme/lego/failure.ts'
import { legoOf } from '../../src/acme/lego/program.ts'

const lego = legoOf('/usr/bin/lego', ['VERSION:\n   4.35.2\n\nCOMMANDS:\n   run   words\n   renew   words\n'])
const names = ['c.example.com', 'd.example.com']
const faultOf = (...lines: readonly string[]) => legoFault({ lego, failure: 'ended with status 1', lines, names })

const head = ['2026/11/22 08:44:09 Could not obtain certificates:', '\terror: one or more domains had a problem:']
const urn = 'urn:ietf:params:acme:error'

test('names that could not be validated, in the words of both versions', () => {
  const e = faultOf(
    ...head,
    `[c.example.com] acme: error: 403 :: ${urn}:unauthorized :: Non-200 status code from HTTP: 404`,
    `[d.example.com] invalid authorization: acme: error: 400 :: ${urn}:connection :: Connection refused`,
  )
  assert.deepEqual([e.kind, e.problem], ['refused', 'unauthorized'])
  assert.match(e.message, /^the CA refused lego's order of 'c.example.com', 'd.example.com': unauthorized: Non-200/)
  assert.deepEqual(e.refusal?.unproven, names)
  assert.ok(e.hints.some((hint) => hint.startsWith('d.example.com: connection: Connection refused')))
})

for (const [about, line, kind, problem] of [
  ['a fault without a problem', '500 ::POST :: https://acme.test/o :: invalid character', 'unavailable', 'unavailable'],
  [
    'a limit',
    `error: 429 :: POST :: https://acme.test/new :: ${urn}:rateLimited :: too many certificates, url: `,
    'later',
    'rateLimited',
  ],
  [
    'a refused order',
    `acme: error: 400 :: POST :: https://acme.test/new :: ${urn}:rejectedIdentifier :: no`,
    'refused',
    'rejectedIdentifier',
  ],
  [
    'an account that is gone',
    `acme: error: 400 :: POST :: https://acme.test/o :: ${urn}:accountDoesNotExist :: no`,
    'refused',
    'accountDoesNotExist',
  ],
  [
    'a fault of the CA',
    `acme: error: 500 :: POST :: https://acme.test/o :: ${urn}:serverInternal :: oh`,
    'unavailable',
    'serverInternal',
  ],
  [
    'no way to it',
    'Could not create client: get directory: dial tcp 127.0.0.1:9: connect: connection refused',
    'unavailable',
    'unavailable',
  ],
  [
    'a certificate of its own',
    'Get "https://acme.test/dir": tls: failed to verify: x509: unknown authority',
    'unavailable',
    'unavailable',
  ],
  ['a provider that it lacks', '2026/11/22 08:44:09 unrecognized DNS provider: cloudflare', 'config', 'config'],
  [
    'credentials that are missing',
    'cloudflare: some credentials information are missing: CLOUDFLARE_EMAIL',
    'config',
    'config',
  ],
  [
    'credentials that are wrong',
    '[c.example.com] acme: error presenting token: 401: access denied',
    'refused',
    'refused',
  ],
  ['a flag that it lacks', 'flag provided but not defined: -frob', 'config', 'config'],
] as const)
  test(`${about}: ${kind}`, () => {
    const e = faultOf(...head, line)
    assert.deepEqual([e.kind, e.problem], [kind, problem])
    assert.ok(e.hints.includes(`lego: ${line}`))
    assert.equal(e.refusal?.unproven.length ?? 0, 0)
  })

test('without a word, the end itself is told', () => {
  assert.equal(faultOf().message, 'lego 4.35.2 ended with status 1')
})
