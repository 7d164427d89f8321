// The power may fail at any moment of an issuance and of a key change: in the system calls of the real command, content is
// on disk before it gets its name, and all names are before the CA is asked for the next thing.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { repository, run } from '../support/process.ts'
import { cert, makeWorld, type World } from '../support/world.ts'

const calls = 'trace=/^(open|write|pwrite|sendmsg|sendto|ftruncate|fsync|fdatasync|rename|unlink)'

/** What a power cut could have taken, in words, and the files that got their name by a rename. */
interface Seen {
  readonly lost: readonly string[]
  readonly named: ReadonlySet<string>
}

/** The disk as a power cut leaves it: what was written and not synced is gone, and names that their folder has not. */
class Disk {
  readonly lost: string[] = []
  readonly named = new Set<string>()
  readonly #unsynced = new Set<string>()
  readonly #unsyncedNames = new Set<string>()
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  written(path: string): void {
    if (path.startsWith(this.#root)) this.#unsynced.add(path)
  }

  synced(path: string): void {
    this.#unsynced.delete(path)
    for (const name of this.#unsyncedNames) if (dirname(name) === path) this.#unsyncedNames.delete(name)
  }

  renamed(from: string, to: string): void {
    if (!to.startsWith(this.#root)) return
    const inside = [...this.#unsynced].filter((path) => path === from || path.startsWith(`${from}/`))
    for (const path of inside) {
      this.#unsynced.delete(path)
      const moved = path.replace(from, to)
      this.#unsynced.add(moved)
      this.lost.push(`the content of '${moved}'`)
    }
    this.#unsyncedNames.delete(from)
    this.#unsyncedNames.add(to)
    this.named.add(to)
  }

  removed(path: string): void {
    this.#unsynced.delete(path)
    this.#unsyncedNames.delete(path)
  }

  /** The CA hears of it, or the run ends. */
  mustHold(when: string): void {
    for (const name of this.#unsyncedNames) this.lost.push(`the name of '${name}', ${when}`)
    this.#unsyncedNames.clear()
  }
}

/** Goes through what `strace -yy` wrote of one run. */
function follow(trace: string, root: string): Seen {
  const disk = new Disk(root)
  let said = 0
  for (const line of trace.split('\n')) {
    const [, call = '', rest = ''] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? []
    if (/= -1 E/.test(rest)) continue
    const [from = '', to = ''] = [...rest.matchAll(/"([^"]*)"/g)].map((match) => match[1])
    const [, file = ''] = /^\d+<([^>]*)>/.exec(rest) ?? []
    if (call.startsWith('rename')) disk.renamed(from, to)
    else if (call.startsWith('unlink')) disk.removed(from)
    else if (call.startsWith('f') && call.endsWith('sync')) disk.synced(file)
    else if (call.startsWith('open') && rest.includes('O_CREAT')) disk.written(from)
    else if (file.startsWith('TCP')) {
      said++
      disk.mustHold('when the CA was told the next thing')
    } else disk.written(file)
  }
  disk.mustHold('at the end')
  assert.ok(said > 3, `the CA was told ${said} things`)
  return disk
}

/** Runs the command, which must go well, and says what a power cut could have taken of the state. */
async function traced(world: World, args: readonly string[]): Promise<Seen> {
  const trace = join(world.dir, 'trace')
  const strace = ['-f', '-yy', '-qq', '-s', '0', '-o', trace, '-e', calls]
  const command = [process.execPath, join(repository, 'bin', 'nixacme.js'), ...args]
  const { status, stderr } = await run('strace', [...strace, ...command], { env: world.env })
  assert.equal(status, 0, stderr)
  return follow(readFileSync(trace, 'utf8'), world.roots.state)
}

async function assertSafe(t: TestContext, { lost, named }: Seen, paths: readonly string[]): Promise<void> {
  for (const path of paths)
    await t.test(basename(path), () => {
      assert.ok(named.has(path), `'${path}' is nowhere written and renamed`)
      assert.deepEqual(
        lost.filter((what) => what.includes(`'${path}'`)),
        [],
      )
    })
  assert.deepEqual(lost, [])
}

test('nothing of an issuance, and nothing of a key change, is lost with the power', async (t) => {
  if (!needs(t, 'strace')) return
  const world = await makeWorld(t)
  const p = world.paths()
  const stored = [p.key, p.certificate, join(p.certificates, 'domainhash.txt')]
  const issuance = await traced(world, ['renew', cert])
  await assertSafe(t, issuance, [p.memory, p.pendingOrder, p.challenges, p.accountKey, p.accountJson, ...stored])
  const change = await traced(world, ['account', 'rollover', cert])
  await assertSafe(t, change, [p.accountKey, `${p.accountKey}.new`])
})
