// `nixacme poll` and `nixacme start-due` against the test CA: from what the CA wants to a renewal, without a daemon; few
// requests, told failures, and marks that nobody can turn into anything else.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { dueDir } from '../../src/job/paths.ts'
import { readWatch, updateWatch, watchOf } from '../../src/renewal/renewal-info-file.ts'
import { startCa } from '../ca/ca.ts'
import { changesBetween, treeOf } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World } from '../support/world.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const iso = (ms: number): string => new Date(ms).toISOString()

/** Several certificates of a CA that has renewal information, got and watched. */
async function watching(t: TestContext, names: readonly string[] = [cert], hours = 160): Promise<World> {
  const certs = Object.fromEntries(names.map((name) => [name, {}]))
  const ca = { renewalInfo: { retryAfter: 6 * 3600 }, lifetime: { seconds: hours * 3600 } }
  const world = await makeWorld(t, { way: 'in-process', certs, ca })
  await world.issueAll()
  return world
}

const at = (ms: number) => ({ now: () => new Date(ms) })
const infoOf = (world: World, name = cert) => {
  const { info } = watchOf(readWatch(world.paths(name).renewalInfo))
  return info ?? assert.fail(`nothing is known of '${name}'`)
}
const marks = ({ roots }: World): string[] => (fs.existsSync(dueDir(roots)) ? fs.readdirSync(dueDir(roots)).sort() : [])
const host = { now: () => new Date(), interrupted: new AbortController().signal }
const serialOf = (world: World, name = cert) => infoOf(world, name).certificate

test('right after issuance all is known: a poll asks nobody, marks nothing, says nothing, writes nothing', async (t) => {
  const world = await watching(t, ['a.example', 'b.example'])
  const before = treeOf([world.roots.state])
  assert.deepEqual(await world.nixacme(['poll']), { status: 0, stdout: '', stderr: '' })
  assert.deepEqual([world.ca.count(), marks(world)], [0, []])
  assert.deepEqual(changesBetween(before, treeOf([world.roots.state])), [])
})

test('no state, no certificate: nothing to do', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  assert.deepEqual(await world.nixacme(['poll']), { status: 0, stdout: '', stderr: '' })
  assert.deepEqual(await world.nixacme(['start-due']), { status: 0, stdout: '', stderr: '' })
  assert.equal(world.ca.count(), 0)
})

test('a certificate of 160 hours is renewed inside its window of three hours, by wake-ups alone', async (t) => {
  const world = await watching(t)
  const { window, certificate } = infoOf(world)
  assert.ok(window && window.end.getTime() - window.start.getTime() < 3.3 * hour)
  let now = Date.now()
  while (marks(world).length === 0 && now < window.end.getTime()) {
    now += 15 * minute
    assert.equal((await world.nixacme(['poll'], at(now))).status, 0)
  }
  assert.ok(now >= window.start.getTime() && now < window.end.getTime(), iso(now))
  // As often as the CA has asked for it, and no more.
  assert.ok(world.ca.count('renewalInfo') <= Math.ceil((now - Date.now()) / (6 * hour)))
  const { status, stderr } = await world.nixacme(['start-due'], at(now))
  assert.equal(status, 0, stderr)
  assert.match(stderr, /renewing: \d+ (hours|days) left, due by the renewal time of the CA/)
  assert.notEqual(serialOf(world), certificate)
  assert.deepEqual(marks(world), [])
  assert.equal(world.ca.count('newOrder'), 1)
})

test('what is due by what is known is marked, also where the asking is stopped', async (t) => {
  const world = await watching(t)
  const { window } = infoOf(world)
  assert.ok(window)
  const host = { ...at(window.end.getTime()), interrupted: AbortSignal.abort('SIGTERM') }
  const { status, stderr } = await world.nixacme(['poll'], host)
  assert.equal(status, 75, stderr)
  assert.match(stderr, /stopped by SIGTERM/)
  assert.deepEqual(marks(world), [cert])
})

