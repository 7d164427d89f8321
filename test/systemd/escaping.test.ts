// Names and paths of any kind: what systemd reads in the units is what the config says.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import * as syntax from '../../src/config/syntax.ts'
import { renewalService, selfsignedService } from '../../src/systemd/names.ts'
import { isBound } from '../../src/systemd/service.ts'
import { unitPart } from '../../src/systemd/text.ts'
import { certConfig, config, shownIn } from '../job/support.ts'
import { needs } from '../support/needs.ts'
import { run, temporaryDir } from '../support/process.ts'
import { filesOf, settings } from './matrix.ts'
import { commandOf, pathIn, readUnit, specifiers, splitWords } from './read-unit.ts'

/** What has a meaning somewhere in a unit, among letters. */
const parts = fc.constantFrom(...'ab %$"\'\\;#:=~*?[]{}()&|<>!,+-@`', 'ü', '日', '%%', '%h', '\x24{A}', '\\x2d', '\\n')
const component = fc
  .array(parts, { minLength: 1, maxLength: 6 })
  .map((some) => some.join(''))
  .filter((some) => some.trim() === some)
const path = fc
  .tuple(fc.constantFrom('/srv', '/home/u', '/tmp', '/var/lib/acme/own'), fc.array(component, { maxLength: 3 }))
  .map(([top, some]) => [top, ...some].join('/'))
