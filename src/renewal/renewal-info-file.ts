// What is known of a CA's wishes on disk: one small file a certificate, in a folder that holds no key, so that the poller
// needs to see nothing else. The poller and the renewals of the certificates write it, each change under the folder's lock,
// so that none loses what the other has written. It is a help, never a condition: what cannot be read is as good as nothing.
import { readdirSync, unlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { messageOf, NixacmeError, readError, systemWord, writeError } from '../errors.ts'
import { ensureDir, orAbsent, readIfThere, under, writeAtomically } from '../fs.ts'
import type { Host } from '../host.ts'
import { tryFolder, waitFor } from './lock.ts'
import type { PollFailures, RenewalInfo, Watch, Window } from './renewal-info.ts'

const version = 1

/** Bytes; what is larger is not ours. */
const largest = 64 * 1024

/** What stands in a file. */
export type Stored =
  /** Nothing known, too, where there is no file. */
  | { readonly kind: 'known'; readonly watch: Watch }
  /** Of a newer nixacme, which is to keep it. */
  | { readonly kind: 'newer'; readonly flaw: string }
  /** To be replaced by what is found out anew. */
  | { readonly kind: 'damaged'; readonly flaw: string }

/** What is known: nothing, where it cannot be read. */
export const watchOf = (stored: Stored): Watch => (stored.kind === 'known' ? stored.watch : {})

type Fields = Readonly<Record<string, unknown>>

const isFields = (v: unknown): v is Fields => typeof v === 'object' && v !== null && !Array.isArray(v)

/** Why a text is no file of ours, as a clause. */
class Damage extends Error {}

function checked<T>(fields: Fields, key: string, is: (v: unknown) => v is T): T {
  const value = fields[key]
  if (!is(value)) throw new Damage(`'${key}' is missing or wrong`)
  return value
}

const optional = <T>(fields: Fields, key: string, read: (fields: Fields, key: string) => T): T | undefined =>
  fields[key] === undefined ? undefined : read(fields, key)

const isString = (v: unknown): v is string => typeof v === 'string'
const isBoolean = (v: unknown): v is boolean => typeof v === 'boolean'
const isStrings = (v: unknown): v is string[] => Array.isArray(v) && v.every(isString)
const isCount = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v > 0

/** It becomes a part of a URL. */
const isIdentifier = (v: unknown): v is string => isString(v) && /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(v)

const text = (fields: Fields, key: string): string => checked(fields, key, isString)

function instant(fields: Fields, key: string): Date {
  const date = new Date(text(fields, key))
  if (Number.isNaN(date.getTime())) throw new Damage(`'${key}' is no instant`)
  return date
}

function window(fields: Fields, key: string): Window {
  const value = checked(fields, key, isFields)
  const read = { start: instant(value, 'start'), end: instant(value, 'end') }
  if (read.end <= read.start) throw new Damage(`'${key}' ends before it begins`)
  return read
}

function failures(fields: Fields, key: string): PollFailures {
  const value = checked(fields, key, isFields)
  const [first, last] = [instant(value, 'first'), instant(value, 'last')]
  return { count: checked(value, 'count', isCount), first, last, what: text(value, 'what') }
}

/** Without what is undefined, as JSON has it. */
const compact = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T

const info = (fields: Fields): RenewalInfo =>
  compact({
    certificate: checked(fields, 'certificate', isIdentifier),
    server: text(fields, 'server'),
    plainHttp: checked(fields, 'plainHttp', isBoolean),
    caCertificates: checked(fields, 'caCertificates', isStrings),
    account: optional(fields, 'account', text),
    notAfter: instant(fields, 'notAfter'),
    followed: checked(fields, 'followed', isBoolean),
    window: optional(fields, 'window', window),
    selected: optional(fields, 'selected', instant),
    immediate: optional(fields, 'immediate', (of, key) => checked(of, key, isBoolean)),
    ceased: optional(fields, 'ceased', (of, key) => checked(of, key, isBoolean)),
    explanationUrl: optional(fields, 'explanationURL', text),
    nextPoll: instant(fields, 'nextPoll'),
    failures: optional(fields, 'failures', failures),
  })

/** Reads the text of a file. Never throws. */
export function parseWatch(content: string): Stored {
  try {
    const fields: unknown = JSON.parse(content)
    if (!isFields(fields)) throw new Damage('it holds no object')
    const found = fields['version']
    if (typeof found !== 'number') throw new Damage('it names no version')
    if (found > version) return { kind: 'newer', flaw: `it has version ${found}, this nixacme knows ${version}` }
    const watch = {
      info: fields['certificate'] === undefined ? undefined : info(fields),
      retryAt: optional(fields, 'retryAt', instant),
    }
    return { kind: 'known', watch: compact(watch) }
  } catch (e) {
    return { kind: 'damaged', flaw: e instanceof Damage ? e.message : `it is not JSON (${messageOf(e)})` }
  }
}

/** The text of a file. */
export function renderWatch({ info: known, retryAt }: Watch): string {
  const { explanationUrl, ...rest } = known ?? { explanationUrl: undefined }
  return `${JSON.stringify({ version, ...rest, explanationURL: explanationUrl, retryAt }, null, 2)}\n`
}

/** Reads a file. Never throws: one that cannot be read is told as damaged. */
export function readWatch(path: string): Stored {
  try {
    const content = readIfThere(path)
    if (content === undefined) return { kind: 'known', watch: {} }
    if (content.length > largest) return { kind: 'damaged', flaw: 'it is larger than 64 kB' }
    return parseWatch(content.toString())
  } catch (e) {
    return { kind: 'damaged', flaw: `it cannot be read: ${systemWord(e)}` }
  }
}

/** Seconds. The lock is held for a read and a write. */
const patience = 30

/**
 * Changes what stands in `path`, alone among all processes: `change` gets what is known (nothing, where it was damaged)
 * and gives what is to be known, or undefined to leave it. The folder is made when it is missing. Throws `data` (65) for a
 * file of a newer nixacme, `write` (73) or `permission` (77), `lock` (71), `later` (75) when the lock cannot be had.
 */
export async function updateWatch(
  path: string,
  change: (known: Watch) => Watch | undefined,
  host: Pick<Host, 'now' | 'interrupted'>,
): Promise<void> {
  const folder = path.slice(0, -basename(path).length - 1)
  try {
    ensureDir(folder, { mode: 0o750 })
  } catch (e) {
    throw writeError(folder, e)
  }
  const { now, interrupted: signal } = host
  const what = `the folder '${folder}'`
  const held = await waitFor(() => tryFolder(folder), { seconds: patience, signal, now, what, onWait() {} })
  try {
    const stored = readWatch(path)
    if (stored.kind === 'newer') throw newerError(path, stored.flaw)
    const next = change(watchOf(stored))
    if (next) writeAtomically(path, renderWatch(next), { mode: 0o640 })
  } catch (e) {
    throw writeError(path, e)
  } finally {
    held.release()
  }
}

const newerError = (path: string, flaw: string): NixacmeError =>
  new NixacmeError('data', `'${path}' is left alone: ${flaw}`, {
    hints: ['it was written by a newer nixacme: use that one', `or move '${path}' aside, to have it found out anew`],
  })

/** A certificate that is no more need not be asked about. Where that fails it is asked about until it expires. */
export function forgetWatch(folder: string, cert: string): void {
  try {
    unlinkSync(watchPath(folder, cert))
  } catch {
    // There is none, as a rule.
  }
}

/** The certificates that there is a file of. Throws `data` (65) or `permission` (77). */
export function watchedCerts(folder: string): string[] {
  try {
    const names = orAbsent(() => readdirSync(folder)) ?? []
    return names.filter((name) => /^[^.].*\.json$/.test(name)).map((name) => name.slice(0, -'.json'.length))
  } catch (e) {
    throw readError(folder, e)
  }
}

/** The file of a certificate in the folder. */
export const watchPath = (folder: string, cert: string): string => under(folder, `${cert}.json`)
