// What `revoke` was to revoke and no CA has confirmed yet: a note for each such certificate, left before the CA is asked, so
// that the same command goes on with that one, whatever a renewal has brought meanwhile. They lie beside the marks of the
// revoked ones (condemned.ts), as PEM files with two lines before the certificate (RFC 7468 §2). What a `compromise` has
// still to revoke is noted elsewhere (condemn.ts). To write needs the certificate's lock.
import * as fs from 'node:fs'
import { fingerprintsOf } from '../certificate/fingerprint.ts'
import { splitPem } from '../certificate/pem.ts'
import { type LeafFacts, readLeaf } from '../certificate/read.ts'
import { type RevocationReason, revocationReasons } from '../certificate/reason.ts'
import { NixacmeError, readError, writeError } from '../errors.ts'
import { ensureDir, lstatIfThere, orAbsent, readIfThere, syncDir, under, writeAtomically } from '../fs.ts'
import { type CondemnedPaths, isRevoked } from './condemned.ts'

export interface RevocationNote {
  /** PEM, leaf first. */
  readonly chain: string
  /** Of the CA's directory; '': not known. */
  readonly directoryUrl: string
  readonly reason: RevocationReason
}

export interface FoundNote extends RevocationNote {
  readonly facts: LeafFacts
  readonly path: string
}

const suffix = '.revoke'

const pathOf = ({ revoked }: CondemnedPaths, fingerprint: string): string => under(revoked, `${fingerprint}${suffix}`)

/** Notes that a certificate is to be revoked, in place of an earlier note of it. Throws `write` (73) or `permission` (77). */
export function noteRevocation(
  paths: CondemnedPaths,
  { chain, directoryUrl, reason }: RevocationNote,
  gid: number | undefined,
): void {
  const [leaf = ''] = splitPem(chain)
  const text = `reason: ${reason}\ndirectory: ${directoryUrl}\n${leaf}`
  try {
    ensureDir(paths.revoked, { mode: 0o750, gid })
    writeAtomically(pathOf(paths, fingerprintsOf(leaf).certificate), text, { mode: 0o640, gid })
  } catch (e) {
    throw writeError(paths.revoked, e)
  }
}

/** Takes the note of a certificate (PEM) away, where there is one. Throws as `noteRevocation`. */
export function dropRevocationNote(paths: CondemnedPaths, certificate: string): void {
  const path = pathOf(paths, fingerprintsOf(certificate).certificate)
  try {
    if (lstatIfThere(path) === undefined) return
    fs.rmSync(path, { force: true })
    syncDir(paths.revoked)
  } catch (e) {
    throw writeError(path, e)
  }
}

/**
 * All notes, those of the oldest certificates first; without those of certificates that are known to be revoked. Throws
 * `data` (65) or `permission` (77).
 */
export function revocationNotes(paths: CondemnedPaths): FoundNote[] {
  return namesIn(paths)
    .filter((name) => name.endsWith(suffix) && !isRevoked(paths, name.slice(0, -suffix.length)))
    .flatMap((name) => readNote(under(paths.revoked, name)))
    .sort((a, b) => a.facts.notBefore.getTime() - b.facts.notBefore.getTime())
}

function namesIn({ revoked }: CondemnedPaths): readonly string[] {
  try {
    return orAbsent(() => fs.readdirSync(revoked)) ?? []
  } catch (e) {
    throw readError(revoked, e)
  }
}

function readNote(path: string): FoundNote[] {
  try {
    const text = readIfThere(path)?.toString()
    if (text === undefined) return []
    const [chain = ''] = splitPem(text)
    const [, name = '', directoryUrl = ''] = /^reason: (\w+)\ndirectory: (\S*)\n/.exec(text) ?? []
    const { facts } = readLeaf(chain)
    if (isReason(name) && (directoryUrl === '' || URL.canParse(directoryUrl)))
      return [{ chain, directoryUrl, reason: name, facts, path }]
  } catch (e) {
    throw readError(path, e, hints(path))
  }
  throw new NixacmeError('data', `'${path}' does not say why a certificate is to be revoked, and where`, {
    hints: hints(path),
  })
}

const hints = (path: string): readonly string[] => [`move '${path}' away, and name its certificate with --file`]

const isReason = (name: string): name is RevocationReason => Object.hasOwn(revocationReasons, name)
