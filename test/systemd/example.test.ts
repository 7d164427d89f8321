// units/ as it ships: what the config of units/example gives, that of any machine in units/, that of its certificate in
// units/example. To be read, and to be compared with what `nixacme units` prints.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import type { SystemFile } from '../../src/systemd/machine.ts'
import { load } from '../config/support.ts'
import { expectGolden } from '../support/golden.ts'
import { repository } from '../support/process.ts'
import { filesOf, settings } from './matrix.ts'

const folder = join(repository, 'units')
const text = readFileSync(join(folder, 'example/config.toml'), 'utf8')

/** Where a file stands in units/. */
function placeOf({ path, cert }: SystemFile): string {
  const [, configFolder] = /^\/etc\/(sysusers\.d|tmpfiles\.d)\//.exec(path) ?? []
  return join(configFolder ?? (cert === undefined ? '' : 'example'), basename(path))
}

const files = new Map(filesOf({ config: load(text), settings }).map((file) => [placeOf(file), file.text]))

for (const [place, wanted] of files)
  test(`units/${place} is what the example gives`, () => expectGolden(join(folder, place), wanted))

test('units/ holds nothing else', () => {
  const there = readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
  assert.deepEqual(there.sort(), [...files.keys(), 'nixacme.cron', 'example/config.toml'].sort())
})

test("the example is the README's", () => {
  const readme = readFileSync(join(repository, 'README.md'), 'utf8')
  const block = /^```toml\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? assert.fail('no TOML in README.md')
  assert.deepEqual({ ...load(block), sources: [] }, { ...load(text), sources: [] })
})

test('units/ is part of the package', () => {
  const { files: packed } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  assert.ok(packed.includes('units'))
})
