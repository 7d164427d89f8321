// The running systemd: what is told to it, and what is asked, each by its own program.
import { existsSync } from 'node:fs'
import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import { runProgram } from '../process.ts'
import { interruptedError } from '../wait.ts'

/** True when systemd runs this machine (sd_booted(3)). */
export const isBooted = (): boolean => existsSync('/run/systemd/system')

/** Seconds: even with hundreds of units each of these takes less than a few. */
const patience = 120

export class SystemControl {
  readonly #host: Pick<Host, 'env' | 'interrupted'>

  constructor(host: Pick<Host, 'env' | 'interrupted'>) {
    this.#host = host
  }

  /** Aborted when a signal has come. */
  get interrupted(): AbortSignal {
    return this.#host.interrupted
  }

  /** Throws `write` (73) when the program fails; its own words are on stderr by then. */
  async run(file: string, ...args: readonly string[]): Promise<void> {
    const { failure } = await this.#start(file, args, 'stderr')
    if (!failure) return
    if (this.#host.interrupted.aborted) throw interruptedError(this.#host.interrupted)
    throw new NixacmeError('write', `'${[file, ...args].join(' ').slice(0, 300)}' ${failure}`, {
      hints: ["mend what it complains about, then run 'nixacme apply' again: it takes up where it stopped"],
    })
  }

  /** Its standard output, or undefined when it is not there or fails. */
  async ask(file: string, ...args: readonly string[]): Promise<string | undefined> {
    const { failure, stdout } = await this.#start(file, args, 'capture')
    return failure ? undefined : stdout
  }

  /** 252 of `systemd 252 (252.38-1~deb12u1)`; undefined where there is no systemd. */
  async version(): Promise<number | undefined> {
    const [, version] = /^systemd (\d+)/.exec((await this.ask('systemctl', '--version')) ?? '') ?? []
    return version === undefined ? undefined : Number(version)
  }

  #start(file: string, args: readonly string[], stdout: 'stderr' | 'capture') {
    const { env, interrupted } = this.#host
    const { PATH, LANG } = env
    return runProgram(file, args, { env: { PATH, LANG }, stdout, seconds: patience, signal: interrupted })
  }
}
