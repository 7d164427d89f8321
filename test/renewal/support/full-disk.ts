// Stores and installs on a small disk with ever less free space, in a mount namespace of its own (started by unshare).
//   full-disk PLAN
// Prints an array of `DiskResult`.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { NixacmeError } from '../../../src/errors.ts'
import { compare } from '../../../src/renewal/install.ts'
import { readState, type StoredSet } from '../../../src/renewal/state.ts'
import { installIn, layPlain, makeWorld, putIn, seen, storeIn, temporaries, type World } from './world.ts'

export interface DiskPlan {
  readonly dir: string
  readonly older: StoredSet
  readonly newer: StoredSet
}

export interface DiskResult {
  /** The older set was one of plain files. */
  readonly plain: boolean
  /** Pages that were free before each step. */
  readonly free: number
  /** The exit status that each step would lead to; 0 when it went well. */
  readonly stored: number
  readonly installed: number
  /** What a step changed though it failed, as readers see it. */
  readonly changed: readonly string[]
  /** Temporary files. */
  readonly left: readonly string[]
  /** With space again: what compare says after the next run. */
  readonly afterwards: string
}

const pageSize = 4096
const { dir, older, newer } = JSON.parse(fs.readFileSync(process.argv[2] ?? '', 'utf8')) as DiskPlan

/** The exit status that `action` would lead to. */
function statusOf(action: () => void): number {
  try {
    action()
    return 0
  } catch (e) {
    if (e instanceof NixacmeError) return e.exitStatus
    throw e
  }
}

/** Leaves `pages` pages free. */
function fill(path: string, pages: number): void {
  const fd = fs.openSync(path, 'w')
  try {
    for (;;) fs.writeSync(fd, Buffer.alloc(pageSize))
  } catch {
    fs.ftruncateSync(fd, Math.max(0, fs.fstatSync(fd).size - pages * pageSize))
  } finally {
    fs.closeSync(fd)
  }
}

const keyOf = ({ paths }: World): string | undefined => {
  const { candidate } = readState(paths)
  return candidate.kind === 'usable' ? candidate.set.key : undefined
}

function one(free: number, plain: boolean): DiskResult {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', dir])
  try {
    const world = makeWorld(join(dir, 'world'))
    if (plain) {
      storeIn(world, older)
      layPlain(world, older)
    } else putIn(world, older)
    const filler = join(dir, 'filler')
    fill(filler, free)
    const stored = statusOf(() => storeIn(world, newer))
    fill(filler, free)
    const installed = statusOf(() => installIn(world, newer, { fresh: true }))
    const { current, full, names } = seen(world, { older, newer })
    const changed = [
      ...(stored !== 0 && keyOf(world) !== older.key ? ['candidate'] : []),
      ...(installed !== 0 && [full, names].some((name) => name !== 'older') ? ['names'] : []),
      ...(installed !== 0 && current !== undefined && current !== 'older' ? ['current'] : []),
    ]
    const left = temporaries(world.roots.state)
    fs.unlinkSync(filler)
    putIn(world, newer)
    return { plain, free, stored, installed, changed, left, afterwards: compare(world.paths.out, newer, undefined) }
  } finally {
    execFileSync('umount', [dir])
  }
}

const amounts = Array.from({ length: 26 }, (_, free) => free)
const results = [false, true].flatMap((plain) => amounts.map((free) => one(free, plain)))
fs.writeSync(1, JSON.stringify(results))
