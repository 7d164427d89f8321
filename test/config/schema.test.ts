// The JSON Schema: generated, shipped, and true to the options.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { jsonSchemaText } from '../../src/config/json-schema.ts'
import { certificate, global, inheritable, type Options } from '../../src/config/options.ts'
import { fileSchema } from '../../src/config/schema.ts'
import { expectGolden } from '../support/golden.ts'

const shipped = fileURLToPath(new URL('../../man/nixacme-config.schema.json', import.meta.url))

interface Schema {
  readonly $schema?: string
  readonly properties: Readonly<Record<string, Schema>>
  readonly additionalProperties: boolean | Schema
  readonly default?: unknown
  readonly description?: string
}

const schema = (): Schema => JSON.parse(jsonSchemaText()) as Schema

test('the shipped schema is the generated one', () => expectGolden(shipped, jsonSchemaText()))

test('it is draft 2020-12 and knows every option with its default and description', () => {
  const top = schema()
  assert.equal(top.$schema, 'https://json-schema.org/draft/2020-12/schema')
  const { defaults, certs } = top.properties
  assert.ok(defaults && certs && typeof certs.additionalProperties === 'object')
  for (const [level, options] of [
    [top, global],
    [defaults, inheritable],
    [certs.additionalProperties, certificate],
  ] as [Schema, Options][]) {
    assert.equal(level.additionalProperties, false)
    for (const [name, option] of Object.entries(options)) {
      assert.deepEqual(level.properties[name]?.default, option.default, name)
      assert.ok(level.properties[name]?.description?.startsWith(option.description), name)
    }
  }
})

for (const name of ['nixos-dump.json', 'nixos-dump-2021.json'])
  test(`${name} holds by the definition`, () => {
    const dump: unknown = JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8'))
    assert.deepEqual(fileSchema.safeParse(dump).error?.issues ?? [], [])
  })

test('what the definition refuses', () => {
  for (const bad of [
    { webroot: '/w' },
    { certs: { '*.x': {} } },
    { production: true },
    { certs: { x: { user: 'bob' } } },
  ])
    assert.equal(fileSchema.safeParse(bad).success, false, JSON.stringify(bad))
})
