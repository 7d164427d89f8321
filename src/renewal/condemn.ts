// Puts keys under quarantine and marks certificates as revoked, so that no run takes them again (condemned.ts reads it).
// Keys that are found together go in together, in one rename; beside each certificate that is still to be revoked lies a
// note until the CA has done it, so that a killed run knows where to go on. Needs the certificate's lock.
import { createPublicKey } from 'node:crypto'
import * as fs from 'node:fs'
import { fingerprintsOf, keyFingerprint } from '../certificate/fingerprint.ts'
import { readError, writeError } from '../errors.ts'
import {
  ensureDir,
  orAbsent,
  readIfThere,
  removeTemporaries,
  syncDir,
  temporaryName,
  under,
  writeAtomically,
  writeNew,
} from '../fs.ts'
import { type CondemnedPaths, keyMark, quarantines } from './condemned.ts'

/** Nobody but the owner: whoever had the key may have been of its group. */
const closedDir = { mode: 0o700 }
const closedFile = { mode: 0o600 }

/** A key, a certificate, or both, as PEM. */
export interface Suspect {
  readonly key: string | undefined
  /** Leaf first; '' when only the key is there. */
  readonly chain: string
  /** The CA is to revoke it yet: its directory URL, '' where that is not known. Undefined: nothing is left to revoke. */
  readonly revokeAt: string | undefined
}

/** A certificate that is still to be revoked. */
export interface ToRevoke {
  /** Leaf first, PEM. */
  readonly chain: string
  readonly key: string | undefined
  /** Of the CA's directory; '': not known. */
  readonly directoryUrl: string
  /** Fingerprint of the key that took its key's place; undefined where none is known to. */
  readonly successor: string | undefined
  /** Notes that the key of this fingerprint did. Throws as `done`. */
  succeeded(fingerprint: string): void
  /** To be called when the CA has revoked it. Throws `write` (73) or `permission` (77). */
  done(): void
}

/** In a folder of `compromised/`: the fingerprint of the key that took the place of those in it. */
const successorName = 'successor'

const noteOf = (folder: string, certificate: string): string => under(folder, `${certificate}.revoke`)

/**
 * Puts all of these keys under quarantine, in one step: they count as compromised when this returns, or none does.
 * Throws `write` (73) or `permission` (77).
 */
export function quarantine({ compromised }: CondemnedPaths, suspects: readonly Suspect[], now: Date): void {
  const name = now.toISOString().replace(/[-:.]/g, '')
  const temporary = temporaryName(compromised, name)
  try {
    ensureDir(compromised, closedDir)
    removeTemporaries(compromised)
    ensureDir(temporary, closedDir)
    for (const [file, content] of suspects.flatMap(filesOf))
      if (readIfThere(under(temporary, file)) === undefined) writeNew(under(temporary, file), content, closedFile)
    syncDir(temporary)
    fs.renameSync(temporary, under(compromised, name))
    syncDir(compromised)
  } catch (e) {
    fs.rmSync(temporary, { recursive: true, force: true })
    throw writeError(compromised, e)
  }
}

function filesOf({ key, chain, revokeAt }: Suspect): [name: string, content: string][] {
  const files: [string, string][] = []
  if (key !== undefined) files.push(markOf(keyFingerprint(key), key), [`${keyFingerprint(key)}.key`, key])
  if (chain === '') return files
  const prints = fingerprintsOf(chain)
  files.push(markOf(prints.key, chain), [`${prints.certificate}.crt`, chain])
  if (revokeAt !== undefined) files.push([`${prints.certificate}.revoke`, `${revokeAt}\n`])
  return files
}

const markOf = (fingerprint: string, pem: string): [name: string, content: string] => [
  keyMark(fingerprint),
  createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString(),
]

/** What a quarantine left to be revoked, the latest first. Throws `data` (65) or `permission` (77). */
export function toRevoke(paths: CondemnedPaths): ToRevoke[] {
  return quarantines(paths).sort().reverse().flatMap(notesIn)
}

function notesIn(folder: string): ToRevoke[] {
  try {
    const names = orAbsent(() => fs.readdirSync(folder)) ?? []
    return names.flatMap((name) => {
      const [, certificate] = /^([0-9a-f]{64})\.revoke$/.exec(name) ?? []
      const chain = certificate && readIfThere(under(folder, `${certificate}.crt`))?.toString()
      if (!certificate || !chain) return []
      const directoryUrl = readIfThere(under(folder, name))?.toString().trim() ?? ''
      return [
        {
          chain,
          directoryUrl,
          key: keyIn(folder, chain),
          successor: readIfThere(under(folder, successorName))?.toString().trim(),
          succeeded: (fingerprint) => writeSuccessor(folder, fingerprint),
          done: () => removeNote(folder, certificate),
        },
      ]
    })
  } catch (e) {
    throw readError(folder, e)
  }
}

function writeSuccessor(folder: string, fingerprint: string): void {
  const path = under(folder, successorName)
  try {
    writeAtomically(path, `${fingerprint}\n`, closedFile)
  } catch (e) {
    throw writeError(path, e)
  }
}

const keyIn = (folder: string, chain: string): string | undefined =>
  readIfThere(under(folder, `${fingerprintsOf(chain).key}.key`))?.toString()

function removeNote(folder: string, certificate: string): void {
  try {
    fs.rmSync(noteOf(folder, certificate), { force: true })
    syncDir(folder)
  } catch (e) {
    throw writeError(folder, e)
  }
}

/** The private key under quarantine that belongs to a certificate (PEM), where it was kept. Throws as `toRevoke`. */
export function quarantinedKey(paths: CondemnedPaths, certificate: string): string | undefined {
  for (const folder of quarantines(paths)) {
    try {
      const key = keyIn(folder, certificate)
      if (key !== undefined) return key
    } catch (e) {
      throw readError(folder, e)
    }
  }
  return undefined
}

/** Marks a certificate (PEM) as revoked. Throws `write` (73) or `permission` (77). */
export function markRevoked(
  { revoked }: CondemnedPaths,
  certificate: string,
  note: string,
  gid: number | undefined,
): void {
  try {
    ensureDir(revoked, { mode: 0o750, gid })
    writeAtomically(under(revoked, fingerprintsOf(certificate).certificate), `${note}\n`, { mode: 0o640, gid })
  } catch (e) {
    throw writeError(revoked, e)
  }
}
