// What was put where for challenges, on disk before it is put there: whatever ends a run, the next one takes it away. One
// file for each certificate, `.challenges.json`, written and read by who holds its lock.
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { NixacmeError, systemWord, writeError } from '../../errors.ts'
import { syncDir, writeAtomically } from '../../fs.ts'
import type { Log } from '../../log.ts'
import { readOwn } from '../own-file.ts'
import { type Fields, fieldsOf, text } from '../types.ts'

/** One thing that a run has put somewhere, or was about to. */
export type Trace =
  /** A file below `.well-known/acme-challenge/`: its path. */
  | { readonly kind: 'file'; readonly path: string }
  /** What a listener answers: its path in the folder that all runs share. */
  | { readonly kind: 'answer'; readonly path: string }
  | { readonly kind: 'object'; readonly bucket: string; readonly key: string }
  | {
      readonly kind: 'record'
      readonly provider: string
      readonly name: string
      readonly value: string
      /** What the record is for, which some providers want to know. */
      readonly domain: string
      readonly token: string
      readonly keyAuthorization: string
    }

export interface LedgerFile {
  readonly path: string
  /** Numeric owner that it must have to be believed. */
  readonly uid: number
  readonly gid: number | undefined
}

const version = 1
/** Bytes: a hundred names take a tenth. */
const largest = 512 * 1024
const mode = 0o600

const wanted: { readonly [K in Trace['kind']]: readonly string[] } = {
  file: ['path'],
  answer: ['path'],
  object: ['bucket', 'key'],
  record: ['provider', 'name', 'value', 'domain', 'token', 'keyAuthorization'],
}

export class Ledger {
  readonly #file: LedgerFile
  #traces: readonly Trace[]

  private constructor(file: LedgerFile, traces: readonly Trace[]) {
    this.#file = file
    this.#traces = traces
  }

  /** Reads what an earlier run has left; a damaged file is told, and holds nothing. */
  static open(file: LedgerFile, log: Log): Ledger {
    try {
      return new Ledger(file, read(file))
    } catch (e) {
      log.warning(`'${file.path}' cannot be used, what an earlier run has left of challenges stays: ${systemWord(e)}`)
      return new Ledger(file, [])
    }
  }

  /** What is there to be taken away, in the order in which it came. */
  get traces(): readonly Trace[] {
    return this.#traces
  }

  /** On disk when it returns. Throws `write` (73) or `permission` (77). */
  add(traces: readonly Trace[]): void {
    const known = new Set(this.#traces.map((trace) => JSON.stringify(trace)))
    const news = traces.filter((trace) => !known.has(JSON.stringify(trace)))
    if (news.length > 0) this.#write([...this.#traces, ...news])
  }

  /** These have been taken away. Throws as `add`. */
  drop(traces: readonly Trace[]): void {
    if (traces.length > 0) this.#write(this.#traces.filter((trace) => !traces.includes(trace)))
  }

  #write(traces: readonly Trace[]): void {
    const { path, gid } = this.#file
    try {
      if (traces.length > 0) writeAtomically(path, `${JSON.stringify({ version, traces })}\n`, { mode, gid })
      else {
        fs.rmSync(path, { force: true })
        syncDir(dirname(path))
      }
      this.#traces = traces
    } catch (e) {
      throw writeError(path, e)
    }
  }
}

function read(file: LedgerFile): Trace[] {
  const text = readOwn(file, largest)
  if (text === undefined) return []
  const fields = fieldsOf(JSON.parse(text), 'it')
  const { traces } = fields
  if (fields['version'] !== version || !Array.isArray(traces))
    throw new NixacmeError('data', 'it is of no known version')
  return traces.map((trace) => parse(fieldsOf(trace, 'a trace')))
}

function parse(fields: Fields): Trace {
  const kind = (Object.keys(wanted) as Trace['kind'][]).find((known) => known === fields['kind'])
  if (!kind) throw new NixacmeError('data', 'it holds something unknown')
  // Each field that this kind has is there, and a text.
  return Object.fromEntries([['kind', kind], ...wanted[kind].map((name) => [name, text(fields, name)])]) as Trace
}
