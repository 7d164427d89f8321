// All keys and certificates of one name that are on the disk, wherever an earlier config, run or program has left them: in
// lego's folders, and in what services read. Reads only.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import { type Fingerprints, fingerprintsOf, keyFingerprint } from '../certificate/fingerprint.ts'
import { splitPem } from '../certificate/pem.ts'
import { type LeafFacts, readLeaf } from '../certificate/read.ts'
import { readError } from '../errors.ts'
import { orAbsent, readIfThere, under } from '../fs.ts'
import type { Job } from '../job/job.ts'
import type { CertPaths } from '../job/paths.ts'
import { generationsDir } from './generations.ts'
import { pendingName } from './state.ts'

/** A certificate, with its key where that is at hand. */
export interface CertificateOnDisk {
  /** PEM, leaf first. */
  readonly chain: string
  readonly facts: LeafFacts
  readonly prints: Fingerprints
  readonly key: string | undefined
  /** The CA that it is from: its directory URL; '' where its folder does not tell. */
  readonly directoryUrl: string
  /** Where it was found. */
  readonly path: string
}

export interface OnDisk {
  /** Each once: those of lego's folders first. */
  readonly certificates: readonly CertificateOnDisk[]
  /** Private keys, PEM, by fingerprint: also those without a certificate. None of a self-signed certificate. */
  readonly keys: ReadonlyMap<string, string>
}

/** Folders that can hold pairs of key and certificate, with the CA of each. */
function folders({ legoCert, out }: CertPaths, servers: Job['servers']): { path: string; directoryUrl: string }[] {
  const list = (dir: string) => orAbsent(() => fs.readdirSync(dir, { withFileTypes: true })) ?? []
  const inside = (dir: string) => list(dir).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  const ofLego = inside(legoCert).flatMap((name) => {
    const directoryUrl = servers.find(({ hashes }) => hashes.certDir === name)?.directoryUrl ?? ''
    const path = under(legoCert, name)
    return [path, under(path, pendingName)].map((path) => ({ path, directoryUrl }))
  })
  const generations = inside(under(out, generationsDir)).map((name) => under(out, generationsDir, name))
  return [...ofLego, ...[out, ...generations].map((path) => ({ path, directoryUrl: '' }))]
}

/** The certificate that lies beside a key. */
const certificateOf = (key: string): string => (key === 'key.pem' ? 'fullchain.pem' : key.replace(/key$/, 'crt'))

/** Reads all there is. Throws `data` (65) or `permission` (77) for what cannot be read. */
export function readAllOnDisk(paths: CertPaths, servers: Job['servers']): OnDisk {
  const certificates: CertificateOnDisk[] = []
  const keys = new Map<string, string>()
  const selfSigned = new Set<string>()
  const keep = (key: string) => {
    const print = orUndefined(() => keyFingerprint(key))
    if (print !== undefined) keys.set(print, key)
  }
  for (const { path, directoryUrl } of folders(paths, servers)) {
    try {
      for (const name of (orAbsent(() => fs.readdirSync(path)) ?? []).filter((n) => /(^key\.pem|\.key)$/.test(n))) {
        const key = readIfThere(under(path, name))?.toString() ?? ''
        keep(key)
        const found = certificateAt(under(path, certificateOf(name)), directoryUrl)
        if (found?.facts.preliminary) selfSigned.add(found.prints.key)
        else if (found && !certificates.some(({ prints }) => prints.certificate === found.prints.certificate))
          certificates.push(found)
      }
      keep(keyOfOrder(under(path, basename(paths.pendingOrder))))
    } catch (e) {
      throw readError(path, e)
    }
  }
  for (const print of selfSigned) keys.delete(print)
  return { certificates: certificates.map((one) => ({ ...one, key: keys.get(one.prints.key) })), keys }
}

/** The key of an order under way (acme/pending-order.ts); '' where there is none. */
function keyOfOrder(path: string): string {
  const order = orUndefined(() => JSON.parse(readIfThere(path)?.toString() ?? 'null') as { key?: unknown } | null)
  return typeof order?.key === 'string' ? order.key : ''
}

function certificateAt(path: string, directoryUrl: string): CertificateOnDisk | undefined {
  const chain = splitPem(readIfThere(path)?.toString() ?? '').join('')
  // What is damaged is no certificate that anybody could use, or a CA revoke.
  return orUndefined(() => ({
    chain,
    facts: readLeaf(chain).facts,
    prints: fingerprintsOf(chain),
    key: undefined,
    directoryUrl,
    path,
  }))
}

function orUndefined<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
