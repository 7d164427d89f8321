// The manual pages: clean, and true where they repeat what the code says.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { exitStatuses } from '../../src/errors.ts'
import { needs } from '../support/needs.ts'
import { repository, run } from '../support/process.ts'

const folder = join(repository, 'man')
const pages = readdirSync(folder).filter((name) => /\.\d$/.test(name))

/** mdoc's spellings of plain characters. */
const plain = (text: string) => text.replaceAll('\\-', '-').replaceAll('\\(aq', "'").replaceAll('\\&', '').trim()

test('EXIT STATUS of nixacme(1) is the table of the code', () => {
  const page = readFileSync(join(folder, 'nixacme.1'), 'utf8')
  const section = /^\.Sh EXIT STATUS\n([\s\S]*?)^\.Sh /m.exec(page)?.[1] ?? ''
  const list = /^\.Bl -tag[^\n]*\n([\s\S]*?)^\.El/m.exec(section)?.[1] ?? ''
  const items = list
    .split(/^\.It /m)
    .slice(1)
    .map((item) => {
      const [number = '', ...meaning] = item.trim().split('\n')
      return [Number(number), plain(meaning.join(' '))]
    })
  assert.deepEqual(
    items,
    Object.values(exitStatuses).map(({ status, meaning }) => [status, meaning]),
  )
})

test('package.json ships every page', () => {
  const { man } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  assert.deepEqual([...man].sort(), pages.map((page) => `man/${page}`).sort())
})

for (const page of pages)
  test(`${page} is clean`, async (t) => {
    if (!needs(t, 'mandoc')) return
    const { status, stdout, stderr } = await run('mandoc', ['-Tlint', '-W', 'warning', join(folder, page)])
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
  })
