// What systemd is told besides the lines on stderr, with stand-ins for its programs in PATH; test/boot/status.inside.ts has
// the real ones. Above all: none of them can hold up a run or fail it.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { NixacmeError } from '../../src/errors.ts'
import { createLog, logError, plainLog } from '../../src/log.ts'
import { statusSender, writeJournal } from '../../src/service-manager.ts'
import { holder, holderWords, holdSlot } from '../renewal/support/lock-hold.ts'
import { fakeHost } from '../support/fake-host.ts'
import { temporaryDir } from '../support/process.ts'
import { cert, makeWorld } from '../support/world.ts'

const NOTIFY_SOCKET = '/nonexistent/notify'

/** A folder, and a PATH in which `name` is this shell script, which finds the folder as `$dir`. */
function standIn(t: TestContext, name: string, script: string) {
  // Before the folder goes.
  t.after(() => {
    for (const pid of read('pid').split('\n').filter(Boolean)) endIfThere(Number(pid))
  })
  const dir = temporaryDir(t)
  mkdirSync(join(dir, 'bin'))
  writeFileSync(join(dir, 'bin', name), `#!/bin/sh\ndir='${dir}'\n${script}\n`, { mode: 0o755 })
  const read = (file: string) => (existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '')
  return { dir, read, PATH: `${join(dir, 'bin')}:${process.env['PATH']}` }
}

function endIfThere(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    assert.ok(tries < 1500, 'it did not come to that within half a minute')
    await sleep(20)
  }
}

/** Notes what it is told, and ends when the file `go` is there. */
const patient = 'echo "$*" >>"$dir/told"; until [ -e "$dir/go" ] || [ ! -e "$dir" ]; do sleep 0.02; done'
/** Notes its process id and does not end. */
const hanging = 'echo $$ >>"$dir/pid"; exec sleep 600'

test('a status is sent once, one child at a time, and of those in between only the last', async (t) => {
  const { dir, read, PATH } = standIn(t, 'systemd-notify', patient)
  const send = statusSender({ PATH, NOTIFY_SOCKET })
  send('one')
  await until(() => read('told') !== '')
  for (const text of ['two', 'three', 'three']) send(text)
  assert.equal(read('told'), '--status=one\n')
  writeFileSync(join(dir, 'go'), '')
  await until(() => /three/.test(read('told')))
  send('three')
  send('four')
  await until(() => /four/.test(read('told')))
  assert.equal(read('told'), '--status=one\n--status=three\n--status=four\n')
})

test('systemd-notify sees its socket and PATH only', async (t) => {
  const { read, PATH } = standIn(t, 'systemd-notify', 'env >"$dir/env"; echo >"$dir/done"')
  statusSender({ PATH, NOTIFY_SOCKET, SECRET: 'hunter2' })('text')
  await until(() => read('done') !== '')
  const names = [...read('env').matchAll(/^(\w+)=/gm)].map((match) => match[1])
  // The last two the shell makes itself.
  assert.deepEqual(names.filter((name) => name !== 'PWD' && name !== '_').sort(), ['NOTIFY_SOCKET', 'PATH'])
})

test('nobody listens or nothing can be started: no status, no fault', async (t) => {
  const { read, PATH } = standIn(t, 'systemd-notify', patient)
  statusSender({ PATH })('text')
  const send = statusSender({ PATH: '/nonexistent', NOTIFY_SOCKET })
  send('one')
  await sleep(50)
  send('two')
  await sleep(50)
  assert.equal(read('told'), '')
})

test('a systemd-notify that hangs or is missing delays no run', async (t) => {
  const world = await makeWorld(t)
  const { read, PATH } = standIn(t, 'systemd-notify', hanging)
  const { status, stderr } = await world.nixacme(['renew', cert], { env: { PATH, NOTIFY_SOCKET } })
  assert.equal(status, 0, stderr)
  const pids = read('pid').trim().split('\n').map(Number)
  assert.equal(pids.length, 1)
  assert.ok(endIfThere(pids[0] ?? Number.NaN), 'it hangs still, as nobody waited for it')
  const missing = await world.nixacme(['renew', '--now', cert], { env: { PATH: '/nonexistent', NOTIFY_SOCKET } })
  assert.equal(missing.status, 0, missing.stderr)
  assert.doesNotMatch(missing.stderr, /notify/)
})

