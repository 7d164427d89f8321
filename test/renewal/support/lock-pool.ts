// Worker processes for the proof of the locks: bundled once, started ahead, killed when a schedule says so.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before } from 'node:test'
import { build } from 'esbuild'
import type { Roots } from '../../../src/job/paths.ts'
import { repository } from '../../support/process.ts'
import type { Assignment, Word } from './lock-worker.ts'

/** Bundles the worker into `dir`: a start costs no more than Node's own. Returns its path. */
async function bundleWorker(dir: string): Promise<string> {
  const outfile = join(dir, 'worker.mjs')
  await build({
    absWorkingDir: repository,
    entryPoints: ['test/renewal/support/lock-worker.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['fs-ext'],
    logLevel: 'warning',
  })
  // fs-ext is looked for from the bundle's own place.
  symlinkSync(join(repository, 'node_modules'), join(dir, 'node_modules'))
  return outfile
}

/** A folder for the tests of a file, and in it the worker; both are there once the tests run. */
export class Workshop {
  dir = ''
  workerPath = ''

  constructor() {
    before(async () => {
      this.dir = mkdtempSync(join(tmpdir(), 'nixacme-locks-'))
      this.workerPath = await bundleWorker(this.dir)
    })
    after(() => rmSync(this.dir, { recursive: true, force: true }))
  }

  /** Roots in a folder of this name; that of the lock files is there. */
  rootsIn(name: string): Roots {
    const root = join(this.dir, name)
    const runtime = join(root, 'run')
    mkdirSync(runtime, { recursive: true })
    return { state: join(root, 'state'), runtime, jobs: join(root, 'jobs') }
  }

  /** So many workers. */
  pool(size: number): Pool {
    return new Pool(this.workerPath, size)
  }
}

/** When to kill a worker: as soon as it waits or holds, or so many milliseconds after its order. */
export type Kill = 'waiting' | 'holding' | number

export type Ended =
  | { readonly how: 'done'; readonly status: number; readonly message: string }
  /** `at`: CLOCK_MONOTONIC in nanoseconds, just before the signal was sent; `state`: how far it had come. */
  | { readonly how: 'killed'; readonly at: bigint; readonly state: 'started' | 'waiting' | 'holding' }

export class Worker {
  readonly child: ChildProcess
  readonly ready: Promise<void>
  readonly exited: Promise<{ status: number | null; at: bigint }>
  #hear: (word: Word) => void = () => {}

  constructor(path: string) {
    this.child = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.child.stdin?.on('error', () => {})
    this.exited = new Promise((resolve) =>
      this.child.once('exit', (status) => resolve({ status, at: process.hrtime.bigint() })),
    )
    this.ready = new Promise((resolve) => {
      this.#hear = () => resolve()
    })
    if (this.child.stdout)
      createInterface({ input: this.child.stdout }).on('line', (line) => this.#hear(JSON.parse(line)))
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Sends an order and calls `onWord` with what the worker says of it. */
  order(assignment: Assignment, onWord: (word: Word) => void): void {
    this.#hear = onWord
    this.child.stdin?.write(`${JSON.stringify(assignment)}\n`)
  }

  /** Does one order to its end, or to the worker's. */
  perform(assignment: Assignment, kill: Kill | undefined): Promise<Ended> {
    return new Promise((resolve, reject) => {
      let state: 'started' | 'waiting' | 'holding' = 'started'
      let at: bigint | undefined
      const end = () => {
        at = process.hrtime.bigint()
        this.child.kill('SIGKILL')
      }
      const timer = typeof kill === 'number' ? setTimeout(end, kill) : undefined
      this.exited.then(({ status }) => {
        if (at === undefined) reject(new Error(`worker ${this.pid} ended by itself with ${status}`))
        else resolve({ how: 'killed', at, state })
      })
      this.order(assignment, (word) => {
        if (word.said === 'ready' || word.round !== assignment.round) return
        // Killed while its last word was on the way: the end of the process is what counts.
        if (at !== undefined) return
        if (word.said === 'done') {
          clearTimeout(timer)
          resolve({ how: 'done', status: word.status, message: word.message })
        } else {
          state = word.said
          if (kill === state) end()
        }
      })
    })
  }

  async dismiss(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }
}

/** So many workers, always: one that was killed is replaced. */
export class Pool {
  readonly #workers: Worker[] = []
  #isDismissed = false

  constructor(path: string, size: number) {
    const enlist = (place: number) => {
      const worker = new Worker(path)
      this.#workers[place] = worker
      worker.exited.then(() => {
        if (!this.#isDismissed) enlist(place)
      })
    }
    for (let place = 0; place < size; place++) enlist(place)
  }

  /** All workers, ready for orders. */
  async muster(): Promise<readonly Worker[]> {
    const workers = [...this.#workers]
    await Promise.all(workers.map(({ ready }) => ready))
    return workers
  }

  async dismiss(): Promise<void> {
    this.#isDismissed = true
    await Promise.all(this.#workers.map((worker) => worker.dismiss()))
  }
}
