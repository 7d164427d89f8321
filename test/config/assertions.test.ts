// What options mean together: each assertion, met and not met.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oldOptions } from '../../src/config/old.ts'
import { certOnly, global, inheritable } from '../../src/config/options.ts'
import { type FaultCase, faultsOf, linesOf, load, oneCert, onlyCert, testFaults } from './support.ts'

test('a config that holds says nothing', () => assert.deepEqual(load(oneCert('')).warnings, []))

const cases: readonly FaultCase[] = [
  ['terms not accepted', oneCert('').replace('true', 'false'), [/:1:15: acceptTerms: the CA's terms .* must be acc/]],
  ['terms not mentioned', oneCert('').replace('acceptTerms = true', ''), [/^config.toml: acceptTerms: the CA's terms/]],
  [
    'terms of a wrong type are told once',
    oneCert('').replace('true', '"yes"'),
    [/acceptTerms: expected true or false/],
  ],
  ['* in a name', oneCert('', '[certs."*.x.test"]\nwebroot = "/w"'), [/:2:8: certs."\*.x.test": '\*' may not stand/]],
  ['../ in a name', oneCert('', '[certs."../x"]\nwebroot = "/w"'), [/may not start with a dot/]],
  ['a name that is no DNS name', oneCert('', '[certs."a_b"]\nwebroot = "/w"'), [/certs.a_b: 'a_b' is not a DNS name/]],
  [
    "a name whose unit is another's self-signed one",
    oneCert('', '[certs."selfsigned-x.test"]\nwebroot = "/w"'),
    [/:2:8: certs."selfsigned-x.test": .* beside 'x.test': 'acme-selfsigned-x.test.service' is that one's/],
  ],
  [
    'an IPv6 address as name: a domain, not a name of files',
    oneCert('', '[certs."2001:db8::1"]\nwebroot = "/w"'),
    [/:2:8: .*':' may not stand in a certificate's name '2001:db8::1'/],
  ],
  ['a wildcard of an IP address', oneCert('domain = "*.192.0.2.1"'), [/:6:10: .*is an IP address, not a DNS name/]],
  ['no challenge', oneCert('webroot = ""'), [/:5:8: certs."x.test": exactly one of .* is required, found none/]],
  [
    'two challenges, one inherited',
    oneCert('s3Bucket = "b"'),
    [/certs."x.test": exactly one .* found webroot '\/w' and s3Bucket 'b'/],
  ],
  [
    'a challenge with a wrong value is told once',
    oneCert('webroot = 5'),
    [/webroot: expected an absolute path or null/],
  ],
  [
    'a wrong inherited challenge is told once',
    oneCert('').replace('"/w"', '"w"'),
    [/^config.toml:4:11: defaults.webroot: 'w' is not an absolute path/],
  ],
  ...['/', '/var/lib/acme', '/var/lib/acme//.lego', '/var/lib/acme/x.test/www/'].map(
    (path): [string, string, RegExp[]] => [
      `the webroot ${path}`,
      oneCert('').replace('"/w"', `"${path}"`),
      [/defaults.webroot: '.*' cannot be a webroot: (keys are kept there|it is the root of all folders)/],
    ],
  ),
  ['a wildcard by webroot', oneCert('domain = "*.x.test"'), [/:6:10: .*wildcard '\*.x.test' cannot be proven/]],
  [
    'a way of its own for a name that is not there, twice, none, two, and one that is unknown',
    oneCert(
      'extraDomainNames = ["a.test", "b.test", "c.test", "d.test"]',
      '[certs."x.test".challenges]\n"y.test".webroot = "/w"\n"a.test".webroot = "/a"\n"A.test".webroot = "/b"\n"b.test" = {}\n' +
        '"c.test" = { webroot = "/c", s3Bucket = "c" }\n"d.test".webRoot = "/d"',
    ),
    [
      /challenges\."b\.test": expected exactly one of .*, found none/,
      /challenges\."c\.test": expected exactly one of .*, found webroot and s3Bucket/,
      /challenges\."d\.test"\.webRoot: 'webRoot' is no option here/,
    ],
  ],
  [
    'a way of its own for a name that is not there, and twice for one',
    oneCert(
      'extraDomainNames = ["a.test"]',
      '[certs."x.test".challenges]\n"y.test".webroot = "/w"\n"a.test".webroot = "/a"\n"A.test".webroot = "/b"',
    ),
    [
      /challenges\."y\.test": 'y\.test' is no name of this certificate/,
      /challenges\."A\.test": 'A\.test' is the same name as 'a\.test'/,
    ],
  ],
  [
    'DNS providers that there are not, and with lego any',
    oneCert(
      'webroot = ""\ndnsProvider = "cloudflair"\nextraDomainNames = ["a.test"]\nchallenges."a.test".dnsProvider = "acme:x"',
    ),
    [
      /dnsProvider: there is no DNS provider 'cloudflair'.*\n?/,
      /challenges\."a\.test"\.dnsProvider: there is no DNS provider 'acme:x'/,
    ],
  ],
  [
    'manual, with nobody who looks',
    oneCert('webroot = ""\ndnsProvider = "manual"\ndnsPropagationCheck = false'),
    [/dnsPropagationCheck: with the DNS provider 'manual' the record must be waited for/],
  ],
  [
    'a hook that makes names itself, below a label of the account',
    oneCert('webroot = ""\ndnsProvider = "certbot:/hook"\ndnsAccountLabel = true'),
    [/:8:19: .*dnsAccountLabel: hooks as 'certbot:\/hook' make the name of the record themselves/],
  ],
  [
    "a wildcard as a CA's name, also of a name's own way",
    oneCert(
      'webroot = ""\ndnsPersist = "*.ca.test"\nextraDomainNames = ["a.test"]\nchallenges."a.test".dnsPersist = "c_a"',
    ),
    [/dnsPersist: '\*\.ca\.test' is a wildcard/, /challenges\."a\.test"\.dnsPersist: 'c_a' is not a DNS name/],
  ],
  [
    'an address by a standing record',
    oneCert('webroot = ""\ndnsPersist = "ca.test"\nextraDomainNames = ["192.0.2.1", "*.x.test"]'),
    [/extraDomainNames\[0\]: address '192\.0\.2\.1' cannot be proven by DNS-PERSIST-01/],
  ],
  [
    'ways that only drafts have, by lego',
    oneCert('webroot = ""\nengine = "lego"\ndnsPersist = "ca.test"'),
    [/:8:14: .*dnsPersist: with lego names cannot be proven by DNS-PERSIST-01/],
  ],
  [
    'a label of the account, by lego',
    oneCert('webroot = ""\nengine = "lego"\ndnsProvider = "x"\ndnsAccountLabel = true'),
    [/:9:19: .*dnsAccountLabel: with lego names cannot be proven by DNS-ACCOUNT-01/],
  ],
  [
    'a webroot of its own among the keys',
    oneCert('challenges."x.test".webroot = "/var/lib/acme/.lego"'),
    [/challenges\."x\.test"\.webroot: '.*' cannot be a webroot/],
  ],
  [
    'a wildcard among the further names',
    oneCert('extraDomainNames = ["a.test",\n "*.x.test"]'),
    [/:7:2: certs."x.test".extraDomainNames\[1\]: wildcard/],
  ],
  ['user', oneCert('user = "bob"'), [/:6:1: .*user: 'user' is without effect/]],
  ['allowKeysForGroup', oneCert('allowKeysForGroup = true'), [/allowKeysForGroup: .* is without effect/]],
  ['production', oneCert('', 'production = false'), [/:2:1: production: 'production' is removed/]],
  ['directory', oneCert('', 'directory = "/x"'), [/directory: 'directory' is removed/]],
  ['preDelay', oneCert('', 'preDelay = "x"'), [/preDelay: 'preDelay' is removed/]],
  ['activationDelay', oneCert('', 'activationDelay = "x"'), [/activationDelay: 'activationDelay' is removed/]],
  ['validMin of a wrong type', oneCert('', 'validMin = "x"'), [/validMin: expected a number of seconds/]],
  ['extraDomains of a wrong type', oneCert('extraDomains = ["x"]'), [/extraDomains: expected a table, found a list/]],
  [
    'an old domain that is none',
    oneCert('extraDomains = { "a_b" = 1 }'),
    [/extraDomainNames\[0\]: 'a_b' is not a DNS/],
  ],
  [
    'one certificate in two files',
    { 'config.toml': oneCert(''), 'config.d/a.toml': '\n[certs."x.test"]' },
    [/^config.d\/a.toml:2:8: .*'x.test' is defined here and in 'config.toml', line 5/],
  ],
  [
    'an option in two files',
    { 'config.toml': oneCert(''), 'config.d/a.json': '{"acceptTerms": true, "defaults": {"webroot": "/w"}}' },
    [
      /^config.d\/a.json:1:2: acceptTerms: set here and in 'config.toml', line 1/,
      /^config.d\/a.json:1:36: defaults.webroot: set here and in 'config.toml', line 4/,
    ],
  ],
  [
    'an old global that contradicts the defaults',
    oneCert('').replace('[defaults]', 'email = "a@x.test"\n[defaults]\nemail = "b@x.test"'),
    [/:3:1: email: 'email' is the older place of defaults.email, which 'config.toml', line 5 sets to another/],
  ],
  [
    'an old name that contradicts the new',
    oneCert('credentialsFile = "/a"\nenvironmentFile = "/b"'),
    [/:6:1: .*'credentialsFile' is the older form of 'environmentFile', which/],
  ],
]

testFaults(cases)

test('a fault in defaults is told once, however many certificates have it', () => {
  const lines = linesOf(oneCert('[certs."y.test"]').replace('"/w"', '"/"'))
  assert.equal(lines.length, 1, lines.join('\n'))
})

test('an IPv6 address as a certificate’s name: the hint says where it goes', () => {
  const [fault] = faultsOf(oneCert('', '[certs."2001:db8::1"]\nwebroot = "/w"'))
  assert.equal(fault?.hint, 'set domain = "2001:db8::1" in a certificate with another name')
})

test('all faults are told in one run, in the order of files and lines', () => {
  const faults = faultsOf({
    'config.toml': 'maxConcurrentRenewals = "x"\n[certs."a_b"]\nwebroot = 5\n[defaults]\nemail = "x"',
    'config.d/1.toml': 'x = ',
    'config.d/2.toml': 'lockPolicy = "x"\nqqq = 1',
  })
  assert.deepEqual(
    faults.map(({ file, line }) => `${file}:${line}`),
    ['config.toml:1', 'config.toml:3', 'config.toml:5', 'config.d/1.toml:1', 'config.d/2.toml:1', 'config.d/2.toml:2'],
  )
})

test('a file that cannot be read keeps quiet what may only be missing because of it', () => {
  const lines = linesOf({ 'config.toml': '[certs."x.test"]', 'config.d/1.toml': 'acceptTerms = ' })
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^config.d\/1.toml:1:14: broken TOML/)
})

for (const [name, lines, warning] of [
  ['a name twice', 'extraDomainNames = ["a.test", "A.test"]', /:6:31: .*extraDomainNames\[1\]: 'A.test' is there more/],
  ['the domain again', 'extraDomainNames = ["X.test"]', /'X.test' is there more than once/],
  [
    'an IP address in another spelling',
    'extraDomainNames = ["::1", "0:0::1"]\nprofile = "shortlived"',
    /:6:28: .*extraDomainNames\[1\]: '0:0::1' is there more than once/,
  ],
  ['extraDomains', 'extraDomains = { "b.test" = "", "a.test" = "/w" }', /'extraDomains' is now 'extraDomainNames'/],
] as const)
  test(`${name} is a warning`, () => {
    const config = load(oneCert(lines))
    assert.equal(config.warnings.length, 1)
    assert.match(config.warnings[0] ?? '', warning)
  })

test('the names of extraDomains come after extraDomainNames, sorted', () => {
  const config = load(oneCert('extraDomains = { "b.test" = "", "a.test" = "/w" }\nextraDomainNames = ["z.test"]'))
  assert.deepEqual(onlyCert(config).extraDomainNames, ['z.test', 'a.test', 'b.test'])
})

test('validMin is taken as whole days, with a warning', () => {
  const config = load(oneCert('', `validMin = ${30 * 86_400 + 86_399}`))
  assert.equal(onlyCert(config).validMinDays, 30)
  assert.match(config.warnings.join(), /:2:1: validMin: 'validMin' is now 'validMinDays', in days/)
})

test('what holds nothing in a dump of a NixOS config is passed over in silence', () => {
  const magic = '"_mkMergedOptionModule"'
  const removed = ['production', 'directory', 'preDelay', 'activationDelay', 'validMin', '_module']
  const top = removed.map((name) => `${name} = ${magic}`).join('\n')
  const cert = ['user', 'allowKeysForGroup', 'extraDomains', 'credentialsFile'].map((name) => `${name} = ${magic}`)
  assert.deepEqual(load(oneCert(`${cert.join('\n')}\ndirectory = "/var/lib/acme/x.test"`, top)).warnings, [])
})

test('no name is an option and an old one at once', () => {
  const now = { global: { ...global, ...inheritable }, defaults: inheritable, cert: { ...inheritable, ...certOnly } }
  for (const level of ['global', 'defaults', 'cert'] as const)
    for (const name of Object.keys(oldOptions[level])) assert.ok(!Object.hasOwn(now[level], name), name)
})

test('ways of drafts: a label of the account for all DNS providers, a standing record for the CA as A-labels', () => {
  const options = 'webroot = ""\ndnsAccountLabel = true\ndnsPersist = "Bücher.test"\nextraDomainNames = ["a.test"]'
  const { challenges } = onlyCert(load(oneCert(`${options}\nchallenges."a.test".dnsProvider = "pdns"`)))
  const seen = { resolver: null, propagationCheck: true }
  assert.deepEqual(challenges, [
    { challenge: { kind: 'dns-persist', issuer: 'xn--bcher-kva.test', ...seen }, names: ['x.test'] },
    { challenge: { kind: 'dns', provider: 'pdns', ...seen, accountLabel: true }, names: ['a.test'] },
  ])
  // Without it nothing is said of it: jobs stay as they were.
  const [group] = onlyCert(load(oneCert('webroot = ""\ndnsProvider = "pdns"'))).challenges
  assert.deepEqual(group?.challenge, { kind: 'dns', provider: 'pdns', ...seen })
})
