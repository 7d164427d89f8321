// What npm would publish: installed elsewhere, it runs with its one native dependency and nothing of this repository.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { repository, run, temporaryDir } from '../support/process.ts'

const npm = async (cwd: string, ...args: string[]) => {
  const { HOME, npm_config_nodedir } = process.env
  const options = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  const env = { HOME, npm_config_nodedir }
  const result = await run('npm', [...args, ...options], { cwd, env, timeoutMs: 300_000 })
  assert.equal(result.status, 0, result.stderr)
  return result.stdout
}

test('the packed package installs into an empty folder and runs', async (t) => {
  const dir = temporaryDir(t, 'nixacme-pack')
  // Already built; --ignore-scripts keeps this from building a second time under other tests' feet.
  const [packed] = JSON.parse(await npm(repository, 'pack', '--ignore-scripts', '--json', '--pack-destination', dir))
  const paths: string[] = packed.files.map((file: { path: string }) => file.path)
  const all = ['bin/nixacme.js', 'dist/main.cjs', 'dist/THIRD-PARTY-LICENSES.txt', 'libexec/acmesh-helpers.sh']
  for (const wanted of [...all, 'man/nixacme.1', 'LICENSE'])
    assert.ok(paths.includes(wanted), `'${wanted}' is not packed`)
  const strays = paths.filter((path) => /^(src|test|bench|\.ci|\.parts|node_modules)\/|meta\.json$/.test(path))
  assert.deepEqual(strays, [])

  const home = join(dir, 'home')
  await run('mkdir', [home])
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, allowScripts: { 'fs-ext': true } }))
  await npm(home, 'install', join(dir, packed.filename))
  const installed = readdirSync(join(home, 'node_modules')).filter((name) => !name.startsWith('.'))
  assert.deepEqual(installed.sort(), ['fs-ext', 'nan', 'nixacme'])
  assert.ok(existsSync(join(home, 'node_modules/fs-ext/build/Release/fs_ext.node')), 'the lock module is compiled')

  const version = await run(join(home, 'node_modules/.bin/nixacme'), ['--version'], { cwd: home })
  assert.deepEqual([version.status, version.stdout, version.stderr], [0, `${packed.version}\n`, ''])
})
