// Starts other programs: hooks, systemctl, getent, and this program again. The only door to execa, and the reason that it
// is loaded late. Nothing is passed on by default: each caller names the environment, and the time it may take.
import { execa, type Options } from 'execa'
import { systemWord } from './errors.ts'

export interface ProgramOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Text on standard input; default: nothing. */
  readonly input?: string
  /** Text on file descriptor 3: for what must not be seen in the list of processes. */
  readonly script?: string
  /** Where standard output goes: with ours, to our stderr, or into the result. */
  readonly stdout: 'ours' | 'stderr' | 'capture'
  /** Seconds after which the program is ended. */
  readonly seconds?: number
  /** Ends the program with SIGTERM, and 10 seconds later with SIGKILL. */
  readonly signal: AbortSignal
}

export interface ProgramResult {
  /** The exit status, or null when it did not come to one. */
  readonly status: number | null
  /** What happened, as the end of a sentence; undefined when status is 0. */
  readonly failure: string | undefined
  readonly stdout: string
}

/** Runs a program to its end; never throws for what the program does. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  const stdout = options.stdout === 'ours' ? 1 : options.stdout === 'stderr' ? 2 : 'pipe'
  const stdin = options.input === undefined ? 'ignore' : 'pipe'
  const settings: Options = {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.input !== undefined && { input: options.input }),
    ...(options.seconds !== undefined && { timeout: options.seconds * 1000 }),
    env: Object.fromEntries(Object.entries(options.env).filter((entry) => entry[1] !== undefined)),
    extendEnv: false,
    stdio: [stdin, stdout, 2, ...(options.script === undefined ? [] : [[new TextEncoder().encode(options.script)]])],
    cancelSignal: options.signal,
    forceKillAfterDelay: 10_000,
    reject: false,
  }
  const { exitCode, signal, timedOut, failed, cause, stdout: text } = await execa(file, args, settings)
  return {
    status: exitCode ?? null,
    failure: failed ? failureOf({ exitCode, signal, timedOut, cause, seconds: options.seconds }) : undefined,
    stdout: typeof text === 'string' ? text : '',
  }
}

function failureOf(end: {
  exitCode: number | undefined
  signal: string | undefined
  timedOut: boolean
  cause: unknown
  seconds: number | undefined
}): string {
  if (end.timedOut) return `took longer than ${end.seconds} seconds`
  if (end.signal) return `was ended by ${end.signal}`
  if (end.exitCode !== undefined) return `ended with status ${end.exitCode}`
  return `could not be started: ${systemWord(end.cause)}`
}
