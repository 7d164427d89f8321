// The JSON Schema (draft 2020-12) of a config file, shipped as man/nixacme-config.schema.json and kept equal to this by a test.
import * as z from 'zod'
import { fileSchema } from './schema.ts'

/** The schema's text, indented, lists of plain values in one line, with a newline at its end. */
export function jsonSchemaText(): string {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { target: 'draft-2020-12', io: 'input' })
  const text = JSON.stringify({ $schema, title: 'nixacme config', ...rest }, null, 2)
  return `${text.replace(/\[\n([^[\]{}]*)\n\s*\]/g, (_, items: string) => `[${items.trim().split(/\n\s*/).join(' ')}]`)}\n`
}
