// Which files the config is made of, and what is in them: the main file, then the drop-ins in byte order.
import { isUtf8 } from 'node:buffer'
import { readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { hasCode, systemWord } from '../errors.ts'
import { orAbsent } from '../fs.ts'
import { byBytes } from '../job/slots.ts'
import type { ConfigSource } from './config.ts'
import type { Findings, Place } from './faults.ts'
import { parseJson } from './json.ts'
import type { Document } from './merge.ts'
import { readRegular } from './regular-file.ts'
import { dropInDir, stampOf } from './sources.ts'
import { parseToml } from './toml.ts'
import { assertShallow, BrokenSyntax, type Table } from './tree.ts'

export interface Files {
  /** The main file; the one that was looked for when there is none. */
  readonly main: string
  readonly documents: readonly Document[]
  readonly sources: readonly ConfigSource[]
}

/**
 * Reads all files of a config. With `explicit` the main file is `configPath` and nothing else; otherwise it may also be
 * the `config.json` beside it. Whatever is wrong goes to `findings`; a broken file has a document without content. Throws
 * ConfigError when there is no main file.
 */
export function readFiles(configPath: string, explicit: boolean, findings: Findings): Files {
  // Absolute: the jobs keep these paths, and are read from other folders.
  const path = resolve(configPath)
  const candidates = explicit ? [path] : [path, join(dirname(path), 'config.json')]
  const dir = dropInDir(path)
  // Stamps come before the reading: a change in between makes the compiled jobs stale, never wrongly fresh.
  const stamps = [...candidates, dir].map((one) => safeStamp(one, findings))
  const there = candidates.filter(isThere)
  const [main = path, second] = there
  const whole = (file: string): Place => ({ file, at: null, path: [] })
  if (there.length === 0) {
    const named = 'check the path given by --config or NIXACME_CONFIG'
    const hint = explicit ? named : 'write one (nixacme-config(5)) or name it with --config'
    findings.fault(whole(main), 'there is no such file, and so no config', hint)
    // Whatever the drop-ins hold, they are additions to something.
    findings.throwIfAny([main])
  }
  if (second !== undefined)
    findings.fault(
      whole(second),
      `both '${main}' and '${second}' are there, expected one of them`,
      `move the options of one to the other, or to a file in '${dir}'`,
    )
  const dropIns = listDropIns(dir, findings)
  const documents: Document[] = []
  for (const file of [...there, ...dropIns]) {
    if (dropIns.includes(file)) stamps.push(safeStamp(file, findings))
    documents.push({ file, root: readDocument(file, findings) })
  }
  return { main, documents, sources: stamps.flatMap((stamp) => stamp ?? []) }
}

/** Whether something of that name is there; what cannot be asked is there, and the reading will tell why not. */
function isThere(path: string): boolean {
  try {
    return orAbsent(() => statSync(path)) !== undefined
  } catch {
    return true
  }
}

/** A stamp, or undefined where even that is not allowed: reading the same path tells so. */
function safeStamp(path: string, findings: Findings): ConfigSource | undefined {
  try {
    return stampOf(path)
  } catch (e) {
    if (hasCode(e, 'EACCES', 'EPERM')) return undefined
    findings.fault({ file: path, at: null, path: [] }, `cannot be read: ${systemWord(e)}`)
    return undefined
  }
}

/** Paths of the drop-ins; hidden files (as editors leave behind) and other endings are none. */
function listDropIns(dir: string, findings: Findings): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => !name.startsWith('.') && /\.(toml|json)$/.test(name))
      .sort(byBytes)
      .map((name) => join(dir, name))
  } catch (e) {
    if (hasCode(e, 'ENOENT')) return []
    const place = { file: dir, at: null, path: [] }
    const message = `the folder of drop-ins cannot be read: ${systemWord(e)}`
    if (hasCode(e, 'EACCES', 'EPERM')) findings.denied(place, message, 'run as root, or give this user access to it')
    else findings.fault(place, message)
    return []
  }
}

function readDocument(file: string, findings: Findings): Table | undefined {
  const place: Place = { file, at: null, path: [] }
  const bytes = readRegular(file, place, 'the file', findings)
  if (!bytes) return undefined
  if (!isUtf8(bytes)) {
    const line = firstLineNotUtf8(bytes)
    findings.fault({ ...place, at: { line, column: 1 } }, 'expected UTF-8 text, found other bytes in this line')
    return undefined
  }
  // A byte order mark is no content (RFC 8259 section 8.1); TextDecoder drops it.
  const text = new TextDecoder().decode(bytes)
  try {
    const root = file.endsWith('.json') ? parseJson(text) : parseToml(text)
    assertShallow(root)
    return root
  } catch (e) {
    if (!(e instanceof BrokenSyntax)) throw e
    findings.fault({ ...place, at: e.at }, e.message)
    return undefined
  }
}

/** UTF-8 never has a newline's byte inside a character, so lines can be judged one by one. */
function firstLineNotUtf8(bytes: Buffer): number {
  let line = 1
  for (let from = 0; from < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, from)
    const end = newline < 0 ? bytes.length : newline
    if (!isUtf8(bytes.subarray(from, end))) break
    from = end + 1
  }
  return line
}
