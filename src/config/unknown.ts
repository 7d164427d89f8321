// Words for a key that is no option where it stands: one of another level, a mistyped one, a name without quotes.
import { optionPath } from './faults.ts'
import { nearest } from './nearest.ts'
import { type Level, oldOptions } from './old.ts'
import { certOnly, forwarded, global, inheritable } from './options.ts'
import type { Tree } from './tree.ts'

const topLevel = [...Object.keys(global), 'defaults', 'certs']
const shared = Object.keys(inheritable)
const certificate = Object.keys(certOnly)

const known: Readonly<Record<Level, readonly string[]>> = {
  global: [...topLevel, ...forwarded],
  defaults: shared,
  cert: [...shared, ...certificate],
}

const inCert = 'certs."<name>"'

/** Where an option that is not of `level` belongs, or undefined when there is no such option. */
function homeOf(name: string): string | undefined {
  if (topLevel.includes(name)) return 'at the top level'
  if (shared.includes(name)) return `in defaults or in ${inCert}`
  if (certificate.includes(name) || Object.hasOwn(oldOptions.cert, name)) return `in ${inCert}`
  return undefined
}

export interface Advice {
  readonly message: string
  readonly hint: string | null
}

/** `path` leads to the unknown key, itself included. */
export function unknownOption(level: Level, path: readonly string[], value: Tree): Advice {
  const name = path.at(-1) ?? ''
  const home = homeOf(name)
  if (home !== undefined) {
    const moved = home === 'at the top level' ? 'in TOML that is above the first [table]' : null
    return { message: `'${name}' belongs ${home}`, hint: moved }
  }
  const near = nearest(name, known[level])
  if (near !== undefined) return { message: `unknown option '${name}'`, hint: `is '${near}' meant?` }
  if (value.kind === 'table' && level !== 'defaults')
    return { message: `unknown option '${name}'`, hint: quoted(level, path, value) }
  const far = nearest(name, [...topLevel, ...shared, ...certificate])
  if (far === undefined) return { message: `unknown option '${name}'`, hint: 'nixacme-config(5) lists all options' }
  return { message: `unknown option '${name}'`, hint: `is '${far}' meant? it belongs ${homeOf(far)}` }
}

/** `[certs.example.com]` is a table com in a table example: what was meant is `[certs."example.com"]`. */
function quoted(level: Level, path: readonly string[], value: Tree): string {
  const parts = level === 'cert' ? path.slice(1) : [...path]
  for (let inner = value; inner.kind === 'table' && inner.entries.size === 1; ) {
    const [[key, entry] = []] = inner.entries
    if (key === undefined || entry?.value.kind !== 'table') break
    parts.push(key)
    inner = entry.value
  }
  return `for a certificate write [${optionPath(['certs', parts.join('.')])}], its name in quotes`
}
