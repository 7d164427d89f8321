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

type Seconds = (value: string | number) => number | undefined

/** What is wrong with a duration that has at least `least` seconds. */
function wrongDuration(value: string | number, kind: string, seconds: Seconds, least: number): string | undefined {
  const found = seconds(value)
  if (found === undefined) return expected(kind)({ input: value })
  return found < least ? `expected at least ${least} second, found ${describe(value)}` : undefined
}

/** A number of seconds, or digits with s, m, h or d, of at least `least` seconds. */
export function nullableDuration(seconds: Seconds, least: 0 | 1) {
  const kind = 'a number of seconds, a string such as "90s", "15m", "2h" or "1d", or null'
  const type = z.union([z.number(), z.string(), z.null()], { error: expected(kind) }).check((context) => {
    const { value } = context
    const message = value === null || value === '' ? undefined : wrongDuration(value, kind, seconds, least)
    if (message !== undefined) context.issues.push({ code: 'custom', input: value, message })
  })
  return { kind, type }
}

/** As `nullableDuration`, but one must be given. */
export function duration(seconds: Seconds, least: 0 | 1) {
  const kind = 'a number of seconds, or a string such as "90s", "15m", "2h" or "1d"'
  const type = z.union([z.number(), z.string()], { error: expected(kind) }).check((context) => {
    const message = wrongDuration(context.value, kind, seconds, least)
    if (message !== undefined) context.issues.push({ code: 'custom', input: context.value, message })
  })
  return { kind, type }
}

/** One text or several; as with any text that may be null, '' stands for null. */
export function nullableTextOrTexts(check: Check, what: string) {
  const kind = `${what}, a list of them, or null`
  // Judged from outside: a union would tell only that none of its parts holds.
  const type = z.union([z.string(), z.array(z.string()), z.null()], { error: expected(kind) }).check((context) => {
    const { value } = context
    const texts = typeof value === 'string' ? [value].filter((text) => text !== '') : (value ?? [])
    texts.forEach((text, i) => {
      const message = check(text)
      const path = typeof value === 'string' ? [] : [i]
      if (message !== undefined) context.issues.push({ code: 'custom', input: text, path, message })
    })
  })
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

/** Tables by name, each with exactly one of some options. */
export function challengeTable<const K extends string>(checks: Readonly<Record<K, Check>>) {
  const names = Object.keys(checks)
  const kind = `a table of tables, each with one of ${names.join(', ')}`
  const one = z.record(z.string(), z.string({ error: expected('a string') }), { error: expected('a table') })
  const type = z.record(z.string(), one, { error: expected(kind) }).check((context) => {
    const tell = (path: readonly string[], input: unknown, message: string) =>
      context.issues.push({ code: 'custom', input, path: [...path], message })
    for (const [name, table] of Object.entries(context.value)) {
      const keys = Object.keys(table)
      const odd = keys.find((key) => !names.includes(key))
      if (odd !== undefined) tell([name, odd], table, `'${odd}' is no option here: expected one of ${names.join(', ')}`)
      else if (keys.length !== 1)
        tell([name], table, `expected exactly one of ${names.join(', ')}, found ${keys.join(' and ') || 'none'}`)
      for (const key of keys) {
        const message = key === odd ? undefined : checks[key as K]?.(table[key] ?? '')
        if (message !== undefined) tell([name, key], table[key], message)
      }
    }
  })
  return { kind, type }
}

function ranged(kind: string, min: number, max: number) {
  const error = expected(kind)
  return z.int({ error }).min(min, { error }).max(max, { error })
}
