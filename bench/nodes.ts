// Other Node.js versions to measure with: from the npm packages node-linux-<arch>, kept in .parts/bench/, each with fs-ext
// compiled for it, and an installation of nixacme beside them.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../test/support/process.ts'

export interface Installation {
  /** `v22.23.3` */
  readonly version: string
  readonly node: string
  /** `bin/nixacme.js` */
  readonly cli: string
}

const cache = join(repository, '.parts', 'bench')

export const current: Installation = {
  version: process.version,
  node: process.execPath,
  cli: join(repository, 'bin', 'nixacme.js'),
}

function run(what: string, file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env, encoding: 'utf8', timeout: 300_000 })
  if (status === 0) return stdout.trim()
  throw new Error(
    `${what} failed: ${(error?.message ?? (stderr.trim() || stdout.trim())).split('\n').slice(-3).join(' ')}`,
  )
}

/** Fetches and compiles into a folder of its own first, so that a half made one is never used. */
function fetch(major: number, dir: string): void {
  const temporary = `${dir}.${process.pid}.tmp`
  const modules = join(temporary, 'node_modules')
  const name = `node-linux-${process.arch}`
  try {
    mkdirSync(modules, { recursive: true })
    writeFileSync(join(temporary, 'package.json'), '{"private": true, "allowScripts": {"fs-ext": true}}\n')
    const npm = ['--no-audit', '--no-fund', '--no-package-lock', '--no-save']
    run(`fetching Node ${major}`, 'npm', ['install', ...npm, `${name}@${major}`], temporary, process.env)
    for (const part of ['fs-ext', 'nan'])
      cpSync(join(repository, 'node_modules', part), join(modules, part), { recursive: true })
    const home = join(modules, name)
    const env = { ...process.env, PATH: `${join(home, 'bin')}:${process.env['PATH']}`, npm_config_nodedir: home }
    run(`compiling fs-ext for Node ${major}`, 'npm', ['rebuild', 'fs-ext'], temporary, env)
    run(`loading fs-ext in Node ${major}`, join(home, 'bin', 'node'), ['-e', "require('fs-ext')"], temporary, env)
    renameSync(temporary, dir)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** Node of this major version with nixacme as built, installed in `scratch`. Throws when it cannot be had. */
export function installationFor(major: number, scratch: string): Installation {
  if (process.version.startsWith(`v${major}.`)) return current
  const dir = join(cache, `node-${major}`)
  if (!existsSync(dir)) fetch(major, dir)
  const app = join(scratch, `node-${major}`)
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(repository, part), join(app, part), { recursive: true })
  symlinkSync(join(dir, 'node_modules'), join(app, 'node_modules'))
  const node = join(dir, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
  return { version: run('node', node, ['--version'], app, process.env), node, cli: join(app, 'bin', 'nixacme.js') }
}
