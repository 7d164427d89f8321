// Which CAs are asked, how, and what Let's Encrypt would refuse: told offline, each at its place.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { letsEncrypt } from '../../src/config/config.ts'
import { faultsOf, load, oneCert, onlyCert, testFaults } from './support.ts'

const [a, b, c] = ['https://a.test/dir', 'https://b.test/dir', 'https://c.test/dir']
const local = 'http://127.0.0.1:14000/dir'
const staging = 'https://acme-staging-v02.api.letsencrypt.org/directory'
const list = (...urls: readonly string[]): string => JSON.stringify(urls)

/** `x.test` with these lines, under defaults with those. */
const cert = (own: string, defaults = ''): string => oneCert(own).replace('[defaults]', `[defaults]\n${defaults}`)
const names = (count: number): string =>
  `extraDomainNames = ${JSON.stringify(Array.from({ length: count - 1 }, (_, i) => `n${i}.test`))}`

testFaults([
  [
    'http for server',
    oneCert(`server = "${local}"`),
    [/:6:10: .*x.test".server: '.*14000\/dir' is asked by plain http/],
  ],
  [
    'http for one of servers',
    oneCert(`servers = ${list(a, local)}`),
    [/:6:33: .*servers\[1\]: .*needs plainHttp = true/],
  ],
  [
    'http for all certificates is told once, where it stands',
    cert('[certs."y.test"]', `server = "${local}"`),
    [/:4:10: defaults.server: .*plain http/],
  ],
  ['http at the older place', oneCert('', `server = "${local}"`), [/:2:10: server: .*plain http/]],
  [
    'http, switched off here',
    cert('plainHttp = false', `server = "${local}"\nplainHttp = true`),
    [/:4:10: defaults.server: .*plain http/],
  ],
  [
    'http to another machine, whatever is asked for',
    oneCert('server = "http://ca.test/dir"\nplainHttp = true'),
    [/server: 'http:\/\/ca.test\/dir' is not an https URL/],
  ],
  [
    'a wrong plainHttp is told once',
    oneCert(`server = "${local}"\nplainHttp = 1`),
    [/plainHttp: expected true or false/],
  ],
  [
    'server beside other servers',
    oneCert(`servers = ${list(a, b)}\nserver = "${b}"`),
    [/:7:10: .*server: 'server' is '.*b.test\/dir', but the first of 'servers' is '.*a.test\/dir'/],
  ],
  [
    'a null server beside servers',
    oneCert(`servers = ${list(a)}\nserver = ""`),
    [/:7:10: .*'server' is null, but the/],
  ],
  ['the same in defaults', cert('', `server = "${b}"\nservers = ${list(a)}`), [/:4:10: defaults.server: 'server' is/]],
  [
    'a CA twice',
    oneCert(`servers = ${list(a, b, a)}`),
    [/:6:54: .*servers\[2\]: '.*' is the CA of servers\[0\] again/],
  ],
  [
    'a CA twice, spelt otherwise',
    oneCert('servers = ["https://a.test/dir", "https://A.test:443/dir"]'),
    [/servers\[1\]: 'https:\/\/A.test:443\/dir' is the CA of servers\[0\] again/],
  ],
  [
    'a list with a fault is told once',
    oneCert(`servers = ["x", "x"]\nserver = "${a}"`),
    [/\[0\]: 'x' is/, /\[1\]: 'x' is/],
  ],

  [
    'must-staple',
    oneCert('ocspMustStaple = true'),
    [/:6:18: .*ocspMustStaple: Let's Encrypt refuses must-staple: .*OCSP/],
  ],
  [
    'must-staple for all, told once',
    cert('[certs."y.test"]', 'ocspMustStaple = true'),
    [/:4:18: defaults.ocspMustStaple: Let's Encrypt refuses/],
  ],
  ['notAfter', oneCert('notAfter = "7d"'), [/:6:12: .*notAfter: Let's Encrypt takes no 'notAfter'/]],
  ['a null server is Let’s Encrypt', oneCert('server = ""\nnotAfter = "7d"'), [/Let's Encrypt takes no 'notAfter'/]],
  [
    'each known CA is judged',
    oneCert(`servers = ${list(a, staging, letsEncrypt)}\nnotAfter = "7d"`),
    [/notAfter: Let's Encrypt's staging CA takes no/, /notAfter: Let's Encrypt takes no/],
  ],
  [
    '101 names',
    oneCert(names(101)),
    [/:6:20: .*extraDomainNames: Let's Encrypt has at most 100 names in .* profile 'classic', found 101/],
  ],
  [
    '26 names in tlsserver',
    oneCert(`profile = "tlsserver"\n${names(26)}`),
    [/at most 25 names .* 'tlsserver', found 26/],
  ],
  [
    'the largest of the accepted profiles counts',
    oneCert(`profile = ["shortlived", "classic"]\n${names(101)}`),
    [/at most 100 names .* 'shortlived' or 'classic', found 101/],
  ],
  [
    'an IP address and 25 more names: shortlived is the profile then',
    oneCert(`${names(25)}`).replace('["n0.test"', '["192.0.2.1", "n0.test"'),
    [/at most 25 names .* 'shortlived', found 26/],
  ],
  [
    'an IP address in a profile that has none',
    oneCert('domain = "2001:db8::1"\nprofile = ["classic", "tlsserver"]\nprofilePolicy = "preferred"'),
    [/:7:11: .*profile: Let's Encrypt has IP addresses in profile 'shortlived' only, found 'classic' or 'tlsserver'/],
  ],
])

for (const [what, text] of [
  ['http to this machine, where it is asked for', oneCert(`server = "${local}"\nplainHttp = true`)],
  ['http for all', cert('', `servers = ${list(a, local)}\nplainHttp = true`)],
  ['a server that nobody asks', cert(`server = "${a}"`, `server = "${local}"`)],
  ['server beside servers that begin with it', oneCert(`server = "${a}"\nservers = ${list(a, b)}`)],
  ['two CAs of one host', oneCert('servers = ["https://a.test/1", "https://a.test/2"]')],
  ['server in defaults beside servers of a certificate', cert(`servers = ${list(a, b)}`, `server = "${b}"`)],
  [
    'must-staple, notAfter and many names elsewhere',
    oneCert(`server = "${a}"\nocspMustStaple = true\nnotAfter = "7d"\n${names(200)}`),
  ],
  ['100 names', oneCert(names(100))],
  ['a name twice counts once', oneCert(`${names(100)}`).replace('["n0.test"', '["X.test", "n0.test"')],
  ['100 names where tlsserver or classic will do', oneCert(`profile = ["tlsserver", "classic"]\n${names(100)}`)],
  ['25 names in shortlived', oneCert(`profile = "shortlived"\n${names(25)}`)],
  ['a profile that is not known', oneCert(`profile = "next"\n${names(100)}`)],
  ['an IP address', oneCert('domain = "192.0.2.1"')],
  ['an IP address where shortlived will do', oneCert('domain = "::1"\nprofile = ["classic", "shortlived"]')],
  ['a policy without a profile', oneCert('profilePolicy = "preferred"')],
] as const)
  test(`holds: ${what}`, () => assert.ok(load(text).certs.length > 0))

for (const [what, text, wanted] of [
  ['servers of defaults', cert('', `servers = ${list(a, b)}`), [a, [a, b]]],
  ['an own server in place of inherited servers', cert(`server = "${c}"`, `servers = ${list(a, b)}`), [c, []]],
  ['own servers in place of inherited ones', cert(`servers = ${list(c)}`, `servers = ${list(a, b)}`), [c, [c]]],
  ['own servers in place of an inherited server', cert(`servers = ${list(b, c)}`, `server = "${a}"`), [b, [b, c]]],
  ['an empty list: none of the inherited ones', cert('servers = []', `servers = ${list(a, b)}`), [letsEncrypt, []]],
  ['an empty list beside an own server', cert(`servers = []\nserver = "${c}"`, `servers = ${list(a, b)}`), [c, []]],
  ['an empty list and an inherited server', cert('servers = []', `server = "${a}"\nservers = ${list(a, b)}`), [a, []]],
  ['a null server in place of inherited servers', cert('server = ""', `servers = ${list(a, b)}`), [null, []]],
] as const)
  test(`asked: ${what}`, () => {
    const { server, servers } = onlyCert(load(text))
    assert.deepEqual([server, servers], wanted)
  })

test('a profile of an empty string or of an empty list is none, and drops that of defaults', () => {
  for (const none of ['""', '[]'])
    assert.deepEqual(onlyCert(load(cert(`profile = ${none}`, 'profile = "tlsserver"'))).profiles, [])
  assert.deepEqual(onlyCert(load(cert('', 'profile = ["b", "a"]'))).profiles, ['b', 'a'])
  assert.deepEqual(onlyCert(load(oneCert('profile = "a"'))).profiles, ['a'])
})

test('hints say what to do', () => {
  const hintOf = (text: string) => faultsOf(text)[0]?.hint ?? ''
  assert.match(hintOf(oneCert(`server = "${local}"`)), /write https:\/\/ .*, else set plainHttp = true/)
  assert.match(hintOf(oneCert('ocspMustStaple = true')), /ocspMustStaple = false/)
  assert.match(hintOf(oneCert('notAfter = 60')), /leave 'notAfter' out, and choose a profile/)
  assert.match(hintOf(oneCert(names(101))), /several certificates/)
})

test('more certificates of one set of names than Let’s Encrypt issues in a week are a warning, each', () => {
  const twins = (count: number, lines = '') =>
    Array.from({ length: count }, (_, i) => `[certs."t${i}"]\ndomain = "x.test"\n${lines}`).join('\n')
  const warnings = (count: number, lines?: string) => load(oneCert(twins(count, lines))).warnings
  assert.deepEqual(warnings(4), [])
  const six = warnings(6)
  assert.equal(six.length, 2)
  assert.match(six[0] ?? '', /certs.t5: 't5' is certificate number 6 with the same names, and Let's Encrypt issues 5/)
  assert.deepEqual(warnings(6, 'extraDomainNames = ["y.test"]').length, 1)
  assert.deepEqual(warnings(6, `server = "${a}"`), [])
  assert.deepEqual(warnings(2, 'profile = "shortlived"'), [])
  assert.match(warnings(3, 'profile = "shortlived"').join(), /number 3 with .* in 7 days, of which each takes 2$/)
})
