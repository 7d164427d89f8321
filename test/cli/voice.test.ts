// How nixacme speaks, by where stderr goes: the journal, a terminal, a pipe; and when nobody listens.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { repository, run } from '../support/process.ts'
import { cert, makeWorld, type World } from '../support/world.ts'

const program = [process.execPath, join(repository, 'bin', 'nixacme.js')]

/** Escape characters as people write them, so that they can be read here. */
const visible = (text: string | undefined): string => (text ?? '').replaceAll('\u001b', '^[')
const colour = /\^\[\[\d+m/

/** Runs with stderr in a file, and JOURNAL_STREAM as systemd sets it when that file is the journal's socket. */
async function intoJournal(world: World, stream: (file: string) => string, args: readonly string[]) {
  const file = join(world.dir, 'journal')
  writeFileSync(file, '')
  // Where there is a journal, the entries with fields would go to that: here logger fails.
  const bin = join(world.dir, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'logger'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const PATH = `${bin}:${process.env['PATH']}`
  const env = { ...world.env, PATH, JOURNAL_STREAM: stream(file), F: file }
  const result = await run('sh', ['-c', 'exec "$@" 2>>"$F"', 'sh', ...program, ...args], { env })
  return { ...result, journal: readFileSync(file, 'utf8') }
}

const itsStream = (file: string) => {
  const { dev, ino } = statSync(file)
  return `${dev}:${ino}`
}

test('the journal gets priorities and no program name', async (t) => {
  const world = await makeWorld(t)
  const first = await intoJournal(world, itsStream, ['renew', cert])
  assert.equal(first.status, 0, first.journal)
  const levels = first.journal
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(0, 3))
  assert.deepEqual(levels, ['<6>', '<6>', '<6>', '<5>', '<6>', '<5>'])
  assert.doesNotMatch(first.journal, /nixacme: /)
  await world.ca.close()
  const failed = await intoJournal(world, itsStream, ['renew', '--now', cert])
  assert.equal(failed.status, 69)
  assert.match(failed.journal, /^<3>error: example\.com: cannot reach the CA/m)
  assert.match(failed.journal, /^<3>hint: /m)
})

test('a JOURNAL_STREAM that names another file is none of ours', async (t) => {
  const world = await makeWorld(t)
  const { journal } = await intoJournal(world, () => itsStream(world.configFile), ['renew', 'other.example'])
  assert.match(journal, /^nixacme: error: there is no certificate/m)
})

/** Runs under script(1), which lends a terminal; what was written to it comes back. */
async function onTerminal(t: TestContext, world: World, env: Record<string, string>, ...args: string[]) {
  if (!existsSync('/usr/bin/script')) {
    t.skip('needs script: apt-get install bsdutils')
    return undefined
  }
  const line = [...program, ...args].map((word) => `'${word}'`).join(' ')
  return run('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    env: { ...world.env, TERM: 'xterm', ...env },
  })
}

test('a terminal gets colours and progress, NO_COLOR takes the colours away', async (t) => {
  const world = await makeWorld(t)
  const issued = await onTerminal(t, world, {}, 'renew', cert)
  if (!issued) return
  assert.equal(issued.status, 0, issued.stdout)
  assert.match(visible(issued.stdout), /\^\[\[32m.*installed new certificate/)
  assert.match(visible(issued.stdout), /\r\^\[\[K.*waiting for the CA to validate/)
  const plan = await onTerminal(t, world, {}, 'plan')
  assert.match(visible(plan?.stdout), /\^\[\[1mCERTIFICATE/)
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    const stdout = visible((await onTerminal(t, world, env, 'plan'))?.stdout)
    assert.match(stdout, /CERTIFICATE +ACTION/)
    assert.doesNotMatch(stdout, colour)
    assert.doesNotMatch(visible((await onTerminal(t, world, env, 'renew', 'x'))?.stdout), colour)
  }
})

test('a pipe gets neither colour nor progress', async (t) => {
  const world = await makeWorld(t)
  const { stderr } = await world.nixacme(['renew', cert], { env: { TERM: 'xterm' } })
  assert.doesNotMatch(stderr, /waiting for the CA|\r/)
  assert.ok(!stderr.includes('\u001b'))
})

test('renew is silent on stdout without --json', async (t) => {
  const world = await makeWorld(t)
  for (const args of [
    ['renew', cert],
    ['renew', '--all'],
    ['renew', '--now', cert],
  ]) {
    const { status, stdout } = await world.nixacme(args)
    assert.deepEqual([status, stdout], [0, ''])
  }
})

/** Where output goes instead, as shell; each tells the status of nixacme in the file $F. */
const deaf = {
  'stdout that nobody reads': '{ "$@"; echo $? >"$F"; } | head -c 0',
  'stdout that is closed': '"$@" >&-; echo $? >"$F"',
  'stderr that is closed': '"$@" 2>&-; echo $? >"$F"',
  'all that is closed': '"$@" <&- >&- 2>&-; echo $? >"$F"',
}

test('nobody listens: every command ends as ever', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  const file = join(world.dir, 'status')
  for (const [name, script] of Object.entries(deaf))
    for (const args of [['plan'], ['plan', '--json'], ['--help'], ['renew', cert]]) {
      const { stderr } = await run('sh', ['-c', script, 'sh', ...program, ...args], { env: { ...world.env, F: file } })
      assert.equal(readFileSync(file, 'utf8'), '0\n', `${name}: ${args.join(' ')}: ${stderr}`)
      assert.doesNotMatch(stderr, /error|EPIPE|EBADF/)
    }
})
