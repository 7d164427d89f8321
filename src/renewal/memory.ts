// What is remembered of one certificate at one CA, `nixacme.json` (DESIGN §4): the last failures, what has been asked of
// the CA within its limits' windows, and what it offers. Read without a lock, written by who holds the certificate's.
import * as fs from 'node:fs'
import { NixacmeError, readError, writeError } from '../errors.ts'
import { orAbsent, readIfThere, under, writeAtomically } from '../fs.ts'
import type { CertPaths } from '../job/paths.ts'

/**
 * What went wrong: no answer of use; a limit of the CA; a refusal; a name that could not be proven; or something of our
 * own or this machine's.
 */
export const failureKinds = ['network', 'rateLimited', 'refused', 'validation', 'local'] as const
export type FailureKind = (typeof failureKinds)[number]

/** Failures in a row, of which the last is told. */
export interface Failure {
  readonly kind: FailureKind
  /** The CA's problem type without its namespace, or the kind of our error. */
  readonly problem: string
  /** One sentence. */
  readonly message: string
  /** Names that could not be proven, and what to do, a line each. */
  readonly details: readonly string[]
  /** https URLs that explain it, or lift a pause. */
  readonly links: readonly string[]
  readonly count: number
  readonly first: Date
  readonly last: Date
  /** When the CA itself wants to be asked again, where it said so. */
  readonly retryAfter?: Date
  /** Not before this. */
  readonly retryAt: Date
  /** What the config was then: another one may have healed it. */
  readonly config: string
}

/** A run that has begun to ask the CA and has not told its end: it was killed, or is still at work. */
export interface Attempt {
  readonly since: Date
  /** Runs before it, in a row, that were killed. */
  readonly crashes: number
}

export interface PlacedOrder {
  readonly at: Date
  /** The set of names: sorted, with spaces between. */
  readonly names: string
}

/** A name that the CA was asked to validate, without success as far as is known. */
export interface Unproven {
  readonly at: Date
  readonly name: string
}

/** A certificate that came and could not be used, for a reason that another one would have, too. */
export interface Useless {
  readonly at: Date
  /** One sentence. */
  readonly message: string
  /** What the config was then: with another one it is ordered again. */
  readonly config: string
}

export interface Memory {
  /** Directory URL of the CA; empty where nothing is remembered. */
  readonly server: string
  readonly failure?: Failure
  readonly attempt?: Attempt
  /** Within `orderWindow`. */
  readonly orders: readonly PlacedOrder[]
  /** Within `validationWindow`. */
  readonly unproven: readonly Unproven[]
  /** Names of the profiles that the CA offered when it was asked last. */
  readonly offered?: readonly string[]
  readonly useless?: Useless
  /** Seconds that the last certificate was made for. */
  readonly lifetime?: number
}

/** What counts against the limits of a CA. */
export type Counted = Pick<Memory, 'orders' | 'unproven' | 'lifetime'>

export const emptyMemory: Memory = { server: '', orders: [], unproven: [] }

export const memoryVersion = 1

/** Bytes: more than there can be to remember (diary.ts), with a hundred names as long as names get. */
const largest = 8 * 1024 * 1024

type Fields = Readonly<Record<string, unknown>>

const isFields = (v: unknown): v is Fields => typeof v === 'object' && v !== null && !Array.isArray(v)

function instant(value: unknown): Date | undefined {
  const date = typeof value === 'string' ? new Date(value) : undefined
  return date && !Number.isNaN(date.getTime()) ? date : undefined
}

const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [])
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const count = (value: unknown): number => (Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : 0)

function readFailure(value: unknown): Failure | undefined {
  if (!isFields(value)) return undefined
  const kind = failureKinds.find((known) => known === value['kind'])
  const [last, retryAt] = [instant(value['last']), instant(value['retryAt'])]
  if (kind === undefined || !last || !retryAt) return undefined
  const retryAfter = instant(value['retryAfter'])
  return {
    kind,
    problem: text(value['problem']),
    message: text(value['message']),
    details: texts(value['details']),
    links: texts(value['links']),
    count: Math.max(1, count(value['count'])),
    first: instant(value['first']) ?? last,
    last,
    ...(retryAfter && { retryAfter }),
    retryAt,
    config: text(value['config']),
  }
}

