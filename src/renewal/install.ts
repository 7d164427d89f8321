// Gives services the certificate: `out/` always shows one whole set. A set is written as a generation, then one rename
// flips `out/current`; the names in `out/` are links through it (DESIGN §4). A kill at any point leaves the old set or the
// new one, and the next run completes the rest. Needs the certificate's lock.
import * as fs from 'node:fs'
import type { PreliminarySet } from '../certificate/local-ca.ts'
import { type CertificateFacts, lackingNames } from '../certificate/read.ts'
import { judgeSet } from '../certificate/verify.ts'
import { NixacmeError, readError, unreachable, writeError } from '../errors.ts'
import { lstatIfThere, orAbsent, removeTemporaries, syncDir, temporaryName, under } from '../fs.ts'
import { type CondemnedPaths, condemnation } from './condemned.ts'
import {
  dirMode,
  ensureGeneration,
  type Files,
  fileMode,
  filesOf,
  generationId,
  generationsDir,
  holds,
  linkOf,
  prune,
} from './generations.ts'
import { factsOf, type Installed, installedNames, readInstalled, shown } from './installed.ts'
import { isRaised, type Kind, raiseMarker } from './signal.ts'
import type { StoredSet } from './state.ts'

export { installedNames }

const currentLink = 'current'
const throughCurrent = (name: string): string => under(currentLink, name)

export type InstallOutcome =
  | { readonly kind: 'unchanged' }
  /** The installed set is the better one: it is valid and lives longer. */
  | { readonly kind: 'kept'; readonly installedUntil: Date; readonly candidateUntil: Date }
  | { readonly kind: 'installed'; readonly notAfter: Date }

/** What stands between `out/` and a whole installed `set`. */
export type Difference = 'none' | 'modes' | 'links' | 'content'

/** Compares the whole set, writing nothing. Throws `data` (65) or `permission` (77) for what cannot be read. */
export function compare(out: string, set: StoredSet, gid: number | undefined): Difference {
  try {
    const generation = currentTarget(out)
    if (generation === undefined || !holds(under(out, generation), filesOf(set))) return 'content'
    if (installedNames.some((name) => linkOf(under(out, name)) !== throughCurrent(name))) return 'links'
    return wrongModes(out, generation, gid).length === 0 ? 'none' : 'modes'
  } catch (e) {
    throw readError(out, e)
  }
}

/** The target of `out/current`, or undefined when there is none. */
const currentTarget = (out: string): string | undefined => linkOf(under(out, currentLink))

/** What of an installed generation has a wrong mode or group: who may read the files must get to them. */
function wrongModes(out: string, generation: string, gid: number | undefined): [path: string, mode: number][] {
  const folders = [out, under(out, generationsDir), under(out, generation)]
  const files = installedNames.map((name) => under(out, generation, name))
  const wanted: [string, number][] = [
    ...folders.map((path): [string, number] => [path, dirMode]),
    ...files.map((path): [string, number] => [path, fileMode]),
  ]
  return wanted.filter(([path, mode]) => {
    const there = lstatIfThere(path)
    if (!there || there.isSymbolicLink()) return false
    return (there.mode & 0o7777) !== mode || (gid !== undefined && there.gid !== gid)
  })
}

function completeModes(out: string, generation: string, gid: number | undefined): void {
  for (const [path, mode] of wrongModes(out, generation, gid)) {
    if (gid !== undefined) fs.lchownSync(path, -1, gid)
    fs.chmodSync(path, mode)
  }
}

/** Puts a link at `dir`/`name` in one step, over whatever file or link is there. */
function placeLink(dir: string, name: string, target: string): void {
  const temporary = temporaryName(dir, name)
  fs.symlinkSync(target, temporary)
  fs.renameSync(temporary, under(dir, name))
}

function flip(out: string, generation: string): void {
  placeLink(out, currentLink, generation)
  syncDir(out)
}

/** Makes `names` links through `current`; each is there before and after its rename. */
function completeLinks(out: string, names: readonly string[]): void {
  const wrong = names.filter((name) => linkOf(under(out, name)) !== throughCurrent(name))
  for (const name of wrong) placeLink(out, name, throughCurrent(name))
  if (wrong.length > 0) syncDir(out)
}

/**
 * Take-over: plain files and links that are not ours become links through `current`, before it is flipped. What they show
 * becomes a generation first, exactly as it is, and the current one: who reads meanwhile gets the same bytes either way.
 * Only where they show no pair, and there is a generation already, they are strays, and give way to it.
 */
function takeOver(out: string, gid: number | undefined): void {
  const isOurs = (name: string) => {
    const path = under(out, name)
    return lstatIfThere(path) === undefined || linkOf(path) === throughCurrent(name)
  }
  if (installedNames.every(isOurs)) return
  const files = shown(out)
  if (files.size > 0 && (currentTarget(out) === undefined || factsOf(files)))
    flip(out, ensureGeneration(out, generationId('found', files), files, gid))
  const inCurrent = (name: string) => orAbsent(() => fs.statSync(under(out, throughCurrent(name)))) !== undefined
  completeLinks(out, installedNames.filter(inCurrent))
}

/**
 * An older certificate never goes over a valid one that lives longer: a config flipped back finds its old folder again,
 * with whatever is in it (contract 1.14 Q1). One that was issued later does: another CA may give shorter lifetimes.
 */
function isWorse(candidate: CertificateFacts, installed: CertificateFacts): boolean {
  return candidate.notAfter < installed.notAfter && candidate.notBefore <= installed.notBefore
}

/**
 * The end of the installed set when it is a good one and better than the candidate; else undefined. A self-signed one never
 * is, whatever its dates: CAs backdate by an hour, and theirs end sooner. Writes nothing.
 */
