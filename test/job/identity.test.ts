// Hashes and file stems byte for byte as the NixOS module makes them: vectors of real Nix, the rows of the contract, laws.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import {
  type AccountIdentity,
  accountHash,
  type CertDirIdentity,
  certDirHash,
  type DomainIdentity,
  domainHash,
  keyName,
  mkHash,
} from '../../src/job/identity.ts'
import { noEmail } from '../../src/job/paths.ts'
import { identityVectors } from '../nix/identity.ts'

const vectors = identityVectors()

const plain: CertDirIdentity = {
  extraLegoFlags: [],
  extraLegoRunFlags: [],
  extraLegoRenewFlags: [],
  server: null,
  dnsProvider: null,
  ocspMustStaple: false,
  keyType: 'ec256',
  csr: null,
  profile: null,
}

test('every vector of Nix', () => {
  for (const { input, output } of vectors.accountHash) assert.equal(accountHash(input), output, JSON.stringify(input))
  for (const { input, output } of vectors.certDirHash) assert.equal(certDirHash(input), output, JSON.stringify(input))
  for (const { input, output } of vectors.domainHash) assert.equal(domainHash(input), output, JSON.stringify(input))
  for (const { input, output } of vectors.keyName) assert.equal(keyName(input), output)
})

test('the vectors cover something, and different certificate folders never share a hash', () => {
  assert.ok(vectors.accountHash.length > 30 && vectors.certDirHash.length > 40 && vectors.domainHash.length > 6)
  // What the module itself cannot tell apart: null and '' server, and one flag of two words.
  const text = ({ server, ...rest }: CertDirIdentity) => JSON.stringify({ server: server ?? '', ...rest })
  const byText = new Map(vectors.certDirHash.map((v) => [text(v.input), v.output]))
  assert.equal(new Set(byText.values()).size, byText.size - 1)
})

const email = 'hostmaster@example.test'
const staging = 'https://acme-staging-v02.api.letsencrypt.org/directory'

for (const [what, found, wanted] of [
  ['account, no server', accountHash({ server: null, keyType: 'ec256', email }), '1ccf607d9aa280e9af00'],
  [
    'account, server',
    accountHash({ server: 'https://acme.test/dir', keyType: 'ec256', email }),
    'd590213ed52603e9128d',
  ],
  ['folder, defaults', certDirHash(plain), '549839e4ae8616de7ad5'],
  [
    'folder, explicit production server',
    certDirHash({ ...plain, server: 'https://acme-v02.api.letsencrypt.org/directory' }),
    '748661661a99cbbf91d5',
  ],
  [
    'folder, everything set',
    certDirHash({
      extraLegoFlags: ['--x', 'y z'],
      extraLegoRunFlags: ['--preferred-chain', 'ISRG'],
      extraLegoRenewFlags: ['--reuse-key'],
      server: staging,
      dnsProvider: 'rfc2136',
      ocspMustStaple: true,
      keyType: 'rsa4096',
      csr: null,
      profile: null,
    }),
    '644da1a9fa06d73010ac',
  ],
  ['folder, the text itself', mkHash(' -\n -\n -\n \n ec256\n'), '549839e4ae8616de7ad5'],
  ['domain alone', domainHash({ domain: 'example.com', extraDomainNames: [] }), 'b732c9401d3417458f52'],
  [
    'domain and extras',
    domainHash({ domain: 'example.com', extraDomainNames: ['www.example.com', 'foo.example.com'] }),
    '57ab85628f7007408e20',
  ],
  [
    'domain and extras, reversed',
    domainHash({ domain: 'example.com', extraDomainNames: ['foo.example.com', 'www.example.com'] }),
    '155c589bb9f2faa1adc5',
  ],
] as const)
  test(`contract: ${what}`, () => assert.equal(found, wanted))

test('no e-mail, an empty one and the placeholder are one account', () => {
  const of = (address: string | null) => accountHash({ server: staging, keyType: 'ec256', email: address })
  assert.equal(of(null), of(noEmail))
  assert.equal(of(''), of(noEmail))
  assert.notEqual(of(email), of(noEmail))
})

// One word each: the module joins by spaces, so it cannot tell ['a b'] from ['a', 'b'], and neither may we.
const word = fc.stringMatching(/^[a-z0-9.-]{1,12}$/)
const words = fc.array(word, { maxLength: 3 })
const orNull = fc.option(word)
const account: fc.Arbitrary<AccountIdentity> = fc.record({ server: orNull, keyType: word, email: orNull })
const domain: fc.Arbitrary<DomainIdentity> = fc.record({ domain: word, extraDomainNames: words })
const certDir: fc.Arbitrary<CertDirIdentity> = fc.record({
  extraLegoFlags: words,
  extraLegoRunFlags: words,
  extraLegoRenewFlags: words,
  server: orNull,
  dnsProvider: orNull,
  ocspMustStaple: fc.boolean(),
  keyType: word,
  csr: orNull,
  profile: orNull,
})

/** Law: two inputs have one hash only when they are equal; the second differs from the first in one field at most. */
function tellsApart<T extends object>(arbitrary: fc.Arbitrary<T>, hash: (value: T) => string) {
  const pair = fc.tuple(arbitrary, arbitrary, fc.nat()).map(([a, b, n]): [T, T] => {
    const keys = Object.keys(a) as (keyof T)[]
    const key = keys[n % keys.length] as keyof T
    return [a, { ...a, [key]: b[key] }]
  })
  fc.assert(
    fc.property(pair, ([a, b]) => {
      assert.match(hash(a), /^[0-9a-f]{20}$/)
      assert.equal(hash(a) === hash(b), JSON.stringify(a) === JSON.stringify(b))
    }),
    { numRuns: 500 },
  )
}

test('law: any change of an input changes its hash', () => {
  tellsApart(account, accountHash)
  tellsApart(domain, domainHash)
  tellsApart(certDir, certDirHash)
})

test('law: what the hashes are not made of does not change them', () => {
  const more = { webroot: '/w', group: 'web', validMinDays: 9, postRun: 'true' }
  fc.assert(fc.property(certDir, (c) => assert.equal(certDirHash(Object.assign({ ...c }, more)), certDirHash(c))))
})

// As lego's own names of files: a colon is in none but those of IPv6 addresses.
test('law: a key name has _ for * and - for :, and nothing else changes', () => {
  const as = new Map([
    ['*', '_'],
    [':', '-'],
  ])
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV6(), fc.ipV4()), (name) => {
      assert.equal(keyName(name), [...name].map((c) => as.get(c) ?? c).join(''))
    }),
  )
})
