// What must never be used again: revoked certificates, and keys that somebody else may have. Asked wherever a certificate or
// a key is accepted; where there was never any, two looks at the disk are all that it costs. condemn.ts writes what is
// read here.
import * as fs from 'node:fs'
import { fingerprintsOf, keyFingerprint } from '../certificate/fingerprint.ts'
import { NixacmeError, readError } from '../errors.ts'
import { lstatIfThere, under } from '../fs.ts'
import type { CertPaths } from '../job/paths.ts'

export type CondemnedPaths = Pick<CertPaths, 'compromised' | 'revoked'>

/** Names the file that stands for a compromised key, in one of the folders of `compromised/`. */
export const keyMark = (fingerprint: string): string => `${fingerprint}.pub`

function isThere(path: string): boolean {
  try {
    return lstatIfThere(path) !== undefined
  } catch (e) {
    throw readError(path, e)
  }
}

/** The folders of `compromised/`, one for each time that keys were put there; an unfinished one begins with a dot. */
export function quarantines({ compromised }: CondemnedPaths): string[] {
  if (!isThere(compromised)) return []
  try {
    const names = fs.readdirSync(compromised).filter((name) => !name.startsWith('.'))
    return names.map((name) => under(compromised, name))
  } catch (e) {
    throw readError(compromised, e)
  }
}

const isMarked = (folders: readonly string[], fingerprint: string): boolean =>
  folders.some((folder) => isThere(under(folder, keyMark(fingerprint))))

/**
 * Why a certificate (PEM, leaf first) must not be used, as a clause; undefined when nothing is against it. Throws
 * `permission` (77) or `data` (65) where that cannot be read: it could be compromised.
 */
export function condemnation(paths: CondemnedPaths, certificate: string): string | undefined {
  const folders = quarantines(paths)
  if (folders.length === 0 && !isThere(paths.revoked)) return undefined
  let prints: ReturnType<typeof fingerprintsOf>
  try {
    prints = fingerprintsOf(certificate)
  } catch {
    return 'the certificate is damaged'
  }
  if (isMarked(folders, prints.key)) return 'the key is compromised'
  return isRevoked(paths, prints.certificate) ? 'the certificate is revoked' : undefined
}

/** True for a certificate, by its fingerprint, that is known to be revoked. */
export const isRevoked = ({ revoked }: CondemnedPaths, fingerprint: string): boolean =>
  isThere(under(revoked, fingerprint))

/** True for a private key (PEM) that is compromised. Throws as `condemnation` does, and the parser's error for no key. */
export function isCompromised(paths: CondemnedPaths, keyPem: string): boolean {
  const folders = quarantines(paths)
  return folders.length > 0 && isMarked(folders, keyFingerprint(keyPem))
}

/** Throws `data` (65) for a compromised private key (PEM), else as `isCompromised` does. */
export function refuseCompromised(paths: CondemnedPaths, keyPem: string): void {
  if (!isCompromised(paths, keyPem)) return
  throw new NixacmeError(
    'data',
    `the key is compromised, as '${paths.compromised}' says: no certificate is asked for it`,
    {
      hints: ["make a new key, and where the request is your own ('csr', 'csrKey') a new request"],
    },
  )
}
