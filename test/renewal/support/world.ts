// One certificate's folders for the tests of store and install, and the sets that are put there.
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import type { PreliminarySet } from '../../../src/certificate/local-ca.ts'
import { readLeaf } from '../../../src/certificate/read.ts'
import { type CertPaths, certPaths, type Roots } from '../../../src/job/paths.ts'
import { type InstallOptions, type InstallOutcome, install, installedNames } from '../../../src/renewal/install.ts'
import type { StoredSet } from '../../../src/renewal/state.ts'
import { ensureFolders, store } from '../../../src/renewal/store.ts'

export const names = ['x.test', 'www.x.test'] as const
export const hashes = { domain: 'x.test', domainHash: '57ab85628f7007408e20' } as const

export interface World {
  readonly roots: Roots
  readonly paths: CertPaths
  /** Every group of a file is to be this; undefined: whatever the system gives. */
  readonly gid: number | undefined
}

/** A number that is nobody's: only root can give files to it. */
export const foreignGid = process.geteuid?.() === 0 ? 54321 : undefined

export const pathsIn = (roots: Roots): CertPaths =>
  certPaths(roots, {
    cert: 'x.test',
    keyName: 'x.test',
    certDirHash: '549839e4ae8616de7ad5',
    accountHash: '1ccf607d9aa280e9af00',
    directoryUrl: 'https://ca.test/dir',
    accountName: 'hostmaster@x.test',
  })

/** The world under `dir`, which is made with all its folders. */
export function makeWorld(dir: string, gid?: number): World {
  const roots = { state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }
  const world = { roots, paths: pathsIn(roots), gid }
  fs.mkdirSync(dir, { recursive: true })
  ensureFolders(roots, world.paths, gid)
  return world
}

export function storeIn({ paths, gid }: World, set: StoredSet): void {
  store(paths, { key: set.key, chain: set.chain, certUrl: 'https://ca.test/cert/1' }, hashes, gid)
}

export const installIn = (world: World, set: StoredSet, options: Partial<InstallOptions> = {}): InstallOutcome =>
  install(world.paths.out, set, {
    names,
    condemned: world.paths,
    gid: world.gid,
    now: new Date(),
    fresh: false,
    ...options,
  })

/** What a run does with a set that the CA gave. */
export function putIn(world: World, set: StoredSet): InstallOutcome {
  storeIn(world, set)
  return installIn(world, set, { fresh: true })
}

/** Plain files as the NixOS module leaves them (contract 1.10 step 9). */
export function layPlain({ paths: { out }, gid }: World, set: StoredSet): void {
  const files = { 'fullchain.pem': set.fullchain, 'key.pem': set.key, 'chain.pem': set.issuers }
  for (const [name, content] of Object.entries({ ...files, 'full.pem': set.key + set.fullchain })) {
    fs.writeFileSync(join(out, name), content)
    fs.chmodSync(join(out, name), 0o640)
    if (gid !== undefined) fs.chownSync(join(out, name), -1, gid)
  }
  fs.symlinkSync('fullchain.pem', join(out, 'cert.pem'))
}

/** A self-signed set in the shape of a stored one. */
export const storedOf = ({ key, leaf, ca }: PreliminarySet): StoredSet => ({
  key,
  chain: [leaf, ca],
  fullchain: leaf + ca,
  issuers: ca,
})

/** `cert.pem` is a link to the chain, but in a self-signed set a file with the leaf (contract 1.6). */
const certOf = ({ chain: [leaf = ''], fullchain }: StoredSet): string =>
  readLeaf(leaf).facts.preliminary ? leaf : fullchain

const contentOf = (set: StoredSet): string =>
  JSON.stringify([set.key, set.fullchain, set.issuers, certOf(set), set.key + set.fullchain])

const readAll = (dir: string): string =>
  JSON.stringify(installedNames.map((name) => fs.readFileSync(join(dir, name), 'utf8')))

/**
 * Which of `sets` a reader finds who resolves `current` once, and who reads `full.pem`; each must be a whole one.
 * Undefined where there is nothing to find. Throws when what is found is no set.
 */
export function seen({ paths: { out } }: World, sets: Readonly<Record<string, StoredSet>>) {
  const nameOf = (what: string, content: string, of: (set: StoredSet) => string) => {
    const found = Object.entries(sets).find(([, set]) => of(set) === content)?.[0]
    if (found === undefined) throw new Error(`${what} shows no set`)
    return found
  }
  const exists = (name: string) => fs.lstatSync(join(out, name), { throwIfNoEntry: false }) !== undefined
  return {
    current: exists('current')
      ? nameOf('current', readAll(join(out, fs.readlinkSync(join(out, 'current')))), contentOf)
      : undefined,
    full: exists('full.pem')
      ? nameOf('full.pem', fs.readFileSync(join(out, 'full.pem'), 'utf8'), (set) => set.key + set.fullchain)
      : undefined,
    names: installedNames.every(exists) ? nameOf('the names', readAll(out), contentOf) : undefined,
  }
}

/** Everything under `dir`, by path: what a change of content, mode, owner, link or file (inode) would show. */
export function snapshot(dir: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of fs.readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const s = fs.lstatSync(path, { bigint: true })
    const content = s.isSymbolicLink() ? fs.readlinkSync(path) : s.isFile() ? fs.readFileSync(path, 'utf8') : ''
    found[path.slice(dir.length + 1)] = [s.mode.toString(8), s.uid, s.gid, s.ino, s.mtimeNs, content].join(' ')
  }
  return found
}

/** Names of temporary files anywhere under `dir`. */
export const temporaries = (dir: string): string[] =>
  fs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) => /\.tmp$|\.pending/.test(path))

/** Modes (octal) and groups of all that store and install make, by path under the state root. */
export function modes({ roots, paths }: World): Record<string, string> {
  const found: Record<string, string> = {}
  for (const dir of [paths.out, paths.certificates, dirname(paths.certificates)]) {
    for (const path of [dir, ...fs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((f) => join(dir, f))]) {
      const { mode, gid } = fs.lstatSync(path)
      found[path.slice(roots.state.length + 1)] =
        `${(mode & 0o170000).toString(8)} ${(mode & 0o7777).toString(8)} ${gid}`
    }
  }
  return found
}
