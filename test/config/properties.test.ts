// Laws for any input: reading a config ends with a Config or a ConfigError, and changes nothing else in the process.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Config } from '../../src/config/config.ts'
import { ConfigError, formatFault } from '../../src/config/faults.ts'
import { loadConfig } from '../../src/config/load.ts'
import { certificate, global, inheritable } from '../../src/config/options.ts'
import { type Files, withFiles } from './support.ts'

const prototypes = [Object.prototype, Array.prototype, String.prototype, Function.prototype]
const shapes = () => JSON.stringify(prototypes.map((prototype) => Reflect.ownKeys(prototype).map(String)))
const before = shapes()

/** The config, or nothing for a ConfigError that is well made. */
function read(files: Files): Config | undefined {
  try {
    return withFiles(files, (dir) => loadConfig(join(dir, 'config.toml'), false))
  } catch (e) {
    if (!(e instanceof ConfigError)) throw e
    assert.ok(e.faults.length > 0)
    assert.equal(e.exitStatus, 78)
    for (const fault of e.faults) {
      assert.ok((fault.line ?? 1) >= 1 && (fault.column ?? 1) >= 1)
      assert.doesNotMatch(formatFault(fault), /undefined|\[object/)
    }
    return undefined
  } finally {
    assert.equal(shapes(), before)
  }
}

const words = [
  ...Object.keys({ ...global, ...certificate }),
  ...['defaults', 'certs', '__proto__', 'constructor', 'prototype', 'toString', 'extraDomains', 'validMin', '_module'],
]
const key = fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'binary', maxLength: 8 }))
const leaf = fc.oneof(
  fc.constantFrom(null, true, false, '', '/w', 'x.test', '*.x.test', 'https://x.test/', 'ec256', 0, 5, -1, 1e300),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.double(),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}))
const options = fc.dictionary(key, value, { maxKeys: 5 })
/** Values that get past the first check as often as random ones can. */
const configLike = fc.record(
  { acceptTerms: fc.boolean(), defaults: options, certs: fc.dictionary(key, options, { maxKeys: 3 }) },
  { requiredKeys: [] },
)

// JSON.stringify leaves out nothing that fast-check makes but __proto__ set by assignment: entries are written by hand.
function asJson(any: unknown): string {
  if (Array.isArray(any)) return `[${any.map(asJson)}]`
  if (any !== null && typeof any === 'object')
    return `{${Object.entries(any).map(([name, inner]) => `${JSON.stringify(name)}:${asJson(inner)}`)}}`
  return JSON.stringify(any) ?? 'null'
}

test('any JSON value is a config or a ConfigError', () => {
  fc.assert(
    fc.property(fc.oneof(value, configLike), (any) => {
      read({ 'config.json': asJson(any) })
    }),
    { numRuns: 400 },
  )
})

test('any text is a config or a ConfigError, as TOML, as JSON, as a drop-in', () => {
  const pieces = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '=',
    '.',
    ',',
    ':',
    '\n',
    '#',
    ' ',
    'a',
    '1',
    '\\',
    'certs',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.array(pieces).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, text, text, (toml, json, dropIn) => {
      read({ 'config.toml': toml, 'config.d/x.json': json, 'config.d/y.toml': dropIn })
    }),
    { numRuns: 200 },
  )
})

test('any bytes are a config or a ConfigError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      read({ 'config.toml': bytes })
    }),
    { numRuns: 200 },
  )
})

test('keys that are prototypes elsewhere are only unknown options, or names', () => {
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const inner = { polluted: true, webroot: '/w' }
    for (const path of [[name], ['defaults', name], ['certs', 'x.test', name], ['certs', name, name]])
      assert.equal(
        read({ 'config.json': asJson(path.reduceRight<unknown>((any, part) => dictionary(part, any), inner)) }),
        undefined,
      )
  }
  const named = `{"acceptTerms": true, "certs": {"__proto__": {"domain": "x.test", "webroot": "/w"}}}`
  assert.deepEqual(
    read({ 'config.json': named })?.certs.map(({ name, domain }) => [name, domain]),
    [['__proto__', 'x.test']],
  )
})

const dictionary = (name: string, any: unknown): object => Object.fromEntries([[name, any]])

test('a value in defaults and the same value in a certificate mean the same', () => {
  const shared = fc.record(
    {
      email: fc.constantFrom(null, '', 'a@x.test'),
      server: fc.constantFrom(null, '', 'https://acme.test/dir'),
      keyType: fc.constantFrom('ec256', 'rsa4096'),
      group: fc.constantFrom('acme', 'www'),
      validMinDays: fc.constantFrom(null, '', 0, 30),
      postRun: fc.constantFrom('', 'true'),
      reloadServices: fc.constantFrom([], ['nginx.service']),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(shared, shared, (above, own) => {
      const text = (defaults: object, cert: object) =>
        asJson({ acceptTerms: true, defaults, certs: { 'x.test': { webroot: '/w', ...cert } } })
      const inherited = read({ 'config.json': text(above, own) })
      const flat = read({ 'config.json': text({}, { ...above, ...own }) })
      assert.ok(inherited && flat)
      assert.deepEqual(inherited.certs, flat.certs)
    }),
    { numRuns: 100 },
  )
})

test('the tables of options are disjoint, but for the certificate that has both of its own', () => {
  for (const name of Object.keys(global)) assert.ok(!Object.hasOwn(certificate, name), name)
  for (const name of Object.keys(inheritable)) assert.ok(Object.hasOwn(certificate, name), name)
})
