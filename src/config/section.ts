// One part of the config (top level, defaults, a certificate): each option checked against its definition.
import type { Findings, Place } from './faults.ts'
import type { RawOption, RawSection } from './merge.ts'
import { type Level, settleOld } from './old.ts'
import type { Given, Option, Options } from './options.ts'
import { positionOf, toPlain } from './tree.ts'
import { unknownOption } from './unknown.ts'

export interface Section<T extends Options> {
  readonly raw: RawSection
  /** What is given and holds; null for '' where an option may be null. */
  readonly values: Given<T>
  /** Names of options that are given but wrong: nothing can be said about what depends on them. */
  readonly faulty: ReadonlySet<string>
}

/** The place of an option's value (or of a part of it), or of the section when it is not given there. */
export function placeOf({ place, options }: RawSection, key: string, inner: readonly (string | number)[] = []): Place {
  const given = options.get(key)
  const path = [...place.path, key, ...inner]
  return given ? { file: given.file, at: positionOf(given.value, inner), path } : { ...place, path }
}

/** Every fault of the section's own goes to `findings`; what options mean together is not judged here. */
export function readSection<T extends Options>(
  given: RawSection,
  level: Level,
  options: T,
  findings: Findings,
): Section<T> {
  const raw = settleOld(given, level, findings)
  const values = new Map<string, unknown>()
  const faulty = new Set<string>()
  for (const [key, rawOption] of raw.options) {
    const option = Object.hasOwn(options, key) ? options[key] : undefined
    if (!option) {
      const path = [...raw.place.path, key]
      const { message, hint } = unknownOption(level, path.map(String), rawOption.value)
      findings.fault({ file: rawOption.file, at: rawOption.keyAt, path }, message, hint)
      continue
    }
    const checked = check(raw, key, option, rawOption, findings)
    if (checked) values.set(key, checked.value)
    else faulty.add(key)
  }
  // Each value came out of the type of the option whose name it has, which is what Given says.
  return { raw, values: Object.fromEntries(values) as Given<T>, faulty }
}

function check(
  raw: RawSection,
  key: string,
  { type }: Option,
  given: RawOption,
  findings: Findings,
): { readonly value: unknown } | undefined {
  const result = type.safeParse(toPlain(given.value))
  if (!result.success) {
    for (const { path, message } of result.error.issues) {
      const inner = path.map((part) => (typeof part === 'number' ? part : String(part)))
      findings.fault(placeOf(raw, key, inner), message)
    }
    return undefined
  }
  return { value: result.data === '' && type.safeParse(null).success ? null : result.data }
}
