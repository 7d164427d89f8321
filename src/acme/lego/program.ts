// The lego that is installed, and what it can do: read out of its own help, since versions differ in their options and some
// distributions build it without a number.
import { NixacmeError } from '../../errors.ts'
import { runProgram } from '../../process.ts'

/** The fourth has the commands `run` and `renew`, and options before them; the fifth has `run` alone, and options after it. */
export type Series = 4 | 5

export interface Lego {
  readonly path: string
  readonly series: Series
  /** As it calls itself; undefined where it does not. */
  readonly version: string | undefined
  /** Whether it has an option, written with its hyphens. */
  has(option: string): boolean
}

/** The fourth series makes the folder of its data even for help, where it is not there. */
const anyFolder = '/'

/** Seconds for the help: more than a slow disk takes. */
const patience = 30

/**
 * Asks the program at `path` what it is. Throws `config` (78) for one that cannot be started or is no lego of the fourth
 * or fifth series, the signal's reason when it ends the question.
 */
export async function askLego(path: string, env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Lego> {
  const options = { env: { ...env, LEGO_PATH: anyFolder }, stdout: 'capture', seconds: patience, signal } as const
  const help = async (...args: readonly string[]) => {
    const { stdout, failure } = await runProgram(path, args, options)
    signal.throwIfAborted()
    if (failure === undefined) return stdout
    throw new NixacmeError('config', `'${path} ${args.join(' ')}' ${failure}`, {
      hints: ["'legoPath' or PATH must lead to a lego that runs on this machine"],
    })
  }
  const main = await help('--help')
  const series = seriesOf(main, path)
  const commands = series === 4 ? ['run', 'renew'] : ['run']
  const helps = [main]
  for (const command of commands) helps.push(await help('help', command))
  return legoOf(path, helps)
}

/** What the texts of its help say; the first is the one of the program itself. Throws `config` (78). */
export function legoOf(path: string, [main = '', ...commands]: readonly string[]): Lego {
  const options = new Set([main, ...commands].flatMap((text) => text.match(/(?<![\w.-])--[a-z0-9][a-z0-9.-]*/g) ?? []))
  return {
    path,
    series: seriesOf(main, path),
    version: /^VERSION:\s+(\S{1,60})/m.exec(main)?.[1],
    has: (option) => options.has(option),
  }
}

function seriesOf(help: string, path: string): Series {
  const commands = /^COMMANDS:\n((?: .*\n?)+)/m.exec(help)?.[1] ?? ''
  const has = (command: string) => new RegExp(`^ +${command}\\b`, 'm').test(commands)
  if (has('run') && has('renew')) return 4
  if (has('run') && has('migrate')) return 5
  throw new NixacmeError('config', `'${path}' is no lego of version 4 or 5, as its help shows`, {
    hints: ['those two have command lines that nixacme knows: install one, or use engine = "native"'],
  })
}

/** `lego 4.35.2`, for sentences. */
export const legoWords = ({ series, version }: Lego): string =>
  `lego ${version !== undefined && /^\d/.test(version) ? version : `of version ${series}`}`
