// A layer over node:fs that ends the process with SIGKILL just before its n-th change of the disk. The state on disk before
// call n + 1 is the one after call n, and calls that only read change nothing: so all n are all states that a kill can leave.
// Calls that node makes of several system calls (rmSync, writeFileSync) are taken apart, to be killed in their middle too.
import fs, { type PathLike } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

type Call = (...args: never[]) => unknown

const simple = [
  'mkdirSync',
  'fsyncSync',
  'fchmodSync',
  'chmodSync',
  'fchownSync',
  'chownSync',
  'lchownSync',
  'renameSync',
  'symlinkSync',
  'unlinkSync',
  'rmdirSync',
] as const

/** As the kernel knows it; the driver gives itself another one. */
const self = process.pid

export interface Faults {
  /** How many changes were made so far. */
  readonly count: number
}

/** From now on the process dies before change number `killAt`; with 0 it lives, and counts. */
export function injectKill(killAt: number): Faults {
  const faults = { count: 0 }
  const step = () => {
    faults.count++
    if (faults.count !== killAt) return
    process.kill(self, 'SIGKILL')
    process.abort()
  }
  const before =
    (call: Call): Call =>
    (...args) => {
      step()
      return call(...args)
    }
  const { openSync, writeFileSync, lstatSync, readdirSync } = fs
  for (const name of simple) Object.assign(fs, { [name]: before(fs[name] as Call) })

  const creates = (flags: unknown) => typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0
  const open = (path: PathLike, flags: number, mode?: number) => {
    if (creates(flags)) step()
    return openSync(path, flags, mode)
  }
  const write = (fd: number, content: string | Uint8Array) => {
    if (typeof fd !== 'number') throw new Error('writeFileSync by path is not taken apart here')
    const bytes = Buffer.from(content)
    const half = Math.floor(bytes.length / 2)
    step()
    writeFileSync(fd, bytes.subarray(0, half))
    step()
    writeFileSync(fd, bytes.subarray(half))
  }
  const remove = (path: string): void => {
    const there = lstatSync(path, { throwIfNoEntry: false })
    if (!there) return
    if (there.isDirectory()) {
      for (const name of readdirSync(path)) remove(join(path, name))
      fs.rmdirSync(path)
    } else fs.unlinkSync(path)
  }
  Object.assign(fs, { openSync: open, writeFileSync: write, rmSync: remove })
  syncBuiltinESMExports()
  return faults
}
