// The folders that only root can make for user acme, before a run by hand or by cron: the shared ones are root's, so that
// nobody else can put a link there through which root, or systemd, would later make folders somewhere else; those of a
// certificate are acme's. Units get the same from systemd-tmpfiles and StateDirectory=.
import * as fs from 'node:fs'
import { join, relative } from 'node:path'
import { webrootsOf } from '../config/config.ts'
import { hasCode, NixacmeError, writeError } from '../errors.ts'
import { ensureDir, lstatIfThere, under } from '../fs.ts'
import { type Job, pathsOf } from '../job/job.ts'
import { localCaPaths, type Roots, renewalInfoDir } from '../job/paths.ts'
import { type Access, holdIn, holdRoot, type Inode, letGo, setAccess } from '../renewal/inode.ts'
import { acmeUser } from './owner.ts'

interface User {
  readonly uid: number
  readonly gid: number
}

/** What a run is going to write. */
export interface Needs {
  readonly kind: 'renew' | 'selfsign' | 'selfsignCa'
  readonly jobs: readonly Job[]
  readonly user: User
  /** Numeric ids of the jobs' groups, those that exist. */
  readonly gids: ReadonlyMap<string, number>
}

/** A folder of acme's in one of the shared ones. */
interface Leaf {
  readonly parent: string
  readonly name: string
  readonly gid: number
  readonly mode: number
}

/** Makes `runtime` for the user when it is missing. Throws `permission` (77) when it is root's, `write` (73). */
export function ensureRuntime({ runtime }: Roots, { uid, gid }: User): void {
  const there = lstatIfThere(runtime)
  assertForAcme(runtime, there)
  if (there) return
  try {
    ensureDir(runtime, { mode: 0o700 })
    fs.lchownSync(runtime, uid, gid)
  } catch (e) {
    throw writeError(runtime, e)
  }
}

/** Throws `permission` (77) for a folder of the lock files, as it stands there, that is root's: acme cannot work in it. */
export function assertForAcme(runtime: string, there: fs.Stats | undefined): void {
  if (!there?.isDirectory() || there.uid !== 0) return
  throw new NixacmeError('permission', `'${runtime}' belongs to root, and the work is done by user '${acmeUser}'`, {
    hints: [`give it to him: chown ${acmeUser}:${acmeUser} '${runtime}'`],
  })
}

/**
 * Makes what is missing of the shared folders, root's, and of those in them that the run needs, acme's. Shared ones of
 * acme, of an earlier version, become root's. What is there otherwise stays as it is: the run says what is wrong with it.
 * Throws `write` (73) or `permission` (77).
 */
export function ensureState(roots: Roots, needs: Needs): void {
  const leaves = leavesOf(roots, needs)
  const lego = under(roots.state, '.lego')
  const accounts = under(lego, 'accounts')
  const isNeeded = (folder: string) => leaves.some(({ parent }) => parent === folder || parent.startsWith(`${folder}/`))
  const held: Inode[] = []
  try {
    // Outermost first: once a folder is root's, nobody else can swap what is in it.
    for (const [path, name] of [
      [roots.state, ''],
      [lego, '.lego'],
      [accounts, 'accounts'],
    ] as const) {
      const folder = ensureShared(path, name, held.at(-1), { isNeeded: isNeeded(path), acme: needs.user.uid })
      if (!folder) break
      held.push(folder)
      if (!isRoots(folder)) break
      for (const leaf of leaves) if (leaf.parent === path) ensureLeaf(folder, leaf, needs.user)
    }
  } finally {
    for (const inode of held) letGo(inode)
  }
}

function leavesOf(roots: Roots, { kind, jobs, user, gids }: Needs): Leaf[] {
  const ca: Leaf = {
    parent: roots.state,
    name: relative(roots.state, localCaPaths(roots).folder),
    gid: user.gid,
    mode: 0o750,
  }
  const info: Leaf = {
    parent: roots.state,
    name: relative(roots.state, renewalInfoDir(roots)),
    gid: user.gid,
    mode: 0o750,
  }
  const own = jobs.flatMap((job): Leaf[] => {
    const gid = gids.get(job.group)
    if (gid === undefined) return []
    const paths = pathsOf(roots, job)
    const leaf = (parent: string, path: string): Leaf => ({ parent, name: relative(parent, path), gid, mode: 0o750 })
    const folders = [leaf(roots.state, paths.out), leaf(paths.lego, paths.legoCert)]
    return kind === 'renew' ? [...folders, ...accountRoots(roots, job, leaf), ...webroots(roots, job, user)] : folders
  })
  return kind === 'renew' ? [info, ...own] : [ca, ...own]
}

/** Each of its CAs may be asked, by an account of its own. */
const accountRoots = (roots: Roots, job: Job, leaf: (parent: string, path: string) => Leaf): Leaf[] =>
  job.servers.map((server) => {
    const { accounts, accountRoot } = pathsOf(roots, job, server)
    return leaf(accounts, accountRoot)
  })

/** Where a challenge is shown below the state root: the outermost of these folders, in which acme makes the others. */
const webroots = ({ state }: Roots, { challenges }: Job, { gid }: User): Leaf[] =>
  webrootsOf(challenges).flatMap((webroot) => {
    const [name = ''] = relative(state, join(webroot, '.well-known')).split('/')
    return name === '..' ? [] : [{ parent: state, name, gid, mode: 0o755 }]
  })

/** Nobody but root can change names there. */
function isRoots({ fd }: Inode): boolean {
  const { uid, mode } = fs.fstatSync(fd)
  return uid === 0 && (mode & 0o022) === 0
}

const rootsOwn: Access = { uid: 0, gid: 0, mode: 0o755 }

/** Holds a shared folder, made or taken over where needed. Undefined when there is none, or something else is there. */
function ensureShared(
  path: string,
  name: string,
  parent: Inode | undefined,
  { isNeeded, acme }: { isNeeded: boolean; acme: number },
): Inode | undefined {
  try {
    if (isNeeded && !lstatIfThere(path)) ensureDir(path, { mode: rootsOwn.mode })
    const folder = parent ? holdIn(parent, name) : holdRoot(path)
    if (!folder) return undefined
    if (folder.stat.isDirectory()) {
      if (folder.stat.uid === acme) takeOver(folder)
      return folder
    }
    letGo(folder)
    return undefined
  } catch (e) {
    throw writeError(path, e)
  }
}

/** Where even root may not (a file system of another machine), acme goes on as before. */
function takeOver(folder: Inode): void {
  try {
    setAccess(folder, rootsOwn)
  } catch (e) {
    if (!hasCode(e, 'EPERM', 'EACCES')) throw e
  }
}

/**
 * Makes a folder for acme in one of root's. An empty one of root's counts as missing: another run, or one that was killed,
 * has just made it.
 */
function ensureLeaf(parent: Inode, { name, gid, mode }: Leaf, { uid }: User): void {
  const path = under(parent.name, name)
  let leaf: Inode | undefined
  try {
    if (!lstatIfThere(path)) ensureDir(path, { mode })
    leaf = holdIn(parent, name)
    if (leaf?.stat.isDirectory() && leaf.stat.uid === 0 && fs.readdirSync(path).length === 0)
      setAccess(leaf, { uid, gid, mode })
  } catch (e) {
    throw writeError(path, e)
  } finally {
    letGo(leaf)
  }
}
