// A machine for runs by root: users and groups of its own (bind mounts over the two files, seen by nobody else), a world
// whose folders such users can reach, and the program where they can read it.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { asUser, copyProgram, runUnderMounts } from '../support/other-user.ts'
import type { RunOptions, RunResult } from '../support/process.ts'
import { makeWorld, type World, type WorldOptions } from '../support/world.ts'

/** Numbers that no Debian machine gives out by itself. */
export const acme = { uid: 64_001, gid: 64_001 }
export const web = { gid: 64_002 }

export interface Machine {
  readonly world: World
  /** The script of the copied program. */
  readonly program: string
  /** Runs a command on this machine; root unless told. */
  run(command: readonly string[], options?: RunOptions & { as?: { uid: number; gid: number } }): Promise<RunResult>
  /** The same for nixacme, in the world's environment. */
  nixacme(args: readonly string[], options?: RunOptions & { as?: { uid: number; gid: number } }): Promise<RunResult>
}

const add = (file: string, to: string, lines: readonly string[]) =>
  writeFileSync(to, `${[readFileSync(file, 'utf8').trimEnd(), ...lines].join('\n')}\n`)

/** `users` false: a machine on which nobody made user acme. */
export async function makeMachine(t: TestContext, options: WorldOptions & { users?: boolean } = {}): Promise<Machine> {
  const world = await makeWorld(t, {
    ...options,
    global: { useRoot: false, ...options.global },
    defaults: { group: 'acme', ...options.defaults },
  })
  chmodSync(world.dir, 0o755)
  const file = (name: string) => join(world.dir, name)
  const { users = true } = options
  const { uid, gid } = acme
  add('/etc/passwd', file('passwd'), users ? [`acme:x:${uid}:${gid}::/var/lib/acme:/usr/sbin/nologin`] : [])
  add('/etc/group', file('group'), users ? [`acme:x:${gid}:`, `web:x:${web.gid}:`] : [])
  // Without other sources, so that the machine's own LDAP and the like are not asked.
  writeFileSync(file('nsswitch.conf'), 'passwd: files\ngroup: files\n')
  const mounts = ['passwd', 'group', 'nsswitch.conf'].map((name) => `mount --bind '${file(name)}' /etc/${name}`)
  const program = copyProgram(world.dir)
  const run: Machine['run'] = (command, { as, ...more } = {}) =>
    runUnderMounts(mounts.join('\n'), as ? asUser(as, command) : command, more)
  return {
    world,
    program,
    run,
    nixacme: (args, more = {}) =>
      run([process.execPath, program, ...args], { ...more, env: { ...world.env, ...more.env } }),
  }
}

/** Makes the program a command of the name `nixacme` in a folder for PATH. */
export function commandFolder({ world, program }: Machine): string {
  const folder = join(world.dir, 'program', 'bin')
  const command = join(folder, 'nixacme')
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 })
  return folder
}