test('revoked: a window moved into the past is told with its explanation, and renewed at once, validMinDays or not', async (t) => {
  for (const validMinDays of [null, 30]) {
    const world = await watching(t, [cert], 90 * 24)
    if (validMinDays !== null) {
      world.configure({ certs: { [cert]: { validMinDays } } })
      await world.nixacme(['renew', cert])
    }
    const explanationURL = 'https://ca.example/incident'
    const window = { start: iso(Date.now() - hour), end: iso(Date.now() - minute) }
    world.ca.set({ renewalInfo: { window, explanationURL, retryAfter: 3600 } })
    const now = Date.now() + 7 * hour
    const { stderr } = await world.nixacme(['poll'], at(now))
    assert.match(stderr, /warning: example\.com: the CA wants it replaced at once, .*perhaps it is revoked\n.*incident/)
    assert.deepEqual(marks(world), [cert])
    const planned = await world.nixacme(['plan'], at(now))
    assert.match(planned.stdout, /renew .*the CA wants it replaced at once.*https:\/\/ca\.example\/incident/)
    const renewed = await world.nixacme(['start-due'], at(now))
    assert.match(renewed.stderr, /renewing: .*replaced at once, perhaps it is revoked; the CA explains it at 'https/)
  }
})

test('a window that goes by does not mark what validMinDays keeps', async (t) => {
  const world = await watching(t, [cert], 90 * 24)
  world.configure({ certs: { [cert]: { validMinDays: 5 } } })
  await world.nixacme(['renew', cert])
  for (const days of [60, 61, 65, 80]) await world.nixacme(['poll'], at(Date.now() + days * day))
  assert.deepEqual(marks(world), [])
})

test('many certificates: each asked for once, the directory once for all', async (t) => {
  const names = Array.from({ length: 9 }, (_, i) => `c${i}.example`)
  const world = await watching(t, names)
  const now = Date.now() + 7 * hour
  assert.equal((await world.nixacme(['poll'], at(now))).status, 0)
  assert.deepEqual([world.ca.count('renewalInfo'), world.ca.count('directory'), world.ca.count()], [9, 1, 10])
  assert.equal((await world.nixacme(['poll'], at(now))).status, 0)
  assert.equal(world.ca.count(), 10)
})

test('§4.3: not after expiry', async (t) => {
  const world = await watching(t)
  await world.nixacme(['poll'], at(Date.now() + 161 * hour))
  assert.equal(world.ca.count(), 0)
})

test('§4.3: after a renewal the old certificate is not asked for again', async (t) => {
  const world = await watching(t)
  const old = serialOf(world)
  await world.nixacme(['renew', '--now', cert])
  world.ca.reset()
  world.ca.set({ renewalInfo: { retryAfter: 3600 } })
  await world.nixacme(['poll'], at(Date.now() + 7 * hour))
  assert.ok(!world.ca.requests.some(({ path }) => path.includes(old)))
  assert.equal(world.ca.count('renewalInfo'), 1)
})

test('a certificate that leaves the config is not asked for again', async (t) => {
  const world = await watching(t, ['a.example', 'b.example'])
  await world.nixacme(['apply'])
  world.configure({ certs: { 'a.example': {} } })
  await world.nixacme(['apply'])
  await world.nixacme(['poll'], at(Date.now() + 7 * hour))
  assert.equal(world.ca.count('renewalInfo'), 1)
})

test('a CA that is away: told once for all of its certificates, 69, stored, backed off, and what is due is due all the same', async (t) => {
  const names = ['a.example', 'b.example', 'c.example']
  const world = await watching(t, names)
  const due = infoOf(world, 'a.example').window?.end.getTime() ?? 0
  await world.ca.close()
  const first = await world.nixacme(['poll'], at(due))
  assert.equal(first.status, 69)
  assert.equal(first.stderr.match(/it is not known when the CA wants 3 certificates renewed/g)?.length, 1)
  assert.match(first.stderr, /asking again at/)
  assert.deepEqual(marks(world), names)
  for (const name of names) assert.equal(infoOf(world, name).failures?.count, 1)
  const again = await world.nixacme(['poll'], at(due + 15 * minute))
  assert.deepEqual(again, { status: 0, stdout: '', stderr: '' })
})

test('one CA of two away: 0, and only its certificates have failed', async (t) => {
  const world = await watching(t, ['a.example', 'b.example'])
  const away = await startCa()
  await away.close()
  const path = world.paths('b.example').renewalInfo
  await updateWatch(path, ({ info }) => ({ info: info && { ...info, server: away.directoryUrl } }), host)
  const { status, stderr } = await world.nixacme(['poll'], at(Date.now() + 7 * hour))
  assert.equal(status, 0)
  assert.match(stderr, /wants 'b\.example' renewed: cannot reach the CA/)
  assert.equal(infoOf(world, 'a.example').failures, undefined)
})

test('a failed renewal is not marked before its next try, whatever the window says; then it is', async (t) => {
  const world = await watching(t)
  const due = infoOf(world).window?.end.getTime() ?? 0
  const path = world.paths().renewalInfo
  await updateWatch(path, (watch) => ({ ...watch, retryAt: new Date(due + hour) }), host)
  await world.nixacme(['poll'], at(due))
  assert.deepEqual(marks(world), [])
  await world.nixacme(['poll'], at(due + hour))
  assert.deepEqual(marks(world), [cert])
})

test('a clock before the build: nobody is asked, nothing is marked, and it is told', async (t) => {
  const world = await watching(t)
  const builtAt = new Date(Date.now() + 300 * day)
  const { status, stderr } = await world.nixacme(['poll'], { ...at(Date.now() + 200 * day), builtAt })
  assert.deepEqual([status, world.ca.count(), marks(world)], [0, 0, []])
  assert.match(stderr, /warning: the clock reads/)
})

test('files that are no good are passed over: the others are asked for', async (t) => {
  const world = await watching(t, ['a.example', 'b.example', 'c.example'])
  fs.writeFileSync(world.paths('a.example').renewalInfo, '{"version": 1, ')
  fs.writeFileSync(world.paths('b.example').renewalInfo, '{"version": 7}')
  const { status } = await world.nixacme(['poll'], at(Date.now() + 7 * hour))
  assert.deepEqual([status, world.ca.count('renewalInfo')], [0, 1])
})

test('an issuance is not held up by a CA whose renewal information fails; the next wake-up asks', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', ca: { renewalInfo: { retryAfter: 3600 } } })
  const heal = world.ca.fault('renewalInfo', { do: 'problem', type: 'serverInternal', status: 500, retryAfter: 60 })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /has not said yet when to renew it/)
  heal()
  await world.nixacme(['poll'], at(Date.now() + 16 * minute))
  assert.ok(infoOf(world).window)
})

