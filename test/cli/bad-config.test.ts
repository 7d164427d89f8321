// A config with faults stops every command before anything is touched: 78, with the place and what to do.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { truncate } from '../support/certificates.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World } from '../support/world.ts'
import { type BadInput, badInputs } from './bad-input.ts'

const write = (text: string) => (world: World) => writeFileSync(world.configFile, text)

/** Beside the config, so that it is read with it. */
function dropIn(world: World, text: string): void {
  const dir = join(dirname(world.configFile), 'config.d')
  mkdirSync(dir)
  writeFileSync(join(dir, '10.toml'), text)
}

const certNamed = (name: string) => (world: World) => world.configure({ certs: { [name]: { domain: 'a.example' } } })

const cases: readonly Omit<BadInput, 'status'>[] = [
  {
    name: 'TOML that is cut off',
    spoil: write('acceptTerms = true\n[defaults\nemail = "a@b.example"\n'),
    error: /config\.toml:3:\d+: broken TOML/,
    hint: null,
  },
  {
    name: 'JSON that is cut off',
    spoil: (w) => writeFileSync(`${w.configFile}.json`, '{\n  "acceptTerms": true,\n  "certs": {'),
    host: (w) => ({ env: { NIXACME_CONFIG: `${w.configFile}.json` } }),
    error: /config\.toml\.json:3:\d+: /,
    hint: null,
  },
  {
    name: 'an unknown key, with the nearest name',
    spoil: (w) => w.configure({ defaults: { webrot: '/srv/www' } }),
    error: /config\.toml:\d+:\d+: defaults\.webrot: /,
    hint: /'webroot'/,
  },
  {
    name: 'a number where a list belongs',
    spoil: (w) => w.configure({ certs: { [cert]: { extraDomainNames: 5 } } }),
    error: /certs\."example\.com"\.extraDomainNames: expected a list of DNS names and IP addresses, found .*5/,
    hint: null,
  },
  {
    name: 'a word where a number belongs',
    spoil: (w) => w.configure({ certs: { [cert]: { validMinDays: 'thirty' } } }),
    error: /certs\."example\.com"\.validMinDays: expected a whole number/,
    hint: null,
  },
  {
    name: 'a certificate defined twice',
    spoil: (w) => dropIn(w, `[certs."${cert}"]\n`),
    error: /config\.d\/10\.toml:1:\d+: certs\."example\.com": .*config\.toml/,
    hint: null,
  },
  { name: 'a way out of the folder as a name', spoil: certNamed('../evil'), error: /start with a dot/, hint: /domain/ },
  { name: 'a folder in a folder as a name', spoil: certNamed('a/../b'), error: /'\/' may not stand/, hint: /domain/ },
  {
    name: 'the parent folder as a name',
    spoil: certNamed('..'),
    error: /may not start with a dot: '\.\.'/,
    hint: /domain/,
  },
  {
    name: 'a wildcard as a name',
    spoil: certNamed('*.example.com'),
    error: /'\*' may not stand in .*'\*\.example\.com'/,
    hint: /set domain = "\*\.example\.com"/,
  },
  { name: 'a hidden folder as a name', spoil: certNamed('.lego'), error: /may not start with a dot/, hint: /domain/ },
  { name: 'a newline in a name', spoil: certNamed('a\nb'), error: /may not stand in/, hint: /domain/ },
  {
    name: 'a wildcard that only DNS could prove',
    spoil: (w) => w.configure({ certs: { [cert]: { extraDomainNames: ['*.example.com'] } } }),
    error: /wildcard '\*\.example\.com' cannot be proven with 'webroot'/,
    hint: null,
  },
  {
    name: 'a DNS provider that there is not',
    spoil: (w) => w.configure({ certs: { [cert]: { dnsProvider: 'rfc2163', webroot: '' } } }),
    error: /there is no DNS provider 'rfc2163'/,
    hint: /did you mean 'rfc2136'/,
  },
  {
    name: 'terms that are not accepted',
    spoil: (w) => w.configure({ global: { acceptTerms: false } }),
    error: /terms of service must be accepted/,
    hint: /acceptTerms = true/,
  },
  {
    name: 'a root of the CA that is cut off',
    spoil(w) {
      writeFileSync(join(w.dir, 'cut.pem'), truncate(w.ca.rootPem))
      w.configure({ defaults: { caCertificates: [join(w.dir, 'cut.pem')] } })
    },
    error: /caCertificates\[0\]: '.*cut\.pem' is cut off/,
    hint: null,
  },
  {
    name: 'a root of the CA that is not there',
    spoil: (w) => w.configure({ defaults: { caCertificates: ['/nowhere/root.pem'] } }),
    error: /'\/nowhere\/root\.pem' cannot be read: no such file/,
    hint: null,
  },
  {
    name: 'a config that is not there',
    spoil: (w) => rmSync(w.configFile),
    error: /config\.toml: there is no such file/,
    hint: /NIXACME_CONFIG/,
  },
  {
    name: 'a folder in place of the config',
    spoil(w) {
      rmSync(w.configFile)
      mkdirSync(w.configFile)
    },
    error: /config\.toml: .*not a regular file/,
    hint: null,
  },
]

badInputs(
  'config',
  cases.map((bad) => ({ ...bad, status: 78 })),
)

test('all faults are told in one run, each with its line, and apply leaves the old jobs alone', async (t) => {
  const world = await makeWorld(t)
  assert.equal((await world.nixacme(['apply'])).status, 0)
  writeFileSync(
    world.configFile,
    'acceptTerms = "yes"\nmaxConcurrentRenewal = 3\n[certs."a.example"]\nwebroot = "www"\nemail = 5\n[certs."*.b"]\nwebroot = "/w"\n',
  )
  const before = world.tree()
  const [checked, applied] = [await world.nixacme(['check']), await world.nixacme(['apply'])]
  assert.deepEqual([checked.status, applied.status, checked.stdout, applied.stdout], [78, 78, '', ''])
  const places = errorsIn(checked).map((error) => /config\.toml:(\d+)/.exec(error)?.[1])
  assert.deepEqual(places, ['1', '2', '4', '5', '6'])
  assert.deepEqual(errorsIn(applied), errorsIn(checked))
  assert.deepEqual(changesBetween(before, world.tree()), [])
})
