// The answers of all runs in one folder, `<runtime>/challenges`. Several runs listen on one port one after the other, or
// systemd does it for all of them: whoever accepts a connection must be able to answer for each.
import * as fs from 'node:fs'
import { attempt, NixacmeError, systemWord, writeError } from '../../errors.ts'
import { ensureDirs, isTemporary, lstatIfThere, orAbsent, readIfThere, writeAtomically } from '../../fs.ts'
import type { Log } from '../../log.ts'

/** http: files named after tokens, with the key authorization. tls: named after SNI names, with key and certificate. */
export type ListenKind = 'http' | 'tls'

/** Milliseconds: what is older belongs to a run that was killed. */
const forgotten = 3_600_000
/** Milliseconds: who presents an answer says much more often that it is still asked for. */
const alive = 30_000
/** Bytes: key and certificate are about a thousand. */
const largestAnswer = 65_536

/**
 * Removes what a run has noted; it being gone is no fault. Throws `config` (78) for what lies elsewhere: the file that names it
 * is ours, a look does no harm.
 */
export function removeAnswer(challenges: string, path: string): void {
  const isAnswer =
    path.startsWith(`${challenges}/`) &&
    /^(http|tls)\/[a-zA-Z0-9_-][a-zA-Z0-9._-]*$/.test(path.slice(challenges.length + 1))
  if (!isAnswer) throw new NixacmeError('config', 'it is no challenge')
  fs.rmSync(path, { force: true })
}

export class SharedAnswers {
  readonly #folder: string
  readonly #now: () => Date

  constructor(challenges: string, kind: ListenKind, now: () => Date) {
    this.#folder = `${challenges}/${kind}`
    this.#now = now
  }

  /** Makes the folder, and takes away what killed runs have left. Throws `write` (73) or `permission` (77). */
  prepare(): void {
    try {
      ensureDirs(this.#folder, { mode: 0o700 })
      for (const name of this.#names()) if (this.#age(name) > forgotten) fs.rmSync(this.path(name), { force: true })
    } catch (e) {
      throw writeError(this.#folder, e)
    }
  }

  /** `name` has been checked: it is a file's name. Throws `write` (73) or `permission` (77). */
  put(name: string, content: string): void {
    try {
      writeAtomically(this.path(name), content, { mode: 0o600, isPassing: true })
    } catch (e) {
      throw writeError(this.path(name), e)
    }
  }

  /** Undefined where nothing is presented under this name. */
  find(name: string): string | undefined {
    const stat = lstatIfThere(this.path(name))
    return stat?.isFile() && stat.size <= largestAnswer ? readIfThere(this.path(name))?.toString() : undefined
  }

  /** Whether anybody's challenge is presented that may still be asked for; not for those of a run that was killed. */
  get isInUse(): boolean {
    return this.#names().some((name) => !isTemporary(name) && this.#age(name) <= alive)
  }

  /** Says that these are still asked for. Never throws: what is gone, or another's by now, is not refreshed. */
  refresh(names: Iterable<string>): void {
    const now = this.#now()
    for (const name of names) attempt(() => fs.utimesSync(this.path(name), now, now))
  }

  remove(name: string, log: Log): void {
    try {
      fs.rmSync(this.path(name), { force: true })
    } catch (e) {
      log.warning(`cannot remove '${this.path(name)}': ${systemWord(e)}, ignoring`)
    }
  }

  /** Where an answer lies. */
  path(name: string): string {
    return `${this.#folder}/${name}`
  }

  #names(): string[] {
    return orAbsent(() => fs.readdirSync(this.#folder)) ?? []
  }

  /** Milliseconds; 0 for what is gone. */
  #age(name: string): number {
    const stat = lstatIfThere(this.path(name))
    return stat ? Math.max(0, this.#now().getTime() - stat.mtimeMs) : 0
  }
}