test('marks: names of no certificate, links and folders start nothing, are told, and are removed where that can be', async (t) => {
  const world = await watching(t, ['a.example', 'b.example', 'c.example'])
  await world.nixacme(['apply'])
  const folder = dueDir(world.roots)
  fs.mkdirSync(folder)
  const secret = join(world.dir, 'secret')
  fs.writeFileSync(secret, 'stays')
  const mark = (name: string) => join(folder, name)
  for (const name of ['a.example', 'x.example', '--help', 'new\nline', '.hidden'])
    fs.writeFileSync(mark(name), 'whatever')
  fs.symlinkSync(secret, mark('b.example'))
  fs.mkdirSync(mark('c.example'))
  fs.mkdirSync(join(mark('full'), 'inside'), { recursive: true })
  const { status, stderr } = await world.nixacme(['start-due'])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /a\.example: skipping renewal/)
  assert.doesNotMatch(stderr, /[bc]\.example: skipping/)
  assert.match(stderr, /warning: '.*-due' held 7 names of no certificate/)
  assert.match(stderr, /cannot remove 'full'/)
  assert.equal(fs.readFileSync(secret, 'utf8'), 'stays')
  assert.deepEqual(marks(world), ['full'])
})

test('a folder of marks that somebody fills ends, as does the run', async (t) => {
  const world = await watching(t)
  await world.nixacme(['apply'])
  fs.mkdirSync(dueDir(world.roots))
  for (let i = 0; i < 1500; i++) fs.writeFileSync(join(dueDir(world.roots), `n${i}`), '')
  const first = await world.nixacme(['start-due'])
  assert.match(first.stderr, /held 1000 names/)
  await world.nixacme(['start-due'])
  assert.deepEqual(marks(world), [])
})

/** What this process has open below a folder. */
const openBelow = (folder: string): string[] =>
  fs
    .readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return ''
      }
    })
    .filter((path) => path.startsWith(folder))

test('start-due leaves the folder of marks closed, which Node would warn of on stderr', async (t) => {
  const world = await watching(t)
  await world.nixacme(['apply'])
  const folder = dueDir(world.roots)
  fs.mkdirSync(folder)
  for (const name of [[cert, 'x.example'], [cert], []]) {
    for (const one of name) fs.writeFileSync(join(folder, one), '')
    assert.equal((await world.nixacme(['start-due'])).status, 0)
    assert.deepEqual(openBelow(folder), [])
  }
})

test('poll and start-due end well as the executable, too', async (t) => {
  const world = await watching(t)
  const past = { start: iso(Date.now() - hour), end: iso(Date.now() - minute) }
  world.ca.set({ renewalInfo: { window: past, retryAfter: 3600 } })
  await updateWatch(
    world.paths().renewalInfo,
    ({ info }) => ({ info: info && { ...info, nextPoll: new Date(0) } }),
    host,
  )
  const run = (command: string) => world.spawn([command]).finished
  const polled = await run('poll')
  assert.equal(polled.status, 0, polled.stderr)
  assert.deepEqual(marks(world), [cert])
  const before = serialOf(world)
  const started = await run('start-due')
  assert.equal(started.status, 0, started.stderr)
  assert.notEqual(serialOf(world), before)
  assert.deepEqual(errorsIn({ ...started, stdout: '' }), [])
})
