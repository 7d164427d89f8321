// A folder that stands for `/`, in which `nixacme apply --root` writes, and what it said there.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { main } from '../../src/main.ts'
import { type FakeHost, fakeHost, type HostChanges } from '../support/fake-host.ts'
import { temporaryDir } from '../support/process.ts'
import { changesBetween, type Tree, treeOf } from '../support/tree.ts'
import { type ConfigContent, type Said, toml } from '../support/world.ts'

export const program = ['/usr/bin/node', '/usr/bin/nixacme']

export type Certs = NonNullable<ConfigContent['certs']>

export interface ApplyWorld {
  readonly root: string
  /** A path in the root. */
  in(path: string): string
  write(path: string, text: string): void
  /** Writes the config; each certificate has a webroot. */
  configure(certs: Certs, global?: ConfigContent['global']): void
  /** Runs `apply --root` in this process, as the given program, with these further arguments. */
  apply(args?: readonly string[], host?: HostChanges, self?: readonly string[]): Promise<Said>
  tree(): Tree
  /** What changed since `before`, as paths in the root. */
  changes(before: Tree): string[]
}

export function makeApplyWorld(t: { after(action: () => void): void }): ApplyWorld {
  const root = temporaryDir(t, 'nixacme-apply')
  const world: ApplyWorld = {
    root,
    in: (path) => join(root, path),
    write(path, text) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    },
    configure(certs, global = {}) {
      const defaults = { email: 'admin@example.com', webroot: '/srv/www' }
      world.write('/etc/nixacme/config.toml', toml({ global: { acceptTerms: true, ...global }, defaults, certs }))
    },
    async apply(args = [], changes = {}, self = program) {
      // PATH alone is from outside: the version of the systemd here is asked for.
      const fake: FakeHost = fakeHost({ ...changes, env: { PATH: process.env['PATH'], ...changes.env } })
      const status = await main(['apply', '--root', root, ...args], Object.assign(fake, { self }))
      return { status, ...fake.said }
    },
    tree: () => treeOf([root], { folderTimes: true }),
    changes: (before) =>
      changesBetween(before, treeOf([root], { folderTimes: true })).map((line) => line.replace(root, '')),
  }
  for (const path of program) world.write(path, '')
  return world
}
