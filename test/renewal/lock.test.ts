// The lock room in one process: what is a lock, what is told of its holder, and how a wait ends. flock(2) belongs to the
// open file, so two takes of one process exclude each other as those of two processes do.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import {
  type Holder,
  type Patience,
  readHolder,
  type Slot,
  tryFolder,
  trySlot,
  waitFor,
} from '../../src/renewal/lock.ts'
import { temporaryDir } from '../support/process.ts'

const me: Holder = { cert: 'example.com', pid: 4711, since: new Date('2026-11-05T06:07:08.009Z') }

const isFault =
  (kind: string, ...parts: string[]) =>
  (e: unknown) =>
    e instanceof NixacmeError && e.kind === kind && parts.every((part) => e.message.includes(part))

const slotIn = (t: TestContext): string => join(temporaryDir(t), '1.lock')

/** Takes a slot, and has it say who holds it. */
function hold(path: string, holder = me): Slot | undefined {
  const slot = trySlot(path)
  slot?.tell(holder)
  return slot
}

test('a slot is taken once, and again when it is released', (t) => {
  const path = slotIn(t)
  const held = hold(path)
  assert.equal(held?.path, path)
  assert.equal(hold(path), undefined)
  held?.release()
  const again = hold(path)
  assert.ok(again)
  again.release()
})

test('a busy slot costs no descriptor', (t) => {
  const path = slotIn(t)
  const held = hold(path)
  const open = () => fs.readdirSync('/proc/self/fd').length
  const before = open()
  for (let i = 0; i < 50; i++) assert.equal(hold(path), undefined)
  assert.equal(open(), before)
  held?.release()
  assert.equal(open(), before - 1)
})

test('the lock file tells the holder while it is held, and nobody else can read it', (t) => {
  const path = slotIn(t)
  const held = hold(path)
  assert.deepEqual(readHolder(path), me)
  assert.equal(fs.readFileSync(path, 'utf8'), 'example.com 4711 2026-11-05T06:07:08.009Z\n')
  assert.equal(fs.statSync(path).mode & 0o777, 0o600)
  held?.release()
  assert.equal(readHolder(path), undefined)
  assert.ok(fs.existsSync(path), 'the file stays: a deleted one would exclude nobody')
})

test('a slot that is held for a moment says nothing: its file is not written, but for what a killed holder left', (t) => {
  const path = slotIn(t)
  trySlot(path)?.release()
  fs.utimesSync(path, 1, 1)
  trySlot(path)?.release()
  assert.equal(fs.statSync(path).mtimeMs, 1000)
  fs.writeFileSync(path, 'killed.example 1 2026-01-01T00:00:00.000Z')
  const held = trySlot(path)
  assert.equal(fs.readFileSync(path, 'utf8'), '')
  held?.release()
})

test('what a killed holder left is written over, a longer text too', (t) => {
  const path = slotIn(t)
  fs.writeFileSync(path, `${'very-'.repeat(40)}long.example 1 2026-01-01T00:00:00.000Z\nmore\n`)
  const held = hold(path)
  assert.deepEqual(readHolder(path), me)
  held?.release()
})

test('a try that fails leaves the words of the holder', (t) => {
  const path = slotIn(t)
  const held = hold(path)
  hold(path, { ...me, cert: 'other.example' })
  assert.deepEqual(readHolder(path), me)
  held?.release()
})

for (const text of [
  '',
  '\n',
  'x',
  'example.com',
  'example.com 1',
  'example.com x 2026-01-01',
  'a  2026-01-01',
  'a 1 soon',
])
  test(`a lock file with ${JSON.stringify(text)} names no holder`, (t) => {
    const path = slotIn(t)
    fs.writeFileSync(path, text)
    assert.equal(readHolder(path), undefined)
  })

test('no file, no holder', (t) => assert.equal(readHolder(slotIn(t)), undefined))

test('a lock file that is deleted while it is held: the next one makes its own', (t) => {
  const path = slotIn(t)
  const lost = hold(path)
  fs.unlinkSync(path)
  const held = hold(path, { ...me, cert: 'next.example' })
  assert.equal(readHolder(path)?.cert, 'next.example')
  assert.equal(hold(path), undefined)
  lost?.release()
  assert.equal(readHolder(path)?.cert, 'next.example', 'the old holder changes only its own file')
  held?.release()
})

test('a link in place of a lock file is not followed (71): what it leads to stays as it is', (t) => {
  const dir = temporaryDir(t)
  const [path, precious] = [join(dir, '1.lock'), join(dir, 'precious')]
  fs.writeFileSync(precious, 'precious')
  fs.symlinkSync(precious, path)
  assert.throws(() => hold(path), isFault('lock', `'${path}'`, 'symbolic link'))
  assert.equal(fs.readFileSync(precious, 'utf8'), 'precious')
  fs.unlinkSync(path)
  fs.symlinkSync(join(dir, 'new'), path)
  assert.throws(() => hold(path), isFault('lock', 'symbolic link'))
  assert.ok(!fs.existsSync(join(dir, 'new')), 'nor is a file made through it')
})