export function betterInstalled(
  out: string,
  candidate: CertificateFacts,
  { names, now, condemned }: Pick<InstallOptions, 'names' | 'now' | 'condemned'>,
): Date | undefined {
  const files = shown(out)
  const installed = factsOf(files)
  if (!installed || installed.preliminary || condemnation(condemned, String(files.get('fullchain.pem'))))
    return undefined
  const isGood = installed.notAfter > now && lackingNames(installed, names).length === 0
  return isGood && isWorse(candidate, installed) ? installed.notAfter : undefined
}

export interface InstallOptions {
  /** The names that a good installed set must hold. */
  readonly names: readonly string[]
  /** Where it stands what is revoked or compromised: no such set is a good one. */
  readonly condemned: CondemnedPaths
  readonly gid: number | undefined
  readonly now: Date
  /** The set was issued in this run: it goes in whatever is installed. */
  readonly fresh: boolean
}

/**
 * Makes `out/` show `set`. Throws `data` (65) for a set whose parts do not belong together, `write` (73) or `permission`
 * (77) when it cannot be written; `out/` then shows what it showed before.
 */
export function install(out: string, set: StoredSet, options: InstallOptions): InstallOutcome {
  const difference = compare(out, set, options.gid)
  if (difference === 'none') return { kind: 'unchanged' }
  try {
    if (difference === 'content') return replace(out, set, options)
    // The content is right: a run was killed after its flip, or somebody changed links or modes by hand.
    removeTemporaries(out)
    completeModes(out, currentTarget(out) ?? '', options.gid)
    completeLinks(out, installedNames)
    return { kind: 'unchanged' }
  } catch (e) {
    throw writeError(out, e)
  }
}

function replace(out: string, set: StoredSet, options: InstallOptions): InstallOutcome {
  const judged = judgeSet(set, [])
  if ('flaw' in judged) {
    throw new NixacmeError('data', `the stored certificate is not installed in '${out}': ${judged.flaw}`, {
      hints: ['run with --now to get a new one'],
    })
  }
  const { facts } = judged
  const installedUntil = options.fresh ? undefined : betterInstalled(out, facts, options)
  if (installedUntil) return { kind: 'kept', installedUntil, candidateUntil: facts.notAfter }
  const isNews = show(out, filesOf(set), { from: facts.notBefore, kind: 'acme', gid: options.gid })
  return isNews ? { kind: 'installed', notAfter: facts.notAfter } : { kind: 'unchanged' }
}

/** The layout of a self-signed set (contract 1.6): `cert.pem` is a file of its own. */
const preliminaryFiles = ({ key, leaf, ca }: PreliminarySet): Files =>
  new Map([...filesOf({ key, chain: [leaf, ca], fullchain: leaf + ca, issuers: ca }), ['cert.pem', Buffer.from(leaf)]])

/**
 * Makes `out/` show a self-signed set, but only where there is no certificate yet, or only self-signed ones: nothing that
 * somebody else made, not even one that expired, gives way to it. Gives the end of what is installed, or undefined when
 * nothing was done. Throws as `install` does.
 */
export function installPreliminary(out: string, set: PreliminarySet, gid: number | undefined): Date | undefined {
  const judged = judgeSet({ key: set.key, chain: [set.leaf, set.ca] }, [])
  if ('flaw' in judged) throw new NixacmeError('bug', `the self-signed certificate cannot be used: ${judged.flaw}`)
  if (!mayBeReplaced(readInstalled(out))) return undefined
  try {
    show(out, preliminaryFiles(set), { from: judged.facts.notBefore, kind: 'selfsigned', gid })
    return judged.facts.notAfter
  } catch (e) {
    throw writeError(out, e)
  }
}

/** True when a self-signed set may take the place of what is there. */
function mayBeReplaced(installed: Installed): boolean {
  switch (installed.kind) {
    case 'nothing':
      return true
    case 'whole':
      return installed.facts.preliminary
    case 'torn':
      return installed.isPreliminary
    default:
      return unreachable(installed)
  }
}

interface NewSet {
  /** The day in the generation's name. */
  readonly from: Date
  readonly kind: Kind
  readonly gid: number | undefined
}

/** Makes `files` the current generation. True when that is news to services. Throws the system's error. */
function show(out: string, files: Files, { from, kind, gid }: NewSet): boolean {
  for (const dir of [out, under(out, generationsDir)]) removeTemporaries(dir)
  const generation = ensureGeneration(out, generationId(from.toISOString().slice(0, 10), files), files, gid)
  const isNews = !showsAlready(out, files)
  takeOver(out, gid)
  completeModes(out, generation, gid)
  if (isNews) raiseMarker(out, gid, kind)
  tidy(out, [generation, currentTarget(out)])
  flip(out, generation)
  // Again: another run's hooks may have taken it meanwhile, for the old set.
  if (isNews && !isRaised(out)) raiseMarker(out, gid, kind)
  completeLinks(out, installedNames)
  return isNews
}

/** True when services get these very bytes already, from plain files: nothing to tell them. */
function showsAlready(out: string, files: Files): boolean {
  const now = shown(out)
  const wanted = new Map([['cert.pem', files.get('fullchain.pem')] as const, ...files])
  return installedNames.every((name) => wanted.get(name)?.equals(now.get(name) ?? Buffer.alloc(0)) === true)
}

/** Before the flip, after which a killed run would find nothing left to do; the generation shown until then stays. */
function tidy(out: string, keep: readonly (string | undefined)[]): void {
  try {
    prune(out, keep)
  } catch {
    // What cannot be removed must not keep a new certificate out: the next installation tries again.
  }
}
