// Other programs that make records: started in an empty folder of their own, with an environment that holds nothing but what
// they are promised, for a bounded time; what they write is told without the credentials that may be in it.
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { NixacmeError, systemWord } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { withoutSecrets } from './api.ts'

export interface Hook {
  /** Absolute, or a name that is looked for in PATH. */
  readonly file: string
  readonly args: readonly string[]
  /** What messages call it: the file, in quotes, unless told. */
  readonly title?: string
  /** Beside PATH, LANG and HOME (the empty folder, where it starts, too). */
  readonly env?: Readonly<Record<string, string>>
  /** Fills the folder before it starts. */
  readonly prepare?: (folder: string) => void
  /** Takes what it left there. */
  readonly collect?: (folder: string) => void
}

/**
 * Runs it to its end and gives what it wrote to standard output. Throws `refused` (76) when it fails, `config` (78) when it
 * cannot be started, and the signal's reason when it is aborted.
 */
export type RunHook = (hook: Hook) => Promise<string>

export interface HookOptions {
  /** Of nixacme's own environment, PATH and LANG are handed on. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly signal: AbortSignal
  /** Left out of what is told. */
  readonly secrets: () => readonly string[]
}

/** Seconds that a program may take: hooks of others wait for name servers themselves. */
const hookSeconds = 600
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Lines of its words that are told, and characters of each. */
const mostLines = 100
const longestLine = 300

export function hookRunner({ env, log, signal, secrets }: HookOptions): RunHook {
  return async ({ file, args, title = `'${file}'`, env: own = {}, prepare, collect }) => {
    const folder = mkdtempSync(join(tmpdir(), 'nixacme-hook-'))
    try {
      prepare?.(folder)
      const { runProgram } = await import('../../process.ts')
      const { isStarted, failure, stdout, output } = await runProgram(file, args, {
        env: { ...own, PATH: env['PATH'] ?? defaultPath, LANG: env['LANG'], HOME: folder },
        cwd: folder,
        stdout: 'capture',
        captureErrors: true,
        seconds: hookSeconds,
        signal,
      })
      signal.throwIfAborted()
      collect?.(folder)
      const lines = wordsOf(output, secrets())
      for (const line of lines) log.info(`${title}: ${line}`)
      if (failure === undefined) return stdout
      const said = lines.length === 0 ? '' : `: ${lines.at(-1)}`
      throw new NixacmeError(isStarted ? 'refused' : 'config', `${title} ${failure}${said}`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function wordsOf(output: string, secrets: readonly string[]): readonly string[] {
  const lines = withoutSecrets(output, secrets)
    .split('\n')
    .map((line) => line.trimEnd().slice(0, longestLine))
    .filter((line) => line !== '')
  return lines.slice(-mostLines)
}

/** Throws `config` (78) for a file that cannot be run. `what` begins the sentence: where its path is written. */
export function assertRunnable(file: string, what: string): void {
  if (!isAbsolute(file)) {
    if (/^[\w.+-]+$/.test(file)) return
    throw new NixacmeError('config', `${what} is '${file}': expected an absolute path, or a name in PATH`)
  }
  try {
    accessSync(file, constants.X_OK)
  } catch (cause) {
    throw new NixacmeError('config', `${what} is '${file}', which cannot be run: ${systemWord(cause)}`, {
      cause,
      hints: [
        "it runs as the user that renews, in units 'acme', who must be able to read it and the folders above",
        'units do not see /home, /root and /tmp',
      ],
    })
  }
}
