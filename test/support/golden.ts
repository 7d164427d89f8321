// Generated text that is kept in the repository: compared by every run, rewritten only when asked (GOLDEN=1).
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { readIfThere } from '../../src/fs.ts'

/** Fails unless the file at `path` holds exactly `text`; with GOLDEN=1 in the environment it is written instead. */
export function expectGolden(path: string, text: string): void {
  if (process.env['GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return
  }
  const kept = readIfThere(path)?.toString()
  assert.equal(kept, text, `'${path}' is not what is generated now: 'npm run golden' rewrites it`)
}
