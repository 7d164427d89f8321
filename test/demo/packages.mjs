// From a fresh clone to something that runs: the packages of package-lock.json, and the bundle.
//   node test/demo/packages.mjs     does both
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { finished } from './child.mjs'

export const repository = fileURLToPath(new URL('../..', import.meta.url))

const readJson = (name) => JSON.parse(readFileSync(join(repository, name), 'utf8'))

/** True when node_modules holds exactly the versions of package-lock.json, and fs-ext is compiled for this Node. */
function isInstalled() {
  try {
    createRequire(import.meta.url)('fs-ext')
    const there = readJson('node_modules/.package-lock.json').packages
    const wanted = Object.entries(readJson('package-lock.json').packages)
    return wanted.every(([path, { version, optional }]) => !path || optional || there[path]?.version === version)
  } catch {
    return false
  }
}

async function run(what, command, args, signal) {
  const child = spawn(command, args, { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] })
  if ((await finished(child, signal)) !== 0) throw new Error(`${what} failed: '${command} ${args.join(' ')}'`)
}

/** Installs what is missing and builds. Throws when one of them fails, or when `signal` is aborted. */
export async function prepare(signal) {
  if (!isInstalled()) await run('the installation of the packages', 'npm', ['ci', '--no-audit', '--no-fund'], signal)
  await run('the build', process.execPath, ['build.mjs'], signal)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await prepare(AbortSignal.timeout(600_000))
