// The three lists of lego's flags, with and without lego.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from '../../src/job/compile.ts'
import { linesOf, load, oneCert, onlyCert, testFaults } from './support.ts'

const faulty = (flags: readonly string[], more = '', option = 'extraLegoFlags') =>
  oneCert(`${option} = ${JSON.stringify(flags)}\n${more}`)
const lego = 'engine = "lego"'

testFaults([
  [
    'a flag without a meaning here',
    faulty(['--overall-request-limit', '5']),
    [/extraLegoFlags\[0\]: flag '--overall-request-limit' has no meaning without lego/],
  ],
  ['a flag that nobody knows', faulty(['--frob=secret-value']), [/flag '--frob' has no meaning without lego/]],
  [
    'one with an option in its place',
    faulty(['--must-staple', '--renew-hook', 'x']),
    [/extraLegoFlags\[1\]: flag '--renew-hook'/],
  ],
  ['a word alone', faulty(['secret-value']), [/a word that is no flag has no meaning without lego/]],
  ['a value that is missing', faulty(['--preferred-chain']), [/flag '--preferred-chain' has no value/]],
  [
    'in each of the lists',
    faulty(['--days', '3'], '', 'extraLegoRenewFlags'),
    [/extraLegoRenewFlags\[0\]: flag '--days'/],
  ],
  [
    'a secret for everybody to see',
    faulty(['--eab', '--hmac', 'secret-value'], lego),
    [/extraLegoFlags\[1\]: flag '--hmac' cannot be lego's: it would be seen/],
  ],
  [
    'what nixacme says itself',
    faulty(['-d', 'x.test', '-m=x@y.test'], lego),
    [/flag '--d' cannot be/, /flag '--m' cannot be/],
  ],
  ['files elsewhere', faulty(['--path', '/x'], lego), [/flag '--path' cannot be lego's: lego works in a folder/]],
  [
    'several ways with lego',
    oneCert(`${lego}\nchallenges."x.test".webroot = "/v"`),
    [/lego proves all names of a certificate in one way/],
  ],
])

test('no value is in a message', () => {
  for (const engine of ['', lego])
    for (const flags of [
      ['--frob=secret-value'],
      ['secret-value'],
      ['--hmac', 'secret-value'],
      ['--path=secret-value'],
    ])
      assert.doesNotMatch(linesOf(faulty([...flags, '--kid', 'k'], engine)).join('\n'), /secret-value/)
})

test('without lego, flags with a meaning are the options, and the folder is that of the flags alone', () => {
  const flags = ['--must-staple', '--dns.resolvers=192.0.2.1:53', '--dns.disable-cp', '--no-random-sleep', '--eab']
  const config = load(
    oneCert(
      `extraLegoFlags = ${JSON.stringify(flags)}\nextraLegoRunFlags = ["--preferred-chain", "ISRG", "--profile", "short"]\n` +
        'extraLegoRenewFlags = ["-reuse-key"]\nserver = "https://acme.test/dir"',
    ),
  )
  const { engine, ocspMustStaple, preferredChain, profiles, keyReuse } = onlyCert(config)
  assert.deepEqual(engine, { kind: 'native' })
  assert.deepEqual([ocspMustStaple, preferredChain, profiles, keyReuse], [true, 'ISRG', ['short'], true])
  const [job] = compile(config)
  const plain = { ...onlyCert(config), ocspMustStaple: false, profiles: [] }
  const [same] = compile({ ...config, certs: [plain] })
  assert.deepEqual(job?.servers[0].hashes, same?.servers[0].hashes)
})

test('with lego, the same flags are lego’s, and mean nothing here', () => {
  const config = load(
    oneCert(
      `${lego}\nlegoPath = "/opt/lego"\nextraLegoFlags = ["--must-staple", "--frob"]\nextraLegoRunFlags = ["--a"]\nextraLegoRenewFlags = ["--b"]`,
    ),
  )
  const { engine, ocspMustStaple } = onlyCert(config)
  const flags = { all: ['--must-staple', '--frob'], run: ['--a'], renew: ['--b'] }
  assert.deepEqual(engine, { kind: 'lego', path: '/opt/lego', flags })
  assert.equal(ocspMustStaple, false)
})
