// Runs commands for tests: status, signal, stdout and stderr together, always with a bound, in an environment that the
// caller sees whole (only PATH and the temporary folder come from outside).
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface RunOptions {
  readonly cwd?: string
  /** Added to PATH and TMPDIR; undefined takes one out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Given on stdin, which is empty without it. */
  readonly input?: string
  /** After so many milliseconds the process and its children are killed; 60,000 without it. */
  readonly timeoutMs?: number
}

export interface RunResult {
  /** Undefined when a signal ended it. */
  readonly status: number | undefined
  readonly signal: NodeJS.Signals | undefined
  readonly stdout: string
  readonly stderr: string
  /** True when it ran too long and was killed for it. */
  readonly timedOut: boolean
}

export interface Running {
  readonly pid: number
  readonly child: ChildProcess
  readonly finished: Promise<RunResult>
  /** What it has written so far. */
  readonly stdout: string
  readonly stderr: string
  /** The first match in stderr, past or to come; rejects when the process ends, or after `timeoutMs`, without one. */
  stderrMatch(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** The same for stdout. */
  stdoutMatch(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Sends a signal to the process alone (SIGTERM without an argument) and resolves when it has ended. */
  end(signal?: NodeJS.Signals): Promise<RunResult>
}

export const repository = fileURLToPath(new URL('../..', import.meta.url))
const cli = join(repository, 'bin', 'nixacme.js')

/** Runs `command` to its end. Rejects only when it cannot be started. */
export const run = (command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  start(command, args, options).finished

/** Runs the real `nixacme` of this checkout, as built, to its end. */
export const runCli = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  run(process.execPath, [cli, ...args], options)

/** Starts `command`; whoever starts it awaits `finished` or calls `end`. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const { cwd, env = {}, input, timeoutMs = 60_000 } = options
  // A process group of its own, so that the grandchildren can be killed with it.
  const child = spawn(command, args, { cwd, env: environment(env), detached: true, stdio: 'pipe' })
  const output = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
      for (const watcher of watchers) watcher()
    })
  }
  // A process that ends without reading its input is no fault of the test.
  child.stdin.on('error', () => {}).end(input)

  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The group is gone already.
    }
  }
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killGroup()
  }, timeoutMs)
  process.once('exit', killGroup)

  const finished = new Promise<RunResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status, signal) =>
      resolve({ status: status ?? undefined, signal: signal ?? undefined, ...output, timedOut }),
    )
  }).finally(() => {
    clearTimeout(timer)
    process.off('exit', killGroup)
  })
  // Whoever only waits for a line hears of a failed start there.
  finished.catch(() => {})

  const match = (name: 'stdout' | 'stderr', pattern: RegExp, limitMs: number) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(limit)
        watchers.delete(look)
        action()
      }
      const look = () => {
        const found = pattern.exec(output[name])
        if (found !== null) settle(() => resolve(found))
      }
      const missing = (why: string) =>
        settle(() => reject(new Error(`${why} without ${pattern} on ${name}: ${output.stdout}${output.stderr}`)))
      const limit = setTimeout(() => missing(`${limitMs} ms passed`), limitMs)
      watchers.add(look)
      finished.then(
        () => missing('the process ended'),
        (e) => settle(() => reject(e)),
      )
      look()
    })

  return {
    pid: child.pid ?? -1,
    child,
    finished,
    get stdout() {
      return output.stdout
    },
    get stderr() {
      return output.stderr
    },
    stderrMatch: (pattern, limitMs = 20_000) => match('stderr', pattern, limitMs),
    stdoutMatch: (pattern, limitMs = 20_000) => match('stdout', pattern, limitMs),
    end(signal = 'SIGTERM') {
      child.kill(signal)
      return finished
    },
  }
}

/** Starts the real `nixacme` of this checkout, as built. */
export const spawnCli = (args: readonly string[], options: RunOptions = {}): Running =>
  start(process.execPath, [cli, ...args], options)

/** A fresh folder that is removed when the test ends. */
export function temporaryDir(t: { after(action: () => void): void }, stem = 'nixacme-test'): string {
  const dir = mkdtempSync(join(tmpdir(), `${stem}-`))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

function environment(extra: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { PATH, TMPDIR } = process.env
  const all = { PATH, TMPDIR, ...extra }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  )
}
