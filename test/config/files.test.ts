// Which files are read, in which order, and what is said of those that cannot be.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, unlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { webrootsOf } from '../../src/config/config.ts'
import { ConfigError } from '../../src/config/faults.ts'
import { loadConfig } from '../../src/config/load.ts'
import { changedSource } from '../../src/config/sources.ts'
import { errorIn, errorOf, linesOf, load, oneCert, withFiles } from './support.ts'

const good = oneCert('')
const goodJson = '{"acceptTerms": true, "certs": {"j.test": {"webroot": "/w"}}}'
const nobody = 65_534

const names = (dir: string, main: string, explicit: boolean): string[] =>
  loadConfig(join(dir, main), explicit).certs.map(({ name }) => name)

test('config.json stands in for a missing config.toml, unless a path was given', () =>
  withFiles({ 'config.json': goodJson }, (dir) => {
    assert.deepEqual(names(dir, 'config.toml', false), ['j.test'])
    const error = errorIn(dir, 'config.toml', true)
    assert.match(error.message, /config.toml: there is no such file/)
  }))

test('config.toml and config.json at once is a fault, unless a path was given', () =>
  withFiles({ 'config.toml': good, 'config.json': goodJson }, (dir) => {
    assert.match(errorIn(dir).message, /both '.*config.toml' and '.*config.json' are there/)
    assert.deepEqual(names(dir, 'config.toml', true), ['x.test'])
    assert.deepEqual(names(dir, 'config.json', true), ['j.test'])
  }))

test('no config at all is one fault with a hint, whatever the drop-ins hold', () => {
  const error = errorOf({ 'config.d/1.toml': 'broken' })
  assert.equal(error.exitStatus, 78)
  assert.equal(error.faults.length, 1)
  assert.match(error.message, /config.toml: there is no such file/)
  assert.match(error.hints.join(), /nixacme-config\(5\)/)
})

test('drop-ins add certificates, defaults and global options', () => {
  const config = load({
    'config.toml': 'acceptTerms = true\n[certs."a.test"]',
    'config.d/10-defaults.toml': '[defaults]\nwebroot = "/d"',
    'config.d/20-more.json': '{"maxConcurrentRenewals": 2, "certs": {"b.test": {"email": "b@b.test"}}}',
  })
  assert.equal(config.maxConcurrentRenewals, 2)
  assert.deepEqual(
    config.certs.map(({ name, challenges, email }) => [name, webrootsOf(challenges)[0], email]),
    [
      ['a.test', '/d', null],
      ['b.test', '/d', 'b@b.test'],
    ],
  )
})

test('drop-ins are read in byte order', () => {
  const broken = ['b.toml', 'a.json', 'Z.toml', '10.toml', '9.toml', 'é.toml']
  const lines = linesOf({ 'config.toml': good, ...Object.fromEntries(broken.map((n) => [`config.d/${n}`, '='])) })
  assert.deepEqual(
    lines.map((line) => line.split(':')[0]),
    ['10.toml', '9.toml', 'Z.toml', 'a.json', 'b.toml', 'é.toml'].map((name) => `config.d/${name}`),
  )
})

test('other endings and hidden files are no drop-ins', () => {
  const junk = ['x.toml~', 'README', '.hidden.toml', '.#lock.json', 'x.toml.bak']
  load({ 'config.toml': good, ...Object.fromEntries(junk.map((n) => [`config.d/${n}`, '='])) })
})

test('a byte order mark is no content', () => {
  assert.equal(load(`\ufeff${good}`).certs.length, 1)
  assert.equal(load({ 'config.json': `\ufeff${goodJson}` }).certs.length, 1)
})

test('Windows line ends keep the lines', () =>
  assert.match(
    linesOf(good.replaceAll('\n', '\r\n').replace('webroot', 'webrot')).join(),
    /config.toml:4:1: defaults.webrot/,
  ))

test('what is not UTF-8 is told with its line', () => {
  const bytes = Buffer.concat([Buffer.from('# é\nemail = "'), Buffer.from([0xe9]), Buffer.from('"\n')])
  assert.deepEqual(linesOf({ 'config.toml': bytes }), [
    'config.toml:2:1: expected UTF-8 text, found other bytes in this line',
  ])
})

