// Option names that are not options any more, or never were ones to set: what a config with them is told (contract 1.3, 1.4),
// and how the renamed ones become the options of today.
import { isDeepStrictEqual } from 'node:util'
import { byBytes } from '../job/slots.ts'
import type { Findings } from './faults.ts'
import { type RawSection, whereOf } from './merge.ts'
import { describe, type Tree, toPlain } from './tree.ts'

export type Level = 'global' | 'defaults' | 'cert'

export type Old =
  /** Read-only or internal in NixOS, and in every dump of its config: no word about it. */
  | { readonly fate: 'ignored'; readonly description: string }
  | { readonly fate: 'removed'; readonly description: string; readonly hint: string }
  /** Taken as the option `to`, with a warning. `convert` gives its value, or undefined: the value is no `kind`. */
  | {
      readonly fate: 'renamed'
      readonly to: string
      readonly description: string
      readonly kind: string
      readonly convert: (old: Tree, present: Tree | undefined) => Tree | undefined
      /** Whether the value joins the one of `to` instead of standing for it. */
      readonly joins?: true
    }

/** What an unset option of this sort holds in a dump of a NixOS config. */
export const unset = '_mkMergedOptionModule'

const isUnset = (tree: Tree): boolean =>
  tree.kind === 'scalar' && (tree.value === null || tree.value === unset || tree.value === '')

const daySeconds = 86_400

/** validMin counts seconds, validMinDays whole days (contract 1.3). */
const toDays = (old: Tree): Tree | undefined =>
  old.kind === 'scalar' && Number.isSafeInteger(old.value) && Number(old.value) >= 0
    ? { ...old, value: Math.floor(Number(old.value) / daySeconds) }
    : undefined

/** The names that extraDomains has as keys, sorted, after those of extraDomainNames (contract 1.2). */
function appendNames(old: Tree, present: Tree | undefined): Tree | undefined {
  if (old.kind !== 'table') return undefined
  if (present && present.kind !== 'list') return present
  const names = [...old.entries].sort(([a], [b]) => byBytes(a, b))
  const items = names.map(([value, { keyAt }]): Tree => ({ kind: 'scalar', at: keyAt, value }))
  return { kind: 'list', at: present?.at ?? old.at, items: [...(present?.items ?? []), ...items] }
}

const internal: Old = { fate: 'ignored', description: 'Internal to NixOS modules, ignored.' }

const credentialsFile: Old = {
  fate: 'renamed',
  to: 'environmentFile',
  description: 'The older name of environmentFile.',
  kind: 'an absolute path or null',
  convert: (old) => old,
}

const ordering = "let the service that must come first say 'RequiredBy=' and 'Before=' the certificate's unit"

export const oldOptions: Readonly<Record<Level, Readonly<Record<string, Old>>>> = {
  global: {
    $schema: { fate: 'ignored', description: 'For editors: where the JSON Schema of this file is.' },
    _module: internal,
    validMin: {
      fate: 'renamed',
      to: 'validMinDays',
      description: 'The older form of validMinDays, in seconds.',
      kind: 'a number of seconds',
      convert: toDays,
    },
    production: {
      fate: 'removed',
      description: 'removed: the CA is chosen by its URL',
      hint: 'for Let\'s Encrypt\'s test CA set server = "https://acme-staging-v02.api.letsencrypt.org/directory"',
    },
    directory: {
      fate: 'removed',
      description: 'removed: certificates are always below the state directory, /var/lib/acme',
      hint: 'to keep them elsewhere start nixacme with --state-dir',
    },
    preDelay: { fate: 'removed', description: 'removed: services order themselves before a renewal', hint: ordering },
    activationDelay: {
      fate: 'removed',
      description: 'removed: services order themselves before a renewal',
      hint: ordering,
    },
  },
  defaults: { _module: internal, credentialsFile },
  cert: {
    _module: internal,
    credentialsFile,
    directory: { fate: 'ignored', description: 'Read-only in NixOS, ignored: always /var/lib/acme/<cert>.' },
    extraDomains: {
      fate: 'renamed',
      to: 'extraDomainNames',
      description: 'The older form of extraDomainNames: a table whose keys are the names.',
      kind: 'a table',
      convert: appendNames,
      joins: true,
    },
    user: {
      fate: 'removed',
      description: "without effect: the files of a certificate always belong to user 'acme'",
      hint: "remove it; another user gets at the files as a member of the certificate's group",
    },
    allowKeysForGroup: {
      fate: 'removed',
      description: "without effect: the certificate's group may always read its key",
      hint: "remove it; to keep the key from everybody set 'group' to one without members",
    },
  },
}

/** The section without old names: what they stood for is under today's names, and what is to be said of them is in `findings`. */
export function settleOld(raw: RawSection, level: Level, findings: Findings): RawSection {
  const options = new Map(raw.options)
  for (const [key, given] of raw.options) {
    const old = Object.hasOwn(oldOptions[level], key) ? oldOptions[level][key] : undefined
    if (!old) continue
    options.delete(key)
    if (old.fate === 'ignored' || isUnset(given.value)) continue
    const place = { file: given.file, at: given.keyAt, path: [...raw.place.path, key] }
    if (old.fate === 'removed') {
      findings.fault(place, `'${key}' is ${old.description}`, old.hint)
      continue
    }
    const present = options.get(old.to)
    const value = old.convert(given.value, present?.value)
    if (!value) {
      const found = describe(toPlain(given.value))
      findings.fault({ ...place, at: given.value.at }, `expected ${old.kind}, found ${found}`)
    } else if (old.joins || !present) {
      findings.warning(place, renamedWords(key, old.to))
      options.set(old.to, { ...(present ?? given), value })
    } else if (!isDeepStrictEqual(toPlain(present.value), toPlain(value)))
      findings.fault(
        place,
        `'${key}' is the older form of '${old.to}', which ${whereOf(present)} sets to another value`,
      )
  }
  return { ...raw, options }
}

const renamedWords = (key: string, to: string): string =>
  key === 'extraDomains'
    ? `'${key}' is now '${to}', a list: its names are appended, but a webroot for one of them needs a certificate of its own`
    : `'${key}' is now '${to}'${key === 'validMin' ? ', in days' : ''}, taken as that`
