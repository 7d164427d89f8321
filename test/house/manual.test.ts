// The manual pages: clean, and true where they repeat what the code says.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { buildProgram } from '../../src/cli.ts'
import { exitStatuses } from '../../src/errors.ts'
import { compile } from '../../src/job/compile.ts'
import { type SystemFile, systemFiles } from '../../src/systemd/machine.ts'
import { load } from '../config/support.ts'
import { fakeHost } from '../support/fake-host.ts'
import { needs } from '../support/needs.ts'
import { repository, run } from '../support/process.ts'

const folder = join(repository, 'man')
const pages = readdirSync(folder).filter((name) => /\.\d$/.test(name))
const read = (page: string) => readFileSync(join(folder, page), 'utf8')

/** The text of a section, without its title. */
const section = (page: string, title: string): string => {
  const [, text] = new RegExp(`^\\.Sh ${title}\\n([\\s\\S]*?)^\\.Sh `, 'm').exec(read(page)) ?? []
  return text ?? assert.fail(`'${page}' has no section '${title}'`)
}

test('EXIT STATUS of nixacme(1) is the table of the code', () => {
  const list = /^\.Bl -tag[^\n]*\n([\s\S]*?)^\.El/m.exec(section('nixacme.1', 'EXIT STATUS'))?.[1] ?? ''
  const items = list
    .split(/^\.It /m)
    .slice(1)
    .map((item) => {
      const [number = '', ...meaning] = item.trim().split('\n')
      assert.ok(meaning.length > 0, `${number} means nothing`)
      return Number(number)
    })
  assert.deepEqual(items, Object.values(exitStatuses))
})

test('nixacme(1) has each command with its options, and no other', () => {
  const shown = section('nixacme.1', 'SYNOPSIS')
    .split(/^\.Nm\n/m)
    .flatMap((form) => {
      const names = /^\.Cm (.*)$/m.exec(form)?.[1]?.split(' | ') ?? []
      const options = [...form.matchAll(/Fl -([\w-]+)/g)].map(([, option]) => `--${option}`)
      return names.map((name) => [name, ...options.sort()].join(' '))
    })
  const { commands } = buildProgram(fakeHost(), () => {})
  const visible = commands.filter((command) => !('_hidden' in command && command._hidden))
  // Of a command with commands of its own, these.
  const all = visible.flatMap((command) => {
    const inner = command.commands.map((one) => ({ name: `${command.name()} ${one.name()}`, options: one.options }))
    return inner.length > 0 ? inner : [{ name: command.name(), options: command.options }]
  })
  const wanted = all.map(({ name, options }) => [name, ...options.map(({ long }) => long).sort()].join(' '))
  assert.deepEqual(shown.sort(), wanted.sort())
  const description = section('nixacme.1', 'DESCRIPTION')
  for (const { name } of all) assert.match(description, new RegExp(`^\\.It Cm ${name}$`, 'm'))
})

test('nixacme(1) names each of our variables and journal fields', () => {
  const files = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('.ts'),
  )
  const text = files.map((file) => readFileSync(join(repository, 'src', file), 'utf8')).join('\n')
  const ofTheBuild = ['NIXACME_BUILT_AT', 'NIXACME_VERSION']
  const wanted = [...new Set(text.match(/\bNIXACME_[A-Z_]*[A-Z]\b/g))].filter((name) => !ofTheBuild.includes(name))
  assert.ok(wanted.includes('NIXACME_KIND') && wanted.includes('NIXACME_PROBLEM'), wanted.join(' '))
  const page = read('nixacme.1')
  assert.deepEqual(
    wanted.filter((name) => !page.includes(name)),
    [],
  )
})

/** All that a machine gets of a config that uses every part of the units. */
function everyFile(): readonly SystemFile[] {
  const config = load({
    'config.json': JSON.stringify({
      acceptTerms: true,
      defaults: { email: 'hostmaster@example.com' },
      certs: {
        'example.com': {
          webroot: '/home/www',
          environmentFile: '/etc/variables',
          credentialFiles: {
            DNS_TOKEN_FILE: '/etc/nixacme/dns.token',
            KEY_FILE: '/etc/credstore.encrypted/key',
          },
        },
      },
    }),
  })
  const program = { command: ['/usr/bin/node', '/usr/lib/nixacme.js'], config: undefined }
  return systemFiles(config, compile(config), { program, systemdVersion: 258 })
}

test('nixacme-systemd(7) has each file that apply writes, and no other unit', () => {
  const items = [...section('nixacme-systemd.7', 'UNITS').matchAll(/^\.It Pa (\S+)$/gm)].map(([, path]) => path)
  const wanted = everyFile().map(({ path }) => path.replace('/etc/systemd/system/', ''))
  assert.deepEqual(items.sort(), wanted.sort())
})

test('each setting that nixacme-systemd(7) speaks of is one that the units have', () => {
  const texts = everyFile().map(({ text }) => text)
  const lines = texts.join('\n').split('\n')
  const page = section('nixacme-systemd.7', 'UNITS') + section('nixacme-systemd.7', 'WHAT A UNIT SEES')
  const named: readonly string[] = page.match(/\b[A-Z][A-Za-z]+=(?:[a-z]+\b)?/g) ?? []
  assert.ok(named.includes('ProtectSystem=strict') && named.includes('LoadCredential='), named.join(' '))
  const missing = named.filter((setting) => !lines.some((line) => line.startsWith(setting)))
  assert.deepEqual(missing, [])
  for (const literal of ['LoadCredential=DNS_TOKEN:/etc/nixacme/dns.token', 'Environment=DNS_TOKEN_FILE=%d/DNS_TOKEN'])
    assert.ok(page.includes(literal) && lines.includes(literal), literal)
})

test('package.json ships every page', () => {
  const { man } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  assert.deepEqual([...man].sort(), pages.map((page) => `man/${page}`).sort())
})

for (const page of pages)
  test(`${page} is clean`, async (t) => {
    if (!needs(t, 'mandoc')) return
    const { status, stdout, stderr } = await run('mandoc', ['-Tlint', '-W', 'warning', join(folder, page)])
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
  })