test('no folder, a folder in place of the file, a file in place of the folder: a lock that cannot be taken (71)', (t) => {
  const dir = temporaryDir(t)
  const path = join(dir, 'none', '1.lock')
  assert.throws(() => hold(path), isFault('lock', `'${path}'`, 'no such file or directory'))
  assert.throws(() => hold(dir), isFault('lock', `'${dir}'`, 'is a directory'))
  assert.throws(() => tryFolder(join(dir, 'none')), isFault('lock', 'no such file or directory'))
  fs.writeFileSync(join(dir, 'file'), '')
  assert.throws(() => tryFolder(join(dir, 'file')), isFault('lock', 'not a directory'))
})

test('a FIFO in place of a lock file makes nobody hang', (t) => {
  const path = slotIn(t)
  execFileSync('mkfifo', [path])
  hold(path)?.release()
})

test('a folder of others: a hint says what to do', (t) => {
  const dir = temporaryDir(t)
  const isRoot = process.geteuid?.() === 0
  fs.chmodSync(dir, isRoot ? 0o755 : 0o555)
  if (isRoot) process.seteuid?.(65534)
  try {
    assert.throws(
      () => hold(join(dir, '1.lock')),
      (e) => isFault('lock', 'permission denied')(e) && e instanceof NixacmeError && /--runtime-dir/.test(`${e.hints}`),
    )
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('a folder is locked as it is: nothing is made in it, a link to it does not do', (t) => {
  const dir = temporaryDir(t)
  const folder = join(dir, 'folder')
  fs.mkdirSync(folder)
  fs.symlinkSync(folder, join(dir, 'link'))
  const held = tryFolder(folder)
  assert.ok(held)
  assert.equal(tryFolder(folder), undefined)
  assert.deepEqual(fs.readdirSync(folder), [])
  assert.throws(() => tryFolder(join(dir, 'link')), isFault('lock'))
  held.release()
  tryFolder(folder)?.release()
})

/** A clock that only `attempt` moves. */
function watch(seconds: number | null, signal = new AbortController().signal) {
  let ms = 0
  const seen = { waits: 0, attempts: 0 }
  const patience: Patience = {
    seconds,
    signal,
    now: () => new Date(ms),
    onWait: () => {
      seen.waits++
    },
    what: 'slot 3',
  }
  const attempt = (succeedAt: number, step: number) => () => {
    seen.attempts++
    ms += step
    return seen.attempts >= succeedAt ? 'got it' : undefined
  }
  return { patience, seen, attempt }
}

test('what is free is taken without a wait, a word or a pause', async () => {
  for (const seconds of [0, 1, null]) {
    const { patience, seen, attempt } = watch(seconds)
    assert.equal(await waitFor(attempt(1, 0), patience), 'got it')
    assert.deepEqual(seen, { waits: 0, attempts: 1 })
  }
})

test('a patience of 0: one try, no word of waiting, 75', async () => {
  const { patience, seen, attempt } = watch(0)
  await assert.rejects(waitFor(attempt(2, 0), patience), isFault('later', 'slot 3 is busy'))
  assert.deepEqual(seen, { waits: 0, attempts: 1 })
})

test('the wait is told once, however often it is tried', async () => {
  const { patience, seen, attempt } = watch(null)
  assert.equal(await waitFor(attempt(4, 1000), patience), 'got it')
  assert.deepEqual(seen, { waits: 1, attempts: 4 })
})

test('patience ends: 75, with what was waited for and how long', async () => {
  const { patience, seen, attempt } = watch(5)
  await assert.rejects(
    waitFor(attempt(99, 2000), patience),
    isFault('later', 'gave up waiting for slot 3 after 5 seconds'),
  )
  assert.equal(seen.attempts, 4, 'at 0, 2 and 4 seconds after the start, and once after the last')
})

test('a lock that is freed at the last moment is still taken', async () => {
  const { patience, attempt } = watch(5)
  assert.equal(await waitFor(attempt(4, 2000), patience), 'got it')
})

test('a fault of the lock itself ends the wait at once', async () => {
  const { patience, seen } = watch(null)
  const fault = new NixacmeError('lock', 'cannot take the lock')
  const attempt = () => {
    if (++seen.attempts > 1) throw fault
    return undefined
  }
  await assert.rejects(waitFor(attempt, patience), (e) => e === fault)
})

test('a signal ends the wait with 75 and its name, before the pause is over', async () => {
  const controller = new AbortController()
  const { patience, attempt } = watch(null, controller.signal)
  const waiting = waitFor(attempt(Number.POSITIVE_INFINITY, 0), patience)
  controller.abort('SIGTERM')
  await assert.rejects(waiting, isFault('later', 'stopped by SIGTERM'))
})

test('a signal that came before is not slept over', async () => {
  const { patience, seen, attempt } = watch(null, AbortSignal.abort('SIGINT'))
  await assert.rejects(waitFor(attempt(2, 0), patience), isFault('later', 'stopped by SIGINT'))
  assert.equal(seen.attempts, 1)
})
