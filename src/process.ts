// Starts other programs: hooks, systemctl, getent, and this program again. The only door to execa, and the reason that it
// is loaded late. Nothing is passed on by default: each caller names the environment, and the time it may take.
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { execa, type Options } from 'execa'
import { systemWord } from './errors.ts'

export interface ProgramOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Text on standard input; default: nothing. */
  readonly input?: string
  /** Text on file descriptor 3: for what must not be seen in the list of processes. */
  readonly script?: string
  /** Where standard output goes: with ours, to our stderr, into the result, or, with standard error, to `onLine`. */
  readonly stdout: 'ours' | 'stderr' | 'capture' | 'lines'
  /** Standard error goes into the result, too: for programs whose words may hold what must not be told. Default: to ours. */
  readonly captureErrors?: boolean
  /** Called with each line of `lines` as it comes, a long one in parts. */
  readonly onLine?: (line: string) => void
  /** In place of ours. */
  readonly umask?: number
  /** Seconds after which the program is ended. */
  readonly seconds?: number
  /** Ends the program with SIGTERM, and 10 seconds later with SIGKILL. */
  readonly signal: AbortSignal
}

export interface ProgramResult {
  /** The exit status, or null when it did not come to one. */
  readonly status: number | null
  /** False for a program that cannot be run. */
  readonly isStarted: boolean
  /** What happened, as the end of a sentence; undefined when status is 0. */
  readonly failure: string | undefined
  readonly stdout: string
  /** What it wrote to both, in that order, where errors are captured. */
  readonly output: string
}

/** Milliseconds that output is read on after a program's end: what it left running may hold the pipe for ever. */
const afterEndMs = 2000

/** Runs a program to its end; never throws for what the program does. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  const isHeard = options.stdout === 'lines'
  const stdout = options.stdout === 'ours' ? 1 : options.stdout === 'stderr' ? 2 : 'pipe'
  const errors = options.captureErrors || isHeard ? 'pipe' : 2
  const stdin = options.input === undefined ? 'ignore' : 'pipe'
  const settings: Options = {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.input !== undefined && { input: options.input }),
    ...(options.seconds !== undefined && { timeout: options.seconds * 1000 }),
    env: Object.fromEntries(Object.entries(options.env).filter((entry) => entry[1] !== undefined)),
    extendEnv: false,
    stdio: [
      stdin,
      stdout,
      errors,
      ...(options.script === undefined ? [] : [[new TextEncoder().encode(options.script)]]),
    ],
    ...(isHeard && { buffer: false }),
    cancelSignal: options.signal,
    forceKillAfterDelay: 10_000,
    reject: false,
    ...(options.captureErrors && { all: true }),
  }
  // The child takes over what there is while it is started.
  const ours = options.umask === undefined ? undefined : process.umask(options.umask)
  const running = execa(file, args, settings)
  if (ours !== undefined) process.umask(ours)
  const ends = isHeard ? [running.stdout, running.stderr].map((stream) => hear(stream, options.onLine)) : []
  running.once('exit', () => {
    const late = setTimeout(() => {
      for (const stream of [running.stdout, running.stderr]) stream?.destroy()
    }, afterEndMs)
    running.once('close', () => clearTimeout(late))
  })
  const { exitCode, signal, timedOut, isCanceled, cause, stdout: text, all } = await running
  // Not by 'failed': that is true as well where the output of a program that ended well was cut off.
  const isGood = exitCode === 0 && !timedOut && !isCanceled
  for (const end of ends) end()
  return {
    status: exitCode ?? null,
    isStarted: exitCode !== undefined || signal !== undefined || timedOut,
    failure: isGood ? undefined : failureOf({ exitCode, signal, timedOut, cause, seconds: options.seconds }),
    stdout: typeof text === 'string' ? text : '',
    output: typeof all === 'string' ? all : '',
  }
}

/** Characters: a program that never ends its line is not waited for. */
const longestLine = 10_000

/** Cuts what comes into lines; the result tells the last one, where it has no end. */
function hear(stream: Readable | null, onLine: ProgramOptions['onLine']): () => void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  stream?.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine?.(line.replace(/\r$/, ''))
    if (rest.length > longestLine) {
      onLine?.(rest)
      rest = ''
    }
  })
  return () => {
    if (rest !== '') onLine?.(rest)
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
