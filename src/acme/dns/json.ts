// JSON from outside becomes a type here, field by field: a provider that answers something else than it documents is told,
// not believed.

type Fields = Readonly<Record<string, unknown>>

/** The object, or undefined. */
export const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined

/** The objects of a list; undefined where it is no list of objects. */
export function listOf(value: unknown): readonly Fields[] | undefined {
  if (!Array.isArray(value)) return undefined
  const all = value.map(fieldsOf)
  return all.every((fields) => fields !== undefined) ? all : undefined
}

/** Numbers are taken as texts, too: identifiers are one or the other. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined

/** The content of a TXT record as it is looked up, where an API may give it with quotes, and in several pieces. */
export function unquoted(content: string): string {
  const pieces = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, piece = '']) => piece.replaceAll(/\\(.)/g, '$1'))
  return pieces.length === 0 ? content : pieces.join('')
}
