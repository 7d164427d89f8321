// Puts a new certificate into lego's folder so that no kill can leave half of it: the whole set is written beside, takes
// its place as `.pending` in one rename, and is then moved over the old files, by this run or by the next. Readers look
// into `.pending` first (state.ts). Needs the certificate's lock.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import { NixacmeError, writeError } from '../errors.ts'
import {
  ensureDir,
  type FileMode,
  orAbsent,
  removeTemporaries,
  syncDir,
  temporaryName,
  under,
  writeAtomically,
  writeNew,
} from '../fs.ts'
import type { CertPaths, Roots } from '../job/paths.ts'
import { condemnation } from './condemned.ts'
import type { Reply } from './renewal-info.ts'
import { pendingDir } from './state.ts'

/** Modes of contract 1.6. */
const certDirMode = 0o750
const sharedDirMode = 0o755
const fileMode = 0o640

export interface NewCertificate {
  /** PEM as lego writes it. */
  readonly key: string
  /** PEM blocks, leaf first. */
  readonly chain: readonly string[]
  /** Where the CA keeps it. */
  readonly certUrl: string
  /** URL of the account that ordered it. */
  readonly accountUrl?: string
  /** What the CA, asked at once, said of its renewal; undefined where it was not asked. */
  readonly renewal?: Reply | undefined
}

/** One that the CA has given just now. */
export interface Obtained extends NewCertificate {
  /** To be called when it is on disk: its order is done with. */
  stored(): void
}

/** Creates the folders of one certificate that are missing, outermost first. Throws `permission` (77) or `write` (73). */
export function ensureFolders(roots: Roots, paths: CertPaths, gid: number | undefined): void {
  const shared = [roots.state, paths.lego, paths.accounts]
  const own = [paths.out, paths.legoCert, paths.certificates, paths.accountRoot]
  for (const path of shared) makeFolder(path, { mode: sharedDirMode })
  for (const path of own) makeFolder(path, { mode: certDirMode, gid })
}

/** Creates a folder of the state where it is missing. Throws `permission` (77) or `write` (73). */
export function makeFolder(path: string, mode: FileMode): void {
  try {
    ensureDir(path, mode)
  } catch (e) {
    throw writeError(path, e, ["run as root or as user 'acme', or name a folder of your own with --state-dir"])
  }
}

/** More than a set of five files takes. */
const spaceNeeded = 256 * 1024

/**
 * Proves, before the CA is asked for anything, that a new set can be stored and installed. Throws `write` (73) or
 * `permission` (77), nothing left behind.
 */
export function proveSpace(paths: CertPaths): void {
  for (const dir of [paths.legoCert, paths.certificates, paths.out]) {
    const probe = temporaryName(dir, 'space')
    try {
      removeTemporaries(dir)
      if (dir === paths.legoCert) continue
      writeNew(probe, Buffer.alloc(spaceNeeded), { mode: 0o600 })
      fs.unlinkSync(probe)
    } catch (e) {
      throw writeError(dir, e)
    }
  }
}

/**
 * Finishes what a killed run left: moves a pending set into place and removes unfinished ones. Moves whatever is there,
 * since the names may have been others then (`domain` is not in the folder's hash); the hash last, so that lego, which
 * does not look into `.pending`, never finds it claiming more than is there. Throws `write` (73) or `permission` (77).
 */
export function settle(paths: CertPaths): void {
  try {
    moveAll(paths)
  } catch (e) {
    throw writeError(paths.certificates, e)
  }
}

function moveAll(paths: CertPaths): void {
  // Of the certificate, and of what was put where for its challenges.
  for (const dir of [paths.certificates, paths.legoCert]) removeTemporaries(dir)
  const pending = pendingDir(paths)
  const names = orAbsent(() => fs.readdirSync(pending))
  if (!names) return
  const hash = basename(paths.domainHash)
  for (const name of [...names.filter((n) => n !== hash), ...names.filter((n) => n === hash)])
    fs.renameSync(under(pending, name), under(paths.certificates, name))
  syncDir(paths.certificates)
  fs.rmdirSync(pending)
}

/** lego's `<keyName>.json`. */
const resourceJson = (domain: string, certUrl: string): string =>
  JSON.stringify({ domain, certUrl, certStableUrl: certUrl }, null, '\t')

/**
 * Stores a new set with its domain hash. Throws `write` (73) or `permission` (77), the old set untouched; `data` (65) for a
 * key that is compromised, which only a request of the operator's own can bring back.
 */
export function store(
  paths: CertPaths,
  certificate: NewCertificate,
  names: { readonly domain: string; readonly domainHash: string },
  gid: number | undefined,
): void {
  const { key, chain, certUrl } = certificate
  const mode = { mode: fileMode, gid }
  if (condemnation(paths, chain.join('')) !== undefined)
    throw new NixacmeError('data', 'the new certificate is for a key that is compromised: it is not stored', {
      hints: ["make a new key, and where the request is your own ('csr') a new request"],
    })
  try {
    settle(paths)
    const temporary = `${pendingDir(paths)}.${process.pid}.tmp`
    try {
      fs.mkdirSync(temporary, { mode: 0o700 })
      const write = (path: string, content: string) => writeNew(under(temporary, basename(path)), content, mode)
      write(paths.key, key)
      write(paths.issuer, chain.slice(1).join(''))
      write(paths.resource, resourceJson(names.domain, certUrl))
      write(paths.certificate, chain.join(''))
      write(paths.domainHash, `${names.domainHash}\n`)
      syncDir(temporary)
      fs.renameSync(temporary, pendingDir(paths))
    } catch (e) {
      fs.rmSync(temporary, { recursive: true, force: true })
      throw e
    }
    syncDir(paths.certificates)
    settle(paths)
  } catch (e) {
    throw writeError(paths.certificates, e)
  }
}

/**
 * Stores only the hash: the names are the same, their order or spelling changed. Throws `write` (73) or `permission` (77).
 */
export function storeHash(paths: CertPaths, domainHash: string, gid: number | undefined): void {
  try {
    // A pending hash would go on hiding this one.
    settle(paths)
    writeAtomically(paths.domainHash, `${domainHash}\n`, { mode: fileMode, gid })
  } catch (e) {
    throw writeError(paths.domainHash, e)
  }
}
