// A reader beside an installing process: reads `out/` in a tight loop, as services do, and tells what it found wrong.
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'

export interface ReaderData {
  readonly out: string
  readonly names: readonly string[]
  /** The sets that may be seen: content by name. */
  readonly sets: readonly Readonly<Record<string, string>>[]
  /** [installations begun, 1 when the reader is to end, rounds of the reader] */
  readonly shared: Int32Array
}

export interface ReaderResult {
  /** Rounds in which everything could be judged. */
  readonly rounds: number
  /** Rounds in which a second installation began: it may remove what this reader had resolved before the first. */
  readonly overtaken: number
  /** How often each of the sets was seen. */
  readonly seen: readonly number[]
  readonly faults: readonly string[]
}

const { out, names, sets, shared } = workerData as ReaderData
const begun = () => Atomics.load(shared, 0)
const seen = sets.map(() => 0)
const faults: string[] = []
let rounds = 0
let overtaken = 0

/** One look at the folder that `current` leads to now, at `full.pem`, and at every name; throws what is wrong. */
function look(): void {
  // Plain files that nobody took over yet have no `current`.
  if (lstatSync(join(out, 'current'), { throwIfNoEntry: false })) {
    const dir = join(out, readlinkSync(join(out, 'current')))
    const found = names.map((name) => readFileSync(join(dir, name), 'utf8'))
    const index = sets.findIndex((set) => names.every((name, i) => set[name] === found[i]))
    if (index < 0) throw new Error('current leads to a mixed set')
    seen[index] = (seen[index] ?? 0) + 1
  }
  const full = readFileSync(join(out, 'full.pem'), 'utf8')
  if (!sets.some((set) => set['full.pem'] === full)) throw new Error('full.pem is not whole')
  for (const name of names) readFileSync(join(out, name))
}

/** A name in `out/` is there at every moment, whoever installs how often. */
const missingName = (): string | undefined =>
  names.find((name) => lstatSync(join(out, name), { throwIfNoEntry: false }) === undefined)

while (Atomics.load(shared, 1) === 0) {
  const before = begun()
  const missing = missingName()
  if (missing !== undefined) faults.push(`'${missing}' is not there`)
  try {
    look()
    rounds++
  } catch (e) {
    const isAbsent = e instanceof Error && 'code' in e && e.code === 'ENOENT'
    if (isAbsent && begun() > before) overtaken++
    else faults.push(String(e))
  }
  Atomics.add(shared, 2, 1)
}
parentPort?.postMessage({ rounds, overtaken, seen, faults } satisfies ReaderResult)