function readAttempt(value: unknown): Attempt | undefined {
  const since = isFields(value) ? instant(value['since']) : undefined
  return since && isFields(value) ? { since, crashes: count(value['crashes']) } : undefined
}

function readUseless(value: unknown): Useless | undefined {
  const at = isFields(value) ? instant(value['at']) : undefined
  return at && isFields(value) ? { at, message: text(value['message']), config: text(value['config']) } : undefined
}

/** The entries of a list that have an instant `at` and a text `key`. */
function dated<K extends string>(value: unknown, key: K): ({ readonly at: Date } & Readonly<Record<K, string>>)[] {
  return (Array.isArray(value) ? value : []).flatMap((entry: unknown) => {
    const at = isFields(entry) ? instant(entry['at']) : undefined
    const what = isFields(entry) ? entry[key] : undefined
    // The key is K and the value a text: what the type says.
    return at && typeof what === 'string' ? [{ at, [key]: what } as { at: Date } & Record<K, string>] : []
  })
}

/**
 * Reads `nixacme.json`. What one version does not know of itself is passed over; a newer version is refused, since what it
 * says cannot be kept, and anything that is not ours or damaged as a whole is, too: `data` (65), or `permission` (77).
 */
export function readMemory(path: string): Memory {
  const hints = [`move '${path}' aside to forget what it says`]
  let content: Buffer | undefined
  try {
    content = readIfThere(path)
  } catch (e) {
    throw readError(path, e)
  }
  if (content === undefined) return emptyMemory
  if (content.length > largest) throw new NixacmeError('data', `'${path}' is larger than 8 MB`, { hints })
  let value: unknown
  try {
    value = JSON.parse(content.toString())
  } catch (cause) {
    throw new NixacmeError('data', `'${path}' is not JSON`, { cause, hints })
  }
  const fields = isFields(value) ? value : {}
  const version = fields['version']
  if (typeof version !== 'number') throw new NixacmeError('data', `'${path}' names no version`, { hints })
  if (version > memoryVersion)
    throw new NixacmeError('data', `'${path}' has version ${version}, this nixacme reads up to ${memoryVersion}`, {
      hints: ['it was written by a newer nixacme: use that one', ...hints],
    })
  const [failure, attempt] = [readFailure(fields['failure']), readAttempt(fields['attempt'])]
  const useless = readUseless(fields['useless'])
  const lifetime = count(fields['lifetime'])
  return {
    server: text(fields['server']),
    ...(failure && { failure }),
    ...(attempt && { attempt }),
    orders: dated(fields['orders'], 'names'),
    unproven: dated(fields['unproven'], 'name'),
    ...(Array.isArray(fields['offered']) && { offered: texts(fields['offered']) }),
    ...(useless && { useless }),
    ...(lifetime > 0 && { lifetime }),
  }
}

export const together = (a: Counted, b: Counted): Counted => {
  const lifetime = a.lifetime ?? b.lifetime
  return {
    orders: [...a.orders, ...b.orders],
    unproven: [...a.unproven, ...b.unproven],
    ...(lifetime !== undefined && { lifetime }),
  }
}

/**
 * What other folders of the same certificate, for another key type or DNS provider, have asked the same CA for: its limits
 * know nothing of these.
 */
export function countedElsewhere({ legoCert, certificates, memory }: CertPaths, server: string): Counted {
  const folders = (orAbsent(() => fs.readdirSync(legoCert)) ?? []).map((name) => under(legoCert, name))
  const same = folders.flatMap((folder) => {
    if (folder === certificates) return []
    try {
      const other = readMemory(memory.replace(certificates, folder))
      return other.server === server ? [other] : []
    } catch {
      // What cannot be read counts for the folder that it is of.
      return []
    }
  })
  return same.reduce(together, { orders: [], unproven: [] })
}

/** Durable when this returns. Throws `write` (73) or `permission` (77). */
export function writeMemory(path: string, memory: Memory, gid: number | undefined): void {
  try {
    writeAtomically(path, `${JSON.stringify({ version: memoryVersion, ...memory }, null, 2)}\n`, { mode: 0o640, gid })
  } catch (e) {
    throw writeError(path, e)
  }
}
