// `npm run demo` does what it tells, says so when it cannot, and leaves nothing behind either way.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { repository, start, temporaryDir } from '../support/process.ts'

/** Milliseconds: the promise of `npm run demo`. */
const bound = 180_000

function startDemo(t: TestContext) {
  const dir = temporaryDir(t)
  const demo = start(process.execPath, ['test/demo.mjs'], {
    cwd: repository,
    env: { TMPDIR: dir },
    timeoutMs: bound,
  })
  return { demo, leftovers: () => readdirSync(dir) }
}

/** The child of `pid` whose command line holds `word`. */
function childOf(pid: number, word: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  const found = children.find((child) => readFileSync(join('/proc', `${child}`, 'cmdline'), 'utf8').includes(word))
  assert.ok(found, `no child with '${word}'`)
  return found
}

test('the demo shows run, skip, force-renew and renew, and nothing stays', async (t) => {
  const { demo, leftovers } = startDemo(t)
  const { status, stdout, stderr } = await demo.finished
  assert.deepEqual([status, stderr], [0, ''], stdout)
  const proven = [...stdout.matchAll(/^✓ (\S+): (\d+) requests/gm)].map(
    ([, action, requests]) => `${action} ${requests}`,
  )
  assert.deepEqual(proven, ['run 9', 'skip 0', 'force-renew 10', 'renew 10'])
  assert.match(stdout, /^hook: new certificate for example\.com www\.example\.com$/m)
  assert.deepEqual(leftovers(), [])
})

test('a demo that is stopped ends with 130, and nothing stays', async (t) => {
  const { demo, leftovers } = startDemo(t)
  await demo.stdoutMatch(/ordering a certificate/, bound)
  assert.equal(leftovers().length, 1)
  const { status, stderr } = await demo.end('SIGINT')
  assert.deepEqual([status, stderr], [130, 'demo: stopped by SIGINT\n'])
  assert.deepEqual(leftovers(), [])
})

test('a demo whose CA goes away fails, and nothing stays', async (t) => {
  const { demo, leftovers } = startDemo(t)
  await demo.stdoutMatch(/waiting until it is due/, bound)
  process.kill(childOf(demo.pid, 'test/ca/main.ts'), 'SIGKILL')
  const { status, stderr } = await demo.finished
  assert.equal(status, 1)
  assert.match(stderr, /^demo: .+\n$/)
  assert.deepEqual(leftovers(), [])
})
