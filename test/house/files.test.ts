// Rules for all files: short enough to be read whole, pinned packages, nothing shipped that should not be.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { repository } from '../support/process.ts'

const read = (name: string) => readFileSync(join(repository, name), 'utf8')
const filesIn = (folder: string, ending: RegExp) =>
  readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => `${folder}/${name}`)

const manifest = JSON.parse(read('package.json'))

test('no source file is longer than 300 lines', () => {
  const files = [...filesIn('src', /\.ts$/), ...filesIn('test', /\.(ts|mjs)$/), ...filesIn('bin', /\.js$/), 'build.mjs']
  assert.ok(files.length > 20)
  const long = files.filter((name) => read(name).split('\n').length - 1 > 300)
  assert.deepEqual(long, [])
})

test('bin/nixacme.js only gathers the world', () => {
  assert.ok(read('bin/nixacme.js').split('\n').length - 1 <= 20)
  assert.ok(statSync(join(repository, 'bin/nixacme.js')).mode & 0o111)
})

test('each source file says at its head what it is', () => {
  for (const name of filesIn('src', /\.ts$/)) assert.match(read(name), /^\/\/ \S/, `'${name}' has no head comment`)
})

test('package versions are exact', () => {
  for (const group of ['dependencies', 'devDependencies'])
    for (const [name, version] of Object.entries(manifest[group]))
      assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/, `${name} ${version}`)
})

test('the only package that is installed with nixacme is the native one', () => {
  assert.deepEqual(Object.keys(manifest.dependencies), ['fs-ext'])
  assert.equal(manifest.allowScripts['fs-ext'], true)
})

test('no test is left focused or undone', () => {
  for (const name of filesIn('test', /\.test\.ts$/))
    assert.doesNotMatch(read(name), /\b(test|it|describe)\.(only|todo)\(|\bonly: true\b/, name)
})
