// The definition of all options as one zod schema of a whole file, for editors and other programs (JSON Schema).
import * as z from 'zod'
import { type Level, oldOptions, unset } from './old.ts'
import { certificate, forwarded, global, inheritable, type Option, type Options } from './options.ts'

const documented = ({ type, default: fallback, description }: Option): z.ZodType =>
  type.default(fallback).meta({
    description,
  })

const shape = (options: Options): Record<string, z.ZodType> =>
  Object.fromEntries(Object.entries(options).map(([name, option]) => [name, documented(option)]))

/** Old names: what may stand under them so that the config still holds. */
function oldShape(level: Level): Record<string, z.ZodType> {
  const one = (old: (typeof oldOptions)[Level][string]): z.ZodType => {
    const type = old.fate === 'removed' ? z.union([z.null(), z.literal(unset)]) : z.unknown()
    const words = old.fate === 'removed' ? `No option any more; ${old.description}.` : old.description
    return type.optional().meta({ description: words, deprecated: true })
  }
  return Object.fromEntries(Object.entries(oldOptions[level]).map(([name, old]) => [name, one(old)]))
}

const oldDefault = (name: (typeof forwarded)[number]): z.ZodType =>
  inheritable[name].type.optional().meta({ description: `Older place of defaults.${name}.`, deprecated: true })

/** What `config.toml`, `config.json` or a drop-in may hold. */
export const fileSchema = z.strictObject({
  ...shape(global),
  defaults: z
    .strictObject({ ...shape(inheritable), ...oldShape('defaults') })
    .default({})
    .meta({ description: 'Values for all certificates that do not set their own.' }),
  certs: z
    .record(
      z.string().regex(/^[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*$/),
      z.strictObject({ ...shape(certificate), ...oldShape('cert') }),
    )
    .default({})
    .meta({ description: 'The certificates by name; the name is also that of their folder and units.' }),
  ...Object.fromEntries(forwarded.map((name) => [name, oldDefault(name)])),
  ...oldShape('global'),
})
