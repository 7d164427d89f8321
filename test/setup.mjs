// Gets the real parts that the tests use and this machine lacks: Debian packages when run as root on a Debian-like
// machine, Pebble from Debian testing into .parts/ for anyone. What cannot be had is left: its tests skip themselves.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { folders, isThere, parts } from './parts/find.mjs'

const policy = '/usr/sbin/policy-rc.d'

const run = (command, args, env = {}) =>
  spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    timeout: 600_000,
  }).status === 0

const apt = (...args) =>
  run(
    'apt-get',
    ['-o', 'Acquire::Retries=3', '-o', 'Acquire::http::Timeout=30', '-o', 'DPkg::Lock::Timeout=60', ...args],
    {
      DEBIAN_FRONTEND: 'noninteractive',
      RUNLEVEL: '1',
    },
  )

/** While `action` runs no package may start a daemon: invoke-rc.d asks policy-rc.d, and 101 means no. */
function withoutServices(action) {
  try {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' })
  } catch (e) {
    // The administrator's own policy stays in force.
    if (e.code === 'EEXIST') return action()
    throw e
  }
  try {
    return action()
  } finally {
    rmSync(policy, { force: true })
  }
}

const missing = () => Object.keys(parts).filter((part) => !isThere(part))

function installPackages(packages) {
  if (process.geteuid() !== 0 || !folders.some((folder) => existsSync(`${folder}/apt-get`))) return
  console.log(`setup: installing ${packages.join(' ')}`)
  if (!apt('update')) console.log("setup: 'apt-get update' failed, going on with the lists that are there")
  const install = (...names) => apt('install', '--yes', '--no-install-recommends', ...names)
  // One package that the archive lacks must not keep the others out.
  withoutServices(() => install(...packages) || packages.map((name) => install(name)))
}

/** Installs what is missing; returns the names of the parts that still are. */
export function setup() {
  const packages = missing().flatMap((part) => /^apt-get install (.+)$/.exec(parts[part].install)?.[1] ?? [])
  if (packages.length > 0) installPackages(packages)
  // A fetched part is fetched again by its own script only when it is absent or does not run.
  for (const part of missing())
    if (parts[part].file) {
      const [script, ...args] = parts[part].install.split(' ')
      run('bash', [fileURLToPath(new URL(`../${script}`, import.meta.url)), ...args])
    }
  const left = missing()
  for (const part of left) console.log(`setup: ${part} is missing: ${parts[part].install}`)
  return left
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) setup()