test('nothing due: no status', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  const { read, PATH } = standIn(t, 'systemd-notify', hanging)
  const { status } = await world.nixacme(['renew', cert], { env: { PATH, NOTIFY_SOCKET } })
  assert.deepEqual([status, read('pid')], [0, ''])
})

test('waits and work are the status, each as it begins', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const statuses: string[] = []
  const status = (text: string) => statuses.push(text)
  const held = holdSlot(t, world.roots)
  let ticks = Date.now()
  const now = () => {
    ticks += 100
    return new Date(ticks)
  }
  await world.nixacme(['renew', '--wait', '1', cert], { status, now })
  assert.deepEqual(statuses.splice(0), [`${cert}: waiting for slot 1, ${holderWords}`])
  held.release()
  assert.equal((await world.nixacme(['renew', cert], { status })).status, 0)
  assert.deepEqual(
    statuses,
    [
      'registering the account',
      'ordering',
      'waiting for the CA to validate',
      'waiting for the certificate',
      'installing the certificate',
    ].map((text) => `${cert}: ${text}`),
  )
})

test('a slot that changes hands while it is waited for: the status says so after a minute', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  let held = holdSlot(t, world.roots)
  const statuses: string[] = []
  const status = (text: string) => {
    if (statuses.push(text) > 1) return
    held.release()
    held = holdSlot(t, world.roots, 1, { ...holder, cert: 'third.example' })
  }
  let ticks = Date.now()
  const now = () => {
    ticks += 10_000
    return new Date(ticks)
  }
  await world.nixacme(['renew', '--wait', '300', cert], { status, now })
  assert.equal(statuses[0], `${cert}: waiting for slot 1, ${holderWords}`)
  const second = `${cert}: waiting for slot 1, ${holderWords.replace('other', 'third')}`
  assert.deepEqual(new Set(statuses.slice(1)), new Set([second]))
})

test('control characters reach neither the status nor the journal', async () => {
  const told: string[] = []
  const journal = (entry: readonly string[]) => {
    told.push(...entry)
    return true
  }
  const log = plainLog(fakeHost({ stderrIsJournal: true, status: (text) => told.push(text), journal }))
  log.progress('a\u001b[31m\nPRIORITY=0')
  log.waiting('b\u009b\nb')
  log.error('c\nc', ['d\nd'], { cert: 'e\ne', action: 'f\nf', problem: 'g\ng' })
  assert.ok(told.length > 8)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
  for (const text of told) assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f]/)
})

test('with --quiet a wait is no line, but the status', async () => {
  const statuses: string[] = []
  const host = fakeHost({ status: (text) => statuses.push(text) })
  const log = await createLog(host, { quiet: true })
  log.about('x').waiting('waiting for something', 'waiting')
  assert.deepEqual([statuses, host.said.stderr], [['x: waiting'], ''])
})

