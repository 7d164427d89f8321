// lego's command lines, word for word: those of the NixOS module for the fourth series (contract 1.11) and the fifth (2.5),
// and what our own options add.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LegoOrder, legoArguments, migrationArguments } from '../../src/acme/lego/arguments.ts'
import { legoOf } from '../../src/acme/lego/program.ts'
import type { Challenge } from '../../src/config/config.ts'
import { NixacmeError } from '../../src/errors.ts'

const commands = (...names: readonly string[]) => `COMMANDS:\n${names.map((name) => `   ${name}   words\n`).join('')}\n`
const options = (...names: readonly string[]) =>
  `OPTIONS:\n${names.map((name) => `   ${name} value  words\n`).join('')}`

const fourth = commands('run', 'revoke', 'renew', 'dnshelp', 'list', 'help, h')
const fifth = commands('run', 'certificates', 'accounts', 'dnshelp', 'migrate', 'help, h')
/** As their help was read: Debian 12's, 4.35, and the fifth series by its documentation. */
const legos = {
  'lego 4.9': legoOf('/usr/bin/lego', [
    `VERSION:\n   dev\n\n${fourth}`,
    options('--no-random-sleep', '--preferred-chain'),
  ]),
  'lego 4.35': legoOf('/usr/bin/lego', [
    `VERSION:\n   4.35.2\n\n${fourth}`,
    options('--no-random-sleep', '--preferred-chain', '--ari-disable', '--profile', '--not-after', '--private-key'),
    options('--http.s3-bucket', '--eab', '--force-cert-domains'),
  ]),
  'lego 5': legoOf('/usr/bin/lego', [
    fifth,
    options('--no-random-sleep', '--preferred-chain', '--ari-disable', '--profile', '--not-after', '--private-key'),
    options('--http.s3-bucket', '--eab', '--force-cert-domains', '--renew-force', '--renew-days'),
  ]),
} as const
type Name = keyof typeof legos

const webroot: Challenge = { kind: 'webroot', webroot: '/srv/www' }
const dns: Challenge = { kind: 'dns', provider: 'rfc2136', resolver: '192.0.2.1:53', propagationCheck: false }

const plain: LegoOrder = {
  names: ['example.com', 'www.example.com'],
  email: 'hostmaster@example.com',
  keyType: 'ec256',
  challenge: webroot,
  directoryUrl: 'https://acme.test/dir',
  mustStaple: false,
  preferredChain: null,
  profile: undefined,
  notAfter: undefined,
  csr: null,
  keptKey: undefined,
  isRenewal: false,
  replaces: true,
  isBound: false,
  flags: { all: [], run: [], renew: [] },
}
const flags = { all: ['--x'], run: ['--run'], renew: ['--renew'] }

const start = '--accept-tos --path . -d example.com --email hostmaster@example.com --key-type ec256'
const end = '--server https://acme.test/dir -d www.example.com'
const http = '--http --http.webroot /srv/www'
const common = `${start} ${http} ${end}`
const calm = '--no-random-sleep --force-cert-domains'

for (const [lego, change, expected] of [
  ['lego 4.9', {}, `${common} run`],
  ['lego 4.9', { isRenewal: true }, `${common} renew --no-random-sleep --days 9001`],
  ['lego 4.9', { isRenewal: true, flags }, `${common} --x renew --no-random-sleep --renew --days 9001`],
  ['lego 4.9', { flags, mustStaple: true }, `${common} --x run --must-staple --run`],
  ['lego 4.9', { isRenewal: true, keptKey: 'k' }, `${common} renew --reuse-key --no-random-sleep --days 9001`],
  ['lego 4.9', { email: null }, `${common.replace('hostmaster@', 'noemail@')} run`],
  ['lego 4.9', { challenge: dns }, `${start} --dns rfc2136 --dns.disable-cp --dns.resolvers 192.0.2.1:53 ${end} run`],
  ['lego 4.9', { challenge: { kind: 'listen-http', address: ':80' } }, `${start} --http --http.port :80 ${end} run`],
  ['lego 4.9', { challenge: { kind: 'listen-tls', address: ':443' } }, `${start} --tls --tls.port :443 ${end} run`],
  ['lego 4.35', { isRenewal: true }, `${common} renew --no-random-sleep --days 9001`],
  ['lego 4.35', { isRenewal: true, replaces: false }, `${common} renew --no-random-sleep --ari-disable --days 9001`],
  ['lego 4.35', { isBound: true }, `${start} ${http} --server https://acme.test/dir --eab -d www.example.com run`],
  ['lego 4.35', { challenge: { kind: 's3', bucket: 'b' } }, `${start} --http --http.s3-bucket b ${end} run`],
  [
    'lego 4.35',
    { keptKey: 'k', profile: 'p', notAfter: new Date(1e12) },
    `${common} run --profile p --not-after 2001-09-09T01:46:40Z --private-key k`,
  ],
  [
    'lego 4.35',
    { csr: '/r.csr', isRenewal: true },
    `${start.replace('-d example.com', '--csr /r.csr')} ${http} --server https://acme.test/dir run`,
  ],
  ['lego 5', {}, `run ${common} ${calm} --renew-force --ari-disable`],
  ['lego 5', { isRenewal: true }, `run ${common} ${calm} --renew-days 9001`],
  [
    'lego 5',
    { isRenewal: true, flags, mustStaple: true, profile: 'p' },
    `run ${common} --x ${calm} --must-staple --profile p --renew --renew-days 9001`,
  ],
  [
    'lego 5',
    { email: null },
    `run ${common.replace('--email hostmaster@example.com ', '')} ${calm} --renew-force --ari-disable`,
  ],
  [
    'lego 5',
    { challenge: dns },
    `run ${start} --dns rfc2136 --dns.propagation.wait 0s --dns.resolvers 192.0.2.1:53 ${end} ${calm} --renew-force --ari-disable`,
  ],
  [
    'lego 5',
    { challenge: { kind: 'listen-http', address: ':80' } },
    `run ${start} --http --http.address :80 ${end} ${calm} --renew-force --ari-disable`,
  ],
  [
    'lego 5',
    { csr: '/r.csr' },
    `run ${start.replace('-d example.com', '--csr /r.csr')} ${http} --server https://acme.test/dir --no-random-sleep --renew-force --ari-disable`,
  ],
] as [Name, Partial<LegoOrder>, string][])
  test(`${lego} ${JSON.stringify(change)}`, () => {
    assert.equal(legoArguments(legos[lego], { ...plain, ...change }).join(' '), expected)
  })

test('the account is brought into the fifth series’ form by lego itself', () => {
  assert.equal(migrationArguments.join(' '), 'migrate --account-only --path .')
})

for (const [change, option] of [
  [{ profile: 'p' }, '--profile'],
  [{ notAfter: new Date(0) }, '--not-after'],
  [{ keptKey: 'k' }, '--private-key'],
  [{ challenge: { kind: 's3', bucket: 'b' } }, '--http.s3-bucket'],
] as [Partial<LegoOrder>, string][])
  test(`an older lego without ${option} is told from one with it`, () => {
    assert.throws(
      () => legoArguments(legos['lego 4.9'], { ...plain, ...change }),
      (e) => e instanceof NixacmeError && e.kind === 'config' && e.message.endsWith(`it has no ${option}`),
    )
  })

test('what is no lego of these series is refused', () => {
  for (const help of ['', 'COMMANDS:\n   run   words\n', 'lego: not found'])
    assert.throws(() => legoOf('/x', [help]), /no lego of version 4 or 5/)
})
