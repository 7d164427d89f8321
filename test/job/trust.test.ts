// Root runs what a job names: one that others could have written is refused.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { jobPath, type Roots } from '../../src/job/paths.ts'
import { assertTrusted } from '../../src/job/trust.ts'
import { withRoots } from './support.ts'

const cert = 'x.test'
const self = process.geteuid?.() ?? 0

function withJob(action: (roots: Roots, dir: string) => void): void {
  withRoots((roots, dir) => {
    mkdirSync(roots.jobs, { mode: 0o755 })
    writeFileSync(jobPath(roots, cert), '{}', { mode: 0o644 })
    action(roots, dir)
  })
}

const refuses = (roots: Roots, uid: number, culprit: string) =>
  assert.throws(
    () => assertTrusted(roots, cert, uid),
    (e) => e instanceof NixacmeError && e.kind === 'permission' && e.message.includes(`may write '${culprit}'`),
  )

test('a job of our own in folders of our own is trusted, and so is none', () =>
  withJob((roots) => {
    assertTrusted(roots, cert, self)
    assertTrusted(roots, 'none.test', self)
  }))

for (const mode of [0o664, 0o646])
  test(`a job file of mode ${mode.toString(8)} is not trusted`, () =>
    withJob((roots) => {
      chmodSync(jobPath(roots, cert), mode)
      refuses(roots, self, jobPath(roots, cert))
    }))

test('a folder above that others may write is not trusted', () =>
  withJob((roots, dir) => {
    chmodSync(dir, 0o777)
    refuses(roots, self, dir)
    chmodSync(dir, 0o1777)
    assertTrusted(roots, cert, self)
  }))

test('the job of another user is not trusted', () =>
  withJob((roots) => {
    if (self === 0) return assertTrusted(roots, cert, 12345)
    refuses(roots, self + 1, jobPath(roots, cert))
  }))