test('what ends a run is one entry with fields in the journal, and nowhere else', async (t) => {
  const entries: (readonly string[])[] = []
  const journal = (entry: readonly string[]) => entries.push(entry) > 0
  const world = await makeWorld(t, { way: 'in-process' })
  const good = await world.nixacme(['renew', cert], { stderrIsJournal: true, journal })
  assert.equal(good.status, 0)
  const [installed, ...more] = entries.splice(0)
  assert.deepEqual(more, [])
  assert.match(
    installed?.join('\n') ?? '',
    new RegExp(
      `^PRIORITY=5\nSYSLOG_IDENTIFIER=nixacme\nMESSAGE=${cert}: installed new certificate, valid until [^\n]*\n` +
        `NIXACME_CERT=${cert}\nNIXACME_ACTION=run$`,
    ),
  )
  assert.doesNotMatch(good.stderr, /installed/)
  world.ca.fault('newOrder', { do: 'problem', type: 'rejectedIdentifier', status: 400, detail: 'no', times: 1 })
  const bad = await world.nixacme(['renew', '--now', cert], { stderrIsJournal: true, journal })
  assert.equal(bad.status, 76)
  const [refused = [], ...others] = entries.splice(0)
  assert.deepEqual(others, [])
  assert.match(
    refused.find((line) => line.startsWith('MESSAGE=')) ?? '',
    /^MESSAGE=error: example\.com: the CA refused/,
  )
  assert.deepEqual(refused.slice(-3), [
    `NIXACME_CERT=${cert}`,
    'NIXACME_ACTION=renew',
    'NIXACME_PROBLEM=rejectedIdentifier',
  ])
  assert.doesNotMatch(bad.stderr, /error/)
  const elsewhere = await world.nixacme(['renew', '--now', cert], { journal })
  assert.deepEqual([elsewhere.status, entries], [0, []])
})

test('hints are lines of the same entry; without a journal that takes it all is plain lines', () => {
  const entries: (readonly string[])[] = []
  const takes = fakeHost({ stderrIsJournal: true, journal: (entry) => entries.push(entry) > 0 })
  const refuses = fakeHost({ stderrIsJournal: true })
  const e = new NixacmeError('unavailable', 'no answer', { hints: ['look', 'wait'] })
  for (const host of [takes, refuses]) logError(plainLog(host).about('x'), e, { cert: 'x', action: undefined })
  const messages = ['MESSAGE=error: x: no answer', 'MESSAGE=hint: look', 'MESSAGE=hint: wait']
  const fields = ['NIXACME_CERT=x', 'NIXACME_PROBLEM=unavailable']
  assert.deepEqual(entries, [['PRIORITY=3', 'SYSLOG_IDENTIFIER=nixacme', ...messages, ...fields]])
  assert.equal(takes.said.stderr, '')
  assert.equal(refuses.said.stderr, '<3>error: x: no answer\n<3>hint: look\n<3>hint: wait\n')
})

/** As logger(1) does it: notes and echoes the entry. */
const logger = 'tee "$dir/entry" >&2'

test('an entry is written by logger, and only where the unit will be known', (t) => {
  const { dir, read, PATH } = standIn(t, 'logger', logger)
  const settings = { socket: dir, cgroup2: dir, patience: 60_000 }
  const missing = join(dir, 'missing')
  const entry = ['PRIORITY=3', 'MESSAGE=text']
  assert.equal(writeJournal(entry, { PATH }, { ...settings, socket: missing }), false)
  assert.equal(writeJournal(entry, { PATH }, { ...settings, cgroup2: missing }), false)
  assert.equal(read('entry'), '')
  assert.equal(writeJournal(entry, { PATH }, settings), true)
  assert.equal(read('entry'), 'PRIORITY=3\nMESSAGE=text\n')
})

for (const [what, script] of [
  ['fails', 'cat >&2; echo "logger: journald entry could not be logged: Connection refused" >&2; exit 1'],
  ['is too old', 'echo "logger: unrecognized option \'--journald\'" >&2; exit 1'],
  ['hangs', hanging],
] as const)
  test(`a logger that ${what}: the entry is not written, and it says so`, (t) => {
    const { dir, PATH } = standIn(t, 'logger', script)
    const settings = { socket: dir, cgroup2: dir, patience: 1000 }
    assert.equal(writeJournal(['MESSAGE=text'], { PATH }, settings), false)
  })

test('no logger, no shell: the entry is not written', (t) => {
  const dir = temporaryDir(t)
  const settings = { socket: dir, cgroup2: dir, patience: 60_000 }
  assert.equal(writeJournal(['MESSAGE=text'], { PATH: dir }, settings), false)
})
