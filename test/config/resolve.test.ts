// What comes out of a config that holds: own value, else that of defaults, else the built-in one.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { letsEncrypt, webrootsOf } from '../../src/config/config.ts'
import { compile } from '../../src/job/compile.ts'
import { shownIn } from '../job/support.ts'
import { load, oneCert, onlyCert } from './support.ts'

test('everything but the webroot has a default', () => {
  const config = load('acceptTerms = true\n[certs."x.test"]\nwebroot = "/w"')
  const { sources, certs, ...rest } = config
  assert.equal(certs.length, 1)
  assert.ok(sources.length > 0)
  assert.deepEqual(rest, {
    maxConcurrentRenewals: 5,
    lockPolicy: 'home',
    lockTimeout: null,
    useRoot: false,
    preliminarySelfsigned: true,
    warnings: [],
  })
  assert.deepEqual(onlyCert(config), {
    name: 'x.test',
    domain: 'x.test',
    extraDomainNames: [],
    server: letsEncrypt,
    servers: [],
    plainHttp: false,
    email: null,
    keyType: 'ec256',
    group: 'acme',
    challenges: shownIn('/w', ['x.test']),
    validMinDays: null,
    postRun: '',
    reloadServices: [],
    caCertificates: [],
    renewInterval: 'daily',
    renewJitter: '24h',
    environmentFile: null,
    credentialFiles: {},
    profiles: [],
    profilePolicy: 'required',
    ocspMustStaple: false,
    csr: null,
    preferredChain: null,
    keyReuse: false,
    notAfter: null,
    orderTimeout: 600,
    dnsProvider: null,
    extraLegoFlags: [],
    extraLegoRunFlags: [],
    extraLegoRenewFlags: [],
    engine: { kind: 'native' },
    written: { ocspMustStaple: false, profile: null },
  })
})

test('an empty config has no certificates and asks for no terms', () => {
  assert.deepEqual(load('').certs, [])
  assert.deepEqual(load({ 'config.json': '{}' }).certs, [])
})

/** Three certificates: inheriting, overriding with null, not inheriting. */
const family = `
acceptTerms = true
maxConcurrentRenewals = -1
lockPolicy = "any"
useRoot = true
[defaults]
server = "https://acme.test/dir"
email = "a@x.test"
keyType = "rsa2048"
group = "www"
validMinDays = 20
postRun = "true"
reloadServices = ["nginx.service"]
webroot = "/d"
[certs."c.test"]
[certs."b.test"]
server = ""
email = "b@x.test"
validMinDays = ""
reloadServices = []
webroot = "/b"
[certs."a.test"]
inheritDefaults = false
webroot = "/a"
`

test('defaults reach the certificates that inherit, validMinDays among them', () => {
  const config = load(family)
  assert.deepEqual([config.maxConcurrentRenewals, config.lockPolicy, config.useRoot], [-1, 'any', true])
  const shown = config.certs.map((c) => [
    c.name,
    c.server,
    c.email,
    c.keyType,
    c.group,
    c.validMinDays,
    c.postRun,
    c.reloadServices.length,
    webrootsOf(c.challenges)[0],
  ])
  assert.deepEqual(shown, [
    ['a.test', letsEncrypt, null, 'ec256', 'acme', null, '', 0, '/a'],
    ['b.test', null, 'b@x.test', 'rsa2048', 'www', null, 'true', 0, '/b'],
    ['c.test', 'https://acme.test/dir', 'a@x.test', 'rsa2048', 'www', 20, 'true', 1, '/d'],
  ])
})

test('times and credentials reach the certificates, and a table of a certificate replaces that of defaults', () => {
  const { certs } = load(`
acceptTerms = true
[defaults]
webroot = "/w"
renewInterval = "weekly"
renewJitter = "1h"
environmentFile = "/etc/env"
credentialFiles = { A_FILE = "/etc/a" }
[certs."a.test"]
[certs."b.test"]
renewInterval = "Mon..Fri 04:00"
environmentFile = ""
credentialFiles = { B_PATH = "/etc/b" }`)
  const shown = certs.map((c) => [c.renewInterval, c.renewJitter, c.environmentFile, c.credentialFiles])
  assert.deepEqual(shown, [
    ['weekly', '1h', '/etc/env', { A_FILE: '/etc/a' }],
    ['Mon..Fri 04:00', '1h', null, { B_PATH: '/etc/b' }],
  ])
})

test('the only certificate of its name may begin like a self-signed unit', () =>
  assert.equal(onlyCert(load(oneCert('').replace('"x.test"', '"selfsigned-x.test"'))).name, 'selfsigned-x.test'))

test('certificates stand in byte order of their names', () => {
  const names = ['b.example', 'Z.example', 'a-b.example', '10.example', '9.example', 'a.example', 'a.b.example']
  const text = names.map((name) => `[certs."${name}"]\n`).join('')
  assert.deepEqual(
    load(`acceptTerms = true\n[defaults]\nwebroot = "/w"\n${text}`).certs.map(({ name }) => name),
    ['10.example', '9.example', 'Z.example', 'a-b.example', 'a.b.example', 'a.example', 'b.example'],
  )
})

