// A certificate between reading and the finished config: its options with their defaults, and where each of them was written.
import type { Findings, Place } from './faults.ts'
import type { RawSection } from './merge.ts'
import type { Complete, certificate } from './options.ts'
import { placeOf } from './section.ts'

type Resolved = Complete<typeof certificate>

/** A certificate after its defaults came in. */
export interface Candidate {
  readonly name: string
  readonly raw: RawSection
  /** Without options where it does not inherit. */
  readonly defaults: RawSection
  /** The older places of some defaults, at the top level; without options where it does not inherit. */
  readonly older: RawSection
  readonly options: Resolved
  /** What the options would be had it none of its own. */
  readonly inherited: Resolved
  /** Of its own or inherited: there, but wrong. */
  readonly faulty: ReadonlySet<string>
}

/** One that says its faults: what options mean together. */
export type Assertion = (cert: Candidate, findings: Findings) => void

/** Where an effective value was written: in the certificate, else in defaults. */
export function effectivePlace(
  { raw, defaults, older }: Candidate,
  key: keyof Resolved,
  inner: readonly number[] = [],
): Place {
  return placeOf([raw, defaults, older].find(({ options }) => options.has(key)) ?? raw, key, inner)
}

/** Whether none of these options is there but wrong: else nothing can be said about what depends on it. */
export const areSound = ({ faulty }: Candidate, ...keys: readonly (keyof Resolved)[]): boolean =>
  !keys.some((key) => faulty.has(key))