for (const [form, depth, text] of [
  ['dotted TOML keys', 20_000, (n: number) => `credentialFiles${'.a'.repeat(n)} = 1`],
  ['TOML tables', 20_000, (n: number) => `[certs."x.test".credentialFiles${'.a'.repeat(n)}]`],
  ['TOML lists', 1000, (n: number) => `webroot = ${'['.repeat(n)}${']'.repeat(n)}`],
] as const)
  test(`${form} that go ${depth} levels deep are a fault`, () =>
    assert.match(linesOf(`acceptTerms = true\n${text(depth)}`).join(), /nested too deeply/))

for (const [name, make, sentence] of [
  ['a folder', (path: string) => mkdirSync(path), /is not a regular file/],
  ['a dangling link', (path: string) => symlinkSync('nowhere', path), /cannot be read: no such file/],
  ['a link to itself', (path: string) => symlinkSync('x.toml', path), /cannot be read: a symbolic link|ELOOP/],
  ['a pipe nobody writes to', (path: string) => execFileSync('mkfifo', [path]), /is not a regular file/],
] as const)
  test(`a drop-in that is ${name} is a fault, and nobody waits`, () =>
    withFiles({ 'config.toml': good, 'config.d/a.toml': '' }, (dir) => {
      make(join(dir, 'config.d/x.toml'))
      const error = errorIn(dir)
      assert.equal(error.exitStatus, 78)
      assert.match(error.message, sentence)
    }))

test('a main file that is a folder, a folder of drop-ins that is a file: faults', () => {
  assert.match(errorOf({ 'config.toml/x': '' }).message, /config.toml: the file is not a regular file/)
  assert.match(errorOf({ 'config.toml': good, 'config.d': '' }).message, /drop-ins cannot be read: not a directory/)
})

/** Runs `action` as a user that may read nothing private; root reads whatever the mode. */
function unprivileged<T>(action: () => T): T {
  if (process.geteuid?.() !== 0) return action()
  process.seteuid?.(nobody)
  try {
    return action()
  } finally {
    process.seteuid?.(0)
  }
}

for (const file of ['config.toml', 'config.d/x.toml', 'config.d'])
  test(`an unreadable ${file} ends with the status for permissions`, () =>
    withFiles({ 'config.toml': good, 'config.d/x.toml': '', 'config.d/y.toml': 'qqq = 1' }, (dir) => {
      chmodSync(dir, 0o755)
      chmodSync(join(dir, file), 0)
      try {
        const error = unprivileged(() => errorIn(dir))
        assert.equal(error.exitStatus, 77)
        assert.match(error.message, new RegExp(`${file}: .*cannot be read: permission denied`))
        assert.match(error.hints.join(), /run as root/)
      } finally {
        chmodSync(join(dir, file), 0o755)
      }
    }))

test('the sources are both candidates, the folder and each drop-in; any change of them shows', () =>
  withFiles({ 'config.toml': good, 'config.d/x.toml': '', 'config.d/y.txt': '' }, (dir) => {
    const { sources } = loadConfig(join(dir, 'config.toml'), false)
    assert.deepEqual(
      sources.map(({ path, stamp }) => [relative(dir, path), stamp !== null]),
      [
        ['config.toml', true],
        ['config.json', false],
        ['config.d', true],
        ['config.d/x.toml', true],
      ],
    )
    assert.equal(changedSource(sources), undefined)
    appendFileSync(join(dir, 'config.d/x.toml'), '# more\n')
    assert.equal(changedSource(sources), join(dir, 'config.d/x.toml'))
    unlinkSync(join(dir, 'config.d/x.toml'))
    assert.equal(changedSource(sources), join(dir, 'config.d'))
  }))

test('a given path is the only candidate; sources are absolute', () =>
  withFiles({ 'my.toml': good }, (dir) => {
    const { sources } = loadConfig(relative(process.cwd(), join(dir, 'my.toml')), true)
    assert.deepEqual(
      sources.map(({ path }) => path),
      [join(dir, 'my.toml'), join(dir, 'config.d')],
    )
  }))

test('the error counts the faults and shows the first with its hint', () => {
  const error = errorOf('webrot = 1\nqqq = 2')
  assert.ok(error instanceof ConfigError)
  assert.equal(error.kind, 'config')
  assert.match(error.message, /^2 faults in the config, the first: .*config.toml:1:1: webrot: unknown option 'webrot'$/)
  assert.match(error.hints.join(), /'webroot' meant/)
  assert.doesNotMatch(errorOf('qqq = 2').message, /faults/)
})
