// What is stored of one certificate: read without a lock, without writing, without the network. The certificate judged is
// the candidate in lego's folder, not the installed copy (DESIGN §6).
import * as fs from 'node:fs'
import { basename } from 'node:path'
import { readPem, splitPem } from '../certificate/pem.ts'
import { type CertificateFacts, type CertificateSet, judgeLeaf } from '../certificate/read.ts'
import { hasCode, readError } from '../errors.ts'
import { orAbsent, under } from '../fs.ts'
import type { CertPaths } from '../job/paths.ts'
import { isSecure } from '../url.ts'
import { condemnation } from './condemned.ts'
import { type Memory, readMemory } from './memory.ts'
import { type Advice, adviceOn } from './renewal-info.ts'
import { readWatch, type Stored, watchOf } from './renewal-info-file.ts'

/** The files of one candidate as they are installed. */
export interface StoredSet extends CertificateSet {
  /** The text of `<keyName>.crt`: leaf and chain. */
  readonly fullchain: string
  /** The text of `<keyName>.issuer.crt`, or the chain's part of `.crt` where that is missing or damaged. */
  readonly issuers: string
}

export type Candidate =
  | { readonly kind: 'missing'; readonly what: string }
  | { readonly kind: 'unusable'; readonly reason: string }
  | { readonly kind: 'usable'; readonly facts: CertificateFacts; readonly set: StoredSet }

export interface StoredState {
  readonly candidate: Candidate
  /** `key`: a key without a registration, left by a kill; the CA knows the account or registers it anew. */
  readonly account: 'registered' | 'key' | 'missing'
  /** Content of `domainhash.txt`. */
  readonly domainHash: string | undefined
  readonly memory: Memory
  /** URL of the account, where it is registered. */
  readonly accountUrl?: string | undefined
  /** What is kept of the CA's wishes (RFC 9773), whatever certificate it is about. */
  readonly kept?: Stored
  /** What of it is about the candidate. */
  readonly advice?: Advice | undefined
}

/** The folder in which a new set waits, whole, to be moved over the old one (store.ts). */
export const pendingName = '.pending'
export const pendingDir = (paths: CertPaths): string => under(paths.certificates, pendingName)

/** True when a kill left a new set there; whoever has the lock moves it into place. */
export const hasPending = (paths: CertPaths): boolean => fs.existsSync(pendingDir(paths))

/** A text that is there as a rule, or undefined. */
function readText(path: string): string | undefined {
  try {
    return orAbsent(() => fs.readFileSync(path, 'utf8'))
  } catch (e) {
    throw readError(path, e)
  }
}

/** Reads lego's files, where a kill may have left newer versions in the pending folder. */
function storedReader(paths: CertPaths): (path: string) => string | undefined {
  if (!hasPending(paths)) return readText
  return (path) => readText(under(pendingDir(paths), basename(path))) ?? readText(path)
}

function readCandidate(paths: CertPaths, readStored: ReturnType<typeof storedReader>): Candidate {
  const key = readStored(paths.key)
  const fullchain = readStored(paths.certificate)
  if (key === undefined || fullchain === undefined) {
    const what = key === undefined ? (fullchain === undefined ? 'certificate and key' : 'key') : 'certificate'
    return { kind: 'missing', what }
  }
  const chain = splitPem(fullchain)
  const judged = judgeLeaf({ key, chain })
  if ('flaw' in judged) return { kind: 'unusable', reason: judged.flaw }
  // A leaf in order says nothing of the blocks after it, and services get the text as it is.
  if (!readPem(fullchain).isWhole) return { kind: 'unusable', reason: 'the chain is damaged or cut short' }
  const condemned = condemnation(paths, fullchain)
  if (condemned !== undefined) return { kind: 'unusable', reason: condemned }
  const stored = readStored(paths.issuer) ?? ''
  const issuers = readPem(stored).isWhole && splitPem(stored).length > 0 ? stored : chain.slice(1).join('')
  return { kind: 'usable', facts: judged.facts, set: { key, chain, fullchain, issuers } }
}

function readAccount(paths: CertPaths): Pick<StoredState, 'account' | 'accountUrl'> {
  const isThere = (path: string) => {
    try {
      return fs.statSync(path).size > 0
    } catch (e) {
      if (hasCode(e, 'ENOENT', 'ENOTDIR')) return false
      throw readError(path, e)
    }
  }
  if (!isThere(paths.accountKey)) return { account: 'missing' }
  try {
    const value: unknown = JSON.parse(readText(paths.accountJson) ?? 'null')
    const uri = (value as { registration?: { uri?: unknown } } | null)?.registration?.uri
    // Whether this machine may be asked by plain http is for the request to say: here it is only about what is stored.
    return typeof uri === 'string' && isSecure(uri, true)
      ? { account: 'registered', accountUrl: uri }
      : { account: 'key' }
  } catch (e) {
    if (e instanceof SyntaxError) return { account: 'key' }
    throw readError(paths.accountJson, e)
  }
}

/** Seconds that the candidate was made for; undefined where there is none. */
export const lifetimeOf = ({ candidate }: StoredState): number | undefined =>
  candidate.kind === 'usable'
    ? (candidate.facts.notAfter.getTime() - candidate.facts.notBefore.getTime()) / 1000
    : undefined

/** Reads everything. Throws `data` (65) or `permission` (77) for what is there and cannot be read. */
export function readState(paths: CertPaths): StoredState {
  const readStored = storedReader(paths)
  const candidate = readCandidate(paths, readStored)
  const kept = readWatch(paths.renewalInfo)
  return {
    candidate,
    ...readAccount(paths),
    domainHash: readStored(paths.domainHash)?.trim(),
    memory: readMemory(paths.memory),
    kept,
    // What cannot be read is no advice; the run that has time for it says so (watch.ts).
    advice: candidate.kind === 'usable' ? adviceOn(candidate.facts.renewalId, watchOf(kept)) : undefined,
  }
}
