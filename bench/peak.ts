// The most memory that a command has used.
import { readFileSync } from 'node:fs'
import { type Running, type RunResult, start } from '../test/support/process.ts'
import type { Prepared } from './clients.ts'

export interface Peak extends RunResult {
  /** Milliseconds. */
  readonly wall: number
  /** kB of resident memory, the most of the command with all that it started. */
  readonly memory: number
}

/** Milliseconds between two looks: the kernel keeps the highest value itself, until the process ends. */
const interval = 15

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has ended.
    return ''
  }
}

const children = (pid: number): number[] =>
  read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number)

/** The highest resident memory (VmHWM, proc(5)) of the process so far, with that of all below it; none when it has ended. */
function highest(pid: number): number {
  const own = Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)
  return children(pid).reduce((sum, child) => sum + highest(child), own)
}

/** Runs the command to its end. Rejects only when it cannot be started. */
export async function runWithPeak({ file, args, env }: Prepared, timeoutMs: number): Promise<Peak> {
  let memory = 0
  const begin = performance.now()
  const running: Running = start(file, args, { env, timeoutMs })
  const timer = setInterval(() => {
    memory = Math.max(memory, highest(running.pid))
  }, interval)
  try {
    const result = await running.finished
    return { ...result, wall: performance.now() - begin, memory }
  } finally {
    clearInterval(timer)
  }
}