test('the old global options are defaults of every certificate', () => {
  const old = `acceptTerms = true
email = "a@x.test"
server = "https://acme.test/dir"
validMinDays = 30
renewInterval = "weekly"
enableDebugLogs = false
[certs."x.test"]
webroot = "/w"`
  const cert = onlyCert(load(old))
  assert.deepEqual([cert.email, cert.server, cert.validMinDays], ['a@x.test', 'https://acme.test/dir', 30])
  assert.equal(cert.renewInterval, 'weekly')
})

test('the old global server may stand beside the same one in defaults', () => {
  const server = 'server = "https://acme.test/dir"'
  const config = load(oneCert('', server).replace('[defaults]', `[defaults]\n${server}`))
  assert.equal(onlyCert(config).server, 'https://acme.test/dir')
})

test('with defaults, a null server of a certificate stays null beside the old global one', () => {
  const server = 'https://acme.test/dir'
  const cert = { webroot: '/w', server: null }
  const text = JSON.stringify({ acceptTerms: true, server, defaults: { server }, certs: { 'x.test': cert } })
  assert.equal(onlyCert(load({ 'config.json': text })).server, null)
})

for (const [form, line] of [
  ['null', 'null'],
  ['an empty string', '""'],
] as const)
  test(`a server of ${form} keeps the account of a NixOS machine that never set one`, () => {
    const cert = { webroot: '/w', server: JSON.parse(line), email: 'hostmaster@example.test' }
    const [job] = compile(load({ 'config.json': JSON.stringify({ acceptTerms: true, certs: { 'x.test': cert } }) }))
    assert.equal(job?.servers[0].hashes.account, '1ccf607d9aa280e9af00')
    assert.equal(job?.servers[0].hashes.certDir, '549839e4ae8616de7ad5')
    assert.equal(job?.servers[0].directoryUrl, letsEncrypt)
  })

test("the default server is spelt out, so it gives today's NixOS hashes", () => {
  const [job] = compile(load(oneCert('')))
  assert.equal(job?.servers[0].hashes.certDir, '748661661a99cbbf91d5')
})

test('names are kept as written, for the hashes', () => {
  const cert = onlyCert(load(oneCert('domain = "X.test"\nextraDomainNames = ["bücher.test", "b.test", "a.test"]')))
  assert.deepEqual([cert.domain, cert.extraDomainNames], ['X.test', ['bücher.test', 'b.test', 'a.test']])
})

const dump = (name: string): Record<string, string> => ({
  'config.json': readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8'),
})

test("a dump of today's NixOS config is a config, without a word", () => {
  const config = load(dump('nixos-dump.json'))
  assert.deepEqual(config.warnings, [])
  const shown = config.certs.map((c) => [
    c.name,
    c.domain,
    c.extraDomainNames,
    c.group,
    c.keyType,
    webrootsOf(c.challenges)[0],
  ])
  assert.deepEqual(shown, [
    [
      'example.org',
      'example.org',
      ['www.example.org', 'git.example.org'],
      'nginx',
      'ec256',
      '/var/lib/acme/acme-challenge',
    ],
    ['mail', 'mail.example.org', [], 'acme', 'rsa4096', '/srv/mail'],
  ])
  assert.deepEqual(
    config.certs.map(({ email }) => email),
    ['hostmaster@example.org', null],
  )
})

test('a dump of a NixOS config of 2021 is a config: its null servers mean the global one', () => {
  const config = load(dump('nixos-dump-2021.json'))
  assert.deepEqual(config.warnings, [])
  assert.deepEqual(
    config.certs.map(({ name, server, email, validMinDays }) => [name, server, email, validMinDays]),
    [
      ['a.example.org', 'https://ca.example.org/acme/directory', 'hostmaster@example.org', 30],
      ['b.example.org', 'https://other.example.org/dir', 'b@example.org', 30],
    ],
  )
})

test('each name has its way, and names of one way are together', () => {
  const [first] = load(
    oneCert(
      'extraDomainNames = ["a.test", "B.test", "c.test"]',
      '[certs."x.test".challenges]\n"b.test".webroot = "/own"\n"C.test".webroot = "/own"',
    ),
  ).certs
  assert.deepEqual(first?.challenges, [
    { challenge: { kind: 'webroot', webroot: '/w' }, names: ['x.test', 'a.test'] },
    { challenge: { kind: 'webroot', webroot: '/own' }, names: ['b.test', 'c.test'] },
  ])
})

test('where each name has a way of its own, the certificate needs none', () => {
  const [first] = load(oneCert('webroot = ""\nchallenges."x.test".webroot = "/own"')).certs
  assert.deepEqual(first?.challenges, [{ challenge: { kind: 'webroot', webroot: '/own' }, names: ['x.test'] }])
})
