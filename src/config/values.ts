// The kinds of values that options have, as zod types whose messages are our own sentences.
import * as z from 'zod'
import { describe } from './tree.ts'

/** A type, and the words for it that messages and the manual share. */
export interface Kind<T extends z.ZodType> {
  readonly type: T
  readonly kind: string
}

type Check = (value: string) => string | undefined

const expected =
  (kind: string) =>
  ({ input }: { readonly input?: unknown }): string =>
    `expected ${kind}, found ${describe(input)}`

const checked = (kind: string, check: Check) =>
  z.string({ error: expected(kind) }).check((context) => {
    const wrong = check(context.value)
    if (wrong !== undefined) context.issues.push({ code: 'custom', input: context.value, message: wrong })
  })

export const bool = { kind: 'true or false', type: z.boolean({ error: expected('true or false') }) }

export const text = (check: Check, kind = 'a string') => ({ kind, type: checked(kind, check) })

/** TOML has no null: there the empty string stands for it, so no check sees one. */
export function nullableText(check: Check, what = 'a string') {
  const kind = `${what} or null`
  return { kind, type: checked(kind, (value) => (value === '' ? undefined : check(value))).nullable() }
}

export function texts(check: Check, what = 'strings') {
  const kind = `a list of ${what}`
  return { kind, type: z.array(checked('a string', check), { error: expected(kind) }) }
}

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  const kind = `one of ${values.map((value) => `"${value}"`).join(', ')}`
  return { kind, type: z.enum(values, { error: expected(kind) }) }
}

/** Whole numbers from `min` to `max`, which stand in the words for it. */
export function wholeNumber(min: number, max: number) {
  const kind = `a whole number from ${min} to ${max}`
  return { kind, type: ranged(kind, min, max) }
}

export function nullableWholeNumber(min: number, max: number) {
  const kind = `a whole number from ${min} to ${max}, or null`
  return { kind, type: z.union([ranged(kind, min, max), z.literal(''), z.null()], { error: expected(kind) }) }
}

/** A number of seconds, or digits with s, m, h or d. */
export function nullableDuration(seconds: (value: string | number) => number | undefined) {
  const kind = 'a number of seconds, a string such as "90s", "15m", "2h" or "1d", or null'
  const type = z.union([z.number(), z.string(), z.null()], { error: expected(kind) }).check((context) => {
    const { value } = context
    if (value === null || value === '' || seconds(value) !== undefined) return
    context.issues.push({ code: 'custom', input: value, message: expected(kind)({ input: value }) })
  })
  return { kind, type }
}

/** As `nullableDuration`, but one must be given. */
export function duration(seconds: (value: string | number) => number | undefined) {
  const kind = 'a number of seconds, or a string such as "90s", "15m", "2h" or "1d"'
  const type = z.union([z.number(), z.string()], { error: expected(kind) }).check((context) => {
    const { value } = context
    if ((seconds(value) ?? 0) > 0) return
    context.issues.push({ code: 'custom', input: value, message: expected(kind)({ input: value }) })
  })
  return { kind, type }
}

/** One text or several; as with any text that may be null, '' stands for null. */
export function nullableTextOrTexts(check: Check, what: string) {
  const kind = `${what}, a list of them, or null`
  const one = checked(kind, (value) => (value === '' ? undefined : check(value)))
  const type = z.union([one, z.array(checked(what, check)), z.null()], { error: expected(kind) })
  return { kind, type }
}

/** Paths by name; `checkName` judges the names. */
export function pathTable(check: Check, checkName: Check) {
  const kind = 'a table of absolute paths'
  const type = z.record(z.string(), checked('a path', check), { error: expected(kind) }).check((context) => {
    for (const name of Object.keys(context.value)) {
      const message = checkName(name)
      if (message !== undefined) context.issues.push({ code: 'custom', input: name, path: [name], message })
    }
  })
  return { kind, type }
}

function ranged(kind: string, min: number, max: number) {
  const error = expected(kind)
  return z.int({ error }).min(min, { error }).max(max, { error })
}
