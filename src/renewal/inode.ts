// Files and folders held by descriptor (O_PATH: opening reads nothing, runs no driver, waits for no fifo), so that what
// was looked at is what is changed, whoever swaps names meanwhile. The way to a held one is /proc/self/fd/<n>, which the
// kernel follows to the very inode (proc_pid_fd(5)).
import * as fs from 'node:fs'
import { hasCode } from '../errors.ts'
import { under } from '../fs.ts'

/** Not in node:fs; the number of all architectures that Node has builds for (open(2)). */
const O_PATH = 0o10000000
const { O_DIRECTORY, O_NOFOLLOW } = fs.constants

export interface Inode {
  readonly fd: number
  /** As it was when it was opened. */
  readonly stat: fs.Stats
  /** By which it was found, for messages. */
  readonly name: string
}

const wayTo = ({ fd }: Pick<Inode, 'fd'>): string => `/proc/self/fd/${fd}`

function hold(path: string | Buffer, flags: number, name: string): Inode | undefined {
  let fd: number
  try {
    fd = fs.openSync(path, O_PATH | flags)
  } catch (e) {
    // Gone by now. (A link is opened as such, so ELOOP does not come.)
    if (hasCode(e, 'ENOENT', 'ENOTDIR')) return undefined
    throw e
  }
  try {
    return { fd, stat: fs.fstatSync(fd), name }
  } catch (e) {
    fs.closeSync(fd)
    throw e
  }
}

const slash = Buffer.from('/')

/** Opens a folder by its path, links followed: for where the path is root's own. Undefined when it is not there. */
export const holdRoot = (path: string): Inode | undefined => hold(path, O_DIRECTORY, path)

/** Opens what stands as `name` in a folder, a link as the link itself. Undefined when it is gone. */
export const holdIn = (folder: Inode, name: string | Buffer): Inode | undefined =>
  hold(Buffer.concat([Buffer.from(wayTo(folder)), slash, Buffer.from(name)]), O_NOFOLLOW, under(folder.name, `${name}`))

export const letGo = (inode: Inode | undefined): void => inode && fs.closeSync(inode.fd)

/** The names in a folder, byte for byte as they are, one after the other: a folder that never ends fills no memory. */
export function* namesIn(folder: Inode): Generator<Buffer> {
  const dir = fs.opendirSync(wayTo(folder), { encoding: 'buffer' as BufferEncoding })
  try {
    for (let entry = dir.readSync(); entry; entry = dir.readSync()) yield entry.name as unknown as Buffer
  } finally {
    dir.closeSync()
  }
}

/** Removes a name from a folder: a file or a link as such, a folder where it is empty. Throws the system's error. */
export function removeIn(folder: Inode, name: Buffer): void {
  const path = Buffer.concat([Buffer.from(wayTo(folder)), slash, name])
  try {
    fs.unlinkSync(path)
  } catch (e) {
    if (!hasCode(e, 'EISDIR', 'EPERM')) throw e
    fs.rmdirSync(path)
  }
}

export interface Access {
  readonly uid: number
  readonly gid: number
  /** All twelve bits: what is not named is taken away. */
  readonly mode: number
}

/**
 * Gives an inode this owner, group and mode; true when anything had to be changed. In an order that CAP_CHOWN alone
 * allows, and in which at no moment anybody may do more than before or after: the owner first, who then takes away what is
 * too much, and only then the group, and what it is to have. When only the group cannot be given, what is too much is taken
 * away all the same. Throws the system's error.
 */
export function setAccess(inode: Inode, { uid, gid, mode: wanted }: Access): boolean {
  const path = wayTo(inode)
  const stat = fs.fstatSync(inode.fd)
  let mode = stat.mode & 0o7777
  if (stat.uid === uid && stat.gid === gid && mode === wanted) return false
  if (stat.uid !== uid) fs.chownSync(path, uid, -1)
  const change = (to: number) => {
    if (mode !== to) fs.chmodSync(path, to)
    mode = to
  }
  if (stat.gid !== gid) {
    change(mode & wanted)
    fs.chownSync(path, -1, gid)
  }
  change(wanted)
  return true
}

/** Nobody but root may write there: no group, no others. */
const isRoots = ({ uid, mode }: fs.Stats): boolean => uid === 0 && (mode & 0o022) === 0

/**
 * Makes a folder root's for as long as `action` takes, so that no name in it can be removed or replaced, then gives it
 * back to `uid` with its group and mode. False when someone kept it writable; `action` then did not run. Throws EPERM,
 * nothing changed, without the right to give files away. A kill leaves a folder that the next run gives back.
 */
export function whileFrozen(
  folder: Inode,
  self: { readonly uid: number; readonly gid: number },
  uid: number,
  action: () => void,
): boolean {
  const path = wayTo(folder)
  const { gid, mode } = fs.fstatSync(folder.fd)
  fs.chownSync(path, 0, self.uid === 0 ? -1 : self.gid)
  try {
    if (self.uid !== 0) {
      // Without root's rights we come in as the group: it is ours now, and is let in.
      fs.chownSync(path, self.uid, -1)
      fs.chmodSync(path, 0o750)
      fs.chownSync(path, 0, -1)
    }
    // While it was still its owner's, he may have opened it again; now he cannot.
    if (!isRoots(fs.fstatSync(folder.fd))) return false
    action()
    return true
  } finally {
    setAccess(folder, { uid, gid, mode: mode & 0o755 })
  }
}