/** What must be bound in has no quotes and colons: apply refuses it, since versions of systemd differ in how they read them. */
const seen = path.filter((some) => !isBound(some) || !/[:"'\\]/.test(some))
const certName = fc
  .string({ unit: fc.constantFrom(...'aZ0.-_@+'), minLength: 1, maxLength: 12 })
  .filter((name) => syntax.certName(name) === undefined)

interface Said {
  readonly name: string
  readonly webroot: string
  readonly ca: string
  readonly program: string
  readonly configFile: string
  readonly secret: string
}

const said: fc.Arbitrary<Said> = fc.record({
  name: certName,
  webroot: seen,
  ca: seen,
  program: path,
  configFile: path,
  secret: path.filter((some) => syntax.secretPath(some) === undefined),
})

const filesFor = ({ name, webroot, ca, program, configFile, secret }: Said) =>
  filesOf({
    config: config([
      certConfig({
        name,
        domain: 'x.test',
        challenges: shownIn(webroot),
        caCertificates: [ca],
        environmentFile: secret,
        credentialFiles: { X_FILE: secret },
      }),
    ]),
    settings: { ...settings, program: { command: ['/usr/bin/node', program], config: configFile } },
  })

const pathKeys = ['ReadWritePaths', 'BindPaths', 'BindReadOnlyPaths']

test('any legal name and any path are read as they were meant', () => {
  fc.assert(
    fc.property(said, (one) => {
      for (const given of Object.values(one))
        if (given.startsWith('/')) assert.equal(syntax.absolutePath(given), undefined)
      const files = filesFor(one)
      const unit = readUnit(files.find(({ path }) => path.endsWith(`/${renewalService(one.name)}`))?.text ?? '')
      const operand = one.name.startsWith('-') ? ['--', one.name] : [one.name]
      assert.deepEqual(commandOf(unit.one('Service', 'ExecStart')), [
        '/usr/bin/node',
        '--jitless',
        one.program,
        'renew',
        ...operand,
      ])
      const hooks = unit.all('Service', 'ExecStartPost').find((command) => command.includes('post-run')) ?? ''
      assert.deepEqual(commandOf(hooks).slice(3), [
        `/var/lib/acme/${one.name}`,
        '/usr/bin/node',
        one.program,
        'post-run',
        ...operand,
      ])
      assert.ok(unit.words('Service', 'Environment').includes(`NIXACME_CONFIG=${one.configFile}`))
      const paths = pathKeys.flatMap((key) => unit.words('Service', key)).map(pathIn)
      assert.ok(paths.includes(one.webroot), `${one.webroot} in ${paths}`)
      assert.equal(paths.includes(one.ca), one.ca === one.webroot || !/^\/srv(\/|$)/.test(one.ca), one.ca)
      assert.equal(specifiers(unit.one('Service', 'EnvironmentFile')), one.secret)
      assert.equal(specifiers(unit.one('Service', 'LoadCredential')), `X:${one.secret}`)
      assert.ok(unit.words('Service', 'StateDirectory').includes(`acme/${one.name}`))
      assert.equal(specifiers(unit.one('Unit', 'Description')), `Renew ACME certificate for ${one.name}`)
      const tmpfiles = files.find(({ path }) => path.startsWith('/etc/tmpfiles.d/'))?.text ?? ''
      const made = tmpfiles
        .split('\n')
        .flatMap((line) => (/^d/.test(line) ? [splitWords(line).map(specifiers)[1]] : []))
      assert.ok(made.includes(`${one.webroot}/.well-known/acme-challenge`), tmpfiles)
    }),
    { numRuns: 300 },
  )
})

test('different names are different units, none of them a template', () => {
  fc.assert(
    fc.property(certName, certName, (a, b) => {
      assert.equal(unitPart(a) === unitPart(b), a === b)
      for (const name of [a, b]) {
        const unit = renewalService(name)
        assert.match(unit, /^[A-Za-z0-9:_.\\@-]+$/)
        assert.notEqual(unit.indexOf('@'), unit.length - '@.service'.length)
      }
    }),
    { numRuns: 500 },
  )
})

test('the longest names are files and units still', () => {
  for (const name of ['x'.repeat(200), '+'.repeat(50)]) {
    assert.equal(syntax.certName(name), undefined)
    assert.ok(selfsignedService(name).length <= 255)
  }
})

test("systemd's own escaping agrees: an admin may type the certificate's name", async (t) => {
  if (!needs(t, 'systemd')) return
  const names = ['example.com', 'a-b', 'a_b', 'a@b', 'a@b@', 'a+b', '+', '-x', 'a..b', '++@+', 'Z9']
  const { stdout, status } = await run('systemd-escape', ['--mangle', '--', ...names.map((name) => `acme-${name}`)])
  assert.equal(status, 0)
  assert.deepEqual(stdout.trim().split(/\s+/), names.map(renewalService))
  // Typed with its backslash, since the plain one is a template's name.
  assert.equal(renewalService('a@'), 'acme-a\\x40.service')
})

test('systemd reads nasty paths without a word', async (t) => {
  if (!needs(t, 'systemd')) return
  const nasty = [
    'a b',
    '100%',
    '%h',
    'a"b',
    "a'b",
    'a\\b',
    'a\\x2d',
    '$HOME',
    '\x24{A}',
    'a;b',
    '; x',
    '#a',
    'größe',
    'a:b',
    '-a',
    '~',
  ]
  const dir = temporaryDir(t)
  for (const [i, one] of nasty.entries()) {
    const [top = '', folder] = [['/srv', '/home/u', '/root', '/var/lib/acme/own'][i % 4], join(dir, String(i))]
    const ca = /[:"'\\]/.test(one) ? '/root/ca' : `/root/${one}`
    const webroot = ca === '/root/ca' ? `/srv/${one}` : `${top}/${one}`
    const paths = { webroot, ca, configFile: `${top}/${one}.toml` }
    const secret = syntax.secretPath(`/etc/${one}`) === undefined ? `/etc/${one}` : '/etc/secret'
    mkdirSync(folder)
    for (const { path, text } of filesFor({ name: 'x.test', program: `/opt/${one}`, secret, ...paths }))
      if (path.startsWith('/etc/systemd/'))
        writeFileSync(join(folder, path.slice(path.lastIndexOf('/') + 1)), text.replaceAll('/usr/bin/node', '/bin/sh'))
    const units = ['acme-x.test.service', 'acme-selfsigned-x.test.service'].map((name) => join(folder, name))
    const verified = await run('systemd-analyze', ['verify', '--man=no', ...units], {
      env: { SYSTEMD_UNIT_PATH: `${folder}:` },
    })
    assert.deepEqual([verified.status, verified.stdout + verified.stderr], [0, ''], one)
  }
})
