// Runs the real nixacme as another user, and under mounts that nobody else sees. Both need root.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { type RunOptions, type RunResult, repository, run } from './process.ts'

/** An unprivileged user that every Linux has and that owns nothing. */
export const nobody = { uid: 65_534, gid: 65_534 }

/** Copies the program to a folder that every user can reach, whatever the modes above the checkout. Gives its script. */
export function copyProgram(dir: string): string {
  const to = join(dir, 'program')
  for (const part of ['bin', 'dist', 'package.json', join('node_modules', 'fs-ext')])
    cpSync(join(repository, part), join(to, part), { recursive: true, dereference: true })
  return join(to, 'bin', 'nixacme.js')
}

/** `command`, as it is to be run by another user without any further group. */
export const asUser = ({ uid, gid }: typeof nobody, command: readonly string[]): string[] => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--clear-groups',
  ...command,
]

/** Runs `command` in a mount namespace of its own, in which the shell script `mounts` was run before. */
export function runUnderMounts(
  mounts: string,
  command: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const script = `set -e\n${mounts}\nexec "$@"`
  return run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...command], options)
}
