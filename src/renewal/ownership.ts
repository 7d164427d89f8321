// Brings owner, group and mode of whole folders in order, in places where somebody hostile may write meanwhile, with rights
// that he does not have. What keeps him from borrowing these: each inode is held before it is looked at (inode.ts); only
// folders and files with a single name are touched; and a file changes hands only while its folder is root's, since
// otherwise its name there could go at the right moment, and the one name left be that of a file outside.
// (Without root's hold: chmod, or a new group, of what the owner has already; he gains nothing he could not take himself.)
import { hasCode } from '../errors.ts'
import { under } from '../fs.ts'
import { holdIn, type Inode, letGo, namesIn, setAccess, whileFrozen } from './inode.ts'

/** How a folder, and files beside it, are to be. `gid` undefined: as it is. */
export interface Rule {
  readonly uid: number
  readonly gid: number | undefined
  readonly folder: number
  /** Without the execute bits: who may read gets them where the file has any (the `X` of chmod(1)). */
  readonly file: number
  /** A folder in it that has a rule of its own, with all that is below. */
  readonly apart?: { readonly name: string; readonly rule: Rule }
}

/** How many there were, and the first of them with the reason. */
export interface Tally {
  count: number
  first: string
}

const tally = (): Tally => ({ count: 0, first: '' })

const note = (tally: Tally, what: string): void => {
  if (tally.count++ === 0) tally.first = what
}

/** What a walk found, gathered over several. */
export class Findings {
  /** Files and folders that were changed. */
  mended = 0
  /** Left alone: neither a folder nor a file with a single name, or not in reach. */
  readonly odd: Tally = tally()
  /** The system did not let us. */
  readonly refused: Tally = tally()
}

/** Folders in folders, and names in one tree: more than a hundred times what there can be. */
export const deepest = 12
export const most = 100_000

export interface Walker {
  readonly findings: Findings
  /** Whose rights the walk has. */
  readonly self: { readonly uid: number; readonly gid: number }
}

/** True for a system error by which the system refuses: another user's file, an immutable one. */
const isRefusal = (e: unknown): boolean => hasCode(e, 'EPERM', 'EACCES')

function modeFor({ stat }: Inode, { folder, file }: Rule): number {
  if (stat.isDirectory()) return folder
  return stat.mode & 0o111 ? file | ((file & 0o444) >> 2) : file
}

/** Mends one held file or folder; nothing below it. Throws the system's error. */
export function mend(inode: Inode, rule: Rule, { findings }: Walker): void {
  attempt(inode.name, findings, () => {
    const wanted = { uid: rule.uid, gid: rule.gid ?? inode.stat.gid, mode: modeFor(inode, rule) }
    if (setAccess(inode, wanted)) findings.mended++
  })
}

/** Runs `action`; a refusal of the system is noted, with the name of what it was about. */
function attempt(name: string, findings: Findings, action: () => void): void {
  try {
    action()
  } catch (e) {
    if (!isRefusal(e)) throw e
    note(findings.refused, name)
  }
}

/** Opens a folder that belongs to the layout, and mends it. Undefined, and noted, when something else stands there. */
export function mendFolder(parent: Inode, name: string, rule: Rule, walker: Walker): Inode | undefined {
  let folder: Inode | undefined
  attempt(under(parent.name, name), walker.findings, () => {
    folder = holdIn(parent, name)
  })
  if (!folder) return undefined
  const reason = folder.stat.isDirectory() ? otherFileSystem(folder, parent) : 'not a folder'
  if (!reason) {
    mend(folder, rule, walker)
    return folder
  }
  note(walker.findings.odd, `'${folder.name}' (${reason})`)
  letGo(folder)
  return undefined
}

// Of folders only: on an overlay the files may tell another device than the folders they are in (overlayfs, st_dev).
const otherFileSystem = (folder: Inode, parent: Inode): string =>
  folder.stat.dev === parent.stat.dev ? '' : 'on another file system'

/**
 * Mends all that is below a held folder. `rules`: the first for what is in it, the second for what is in the folders
 * there, and so on; the last one holds for the rest. Throws the system's error for all but a refusal.
 */
export function mendBelow(folder: Inode, rules: readonly [Rule, ...Rule[]], walker: Walker): void {
  let left = most
  const visit = (parent: Inode, depth: number, apart?: Rule): void => {
    const rule = apart ?? rules[Math.min(depth, rules.length - 1)] ?? rules[0]
    const foreign: Buffer[] = []
    for (const name of namesIn(parent)) {
      if (left-- <= 0) {
        if (left === -1) note(walker.findings.odd, `'${folder.name}' (more than ${most} files are in it)`)
        break
      }
      const inode = holdIn(parent, name)
      if (!inode) continue
      try {
        if (inode.stat.isDirectory()) {
          const own = rule.apart?.name === `${name}` ? rule.apart.rule : apart
          enter(inode, parent, depth, own ?? rule, own)
        } else if (!isPlain(inode)) noteOdd(inode, walker)
        else if (inode.stat.uid === rule.uid) mend(inode, rule, walker)
        else foreign.push(name)
      } finally {
        letGo(inode)
      }
    }
    if (foreign.length > 0) takeOver(parent, foreign, rule, walker)
  }
  const enter = (inode: Inode, parent: Inode, depth: number, rule: Rule, apart: Rule | undefined): void => {
    const reason = otherFileSystem(inode, parent) || (depth + 1 < deepest ? '' : `more than ${deepest} folders deep`)
    if (reason) {
      note(walker.findings.odd, `'${inode.name}' (${reason})`)
      return
    }
    mend(inode, rule, walker)
    attempt(inode.name, walker.findings, () => visit(inode, depth + 1, apart))
  }
  attempt(folder.name, walker.findings, () => visit(folder, 0))
}

/** True for a file that has one name. */
const isPlain = ({ stat }: Inode): boolean => stat.isFile() && stat.nlink === 1

/** Notes what is no plain file; not links, which belong to the layout, nor what was removed meanwhile. */
function noteOdd({ stat, name }: Inode, { findings }: Walker): void {
  if (stat.isSymbolicLink() || stat.nlink === 0) return
  note(findings.odd, `'${name}' (${stat.isFile() ? 'it has other names too' : 'not a file'})`)
}

/** Mends files of another owner, while nobody can remove their names. */
function takeOver(folder: Inode, names: readonly Buffer[], rule: Rule, walker: Walker): void {
  const { findings, self } = walker
  attempt(under(folder.name, String(names[0])), findings, () => {
    const isDone = whileFrozen(folder, self, rule.uid, () => {
      for (const name of names) {
        const inode = holdIn(folder, name)
        try {
          if (inode && isPlain(inode)) mend(inode, rule, walker)
          else if (inode) noteOdd(inode, walker)
        } finally {
          letGo(inode)
        }
      }
    })
    if (!isDone) note(findings.odd, `'${folder.name}' (someone keeps changing it)`)
  })
}
