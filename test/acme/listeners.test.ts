// Who listens for whom: each address once in a process, other processes' listeners relied on and waited for, systemd's used.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join as under } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inheritedSockets } from '../../src/acme/challenges/inherited.ts'
import { listenSolver } from '../../src/acme/challenges/listen.ts'
import { ensure, hold, join, leave, openEarly, type Site } from '../../src/acme/challenges/listeners.ts'
import { probe } from '../../src/acme/challenges/probe.ts'
import { challengeServer } from '../../src/acme/challenges/servers.ts'
import { type ListenKind, SharedAnswers } from '../../src/acme/challenges/shared-answers.ts'
import { NixacmeError } from '../../src/errors.ts'
import { isPrivileged, parseListenAddress } from '../../src/job/listen-address.ts'
import { freePort } from '../support/pebble.ts'
import { temporaryDir } from '../support/process.ts'
import { type KeptLog, keptLog } from './request.ts'

const now = () => new Date()
const { signal } = new AbortController()

type Kept = Site & { readonly log: KeptLog }

function siteFor(folder: string, text: string, kind: ListenKind = 'http'): Kept {
  const answers = new SharedAnswers(folder, kind, now)
  answers.prepare()
  return { kind, text, address: parseListenAddress(text), answers, inherited: [], now, log: keptLog() }
}

/** What a CA fetches; undefined where nobody listens. */
const fetched = (where: http.RequestOptions, token: string): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const options = { agent: false as const, path: `/.well-known/acme-challenge/${token}`, ...where }
    const request = http.get(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(response.statusCode === 200 ? text : `status ${response.statusCode}`))
    })
    request.on('error', (e: NodeJS.ErrnoException) =>
      e.code === 'ECONNREFUSED' || e.code === 'ENOENT' ? resolve(undefined) : reject(e),
    )
  })

async function listening(server: Server, port: number, host = '127.0.0.1'): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('an address is listened on once in a process, until its last user leaves', async (t) => {
  const port = await freePort()
  const site = siteFor(temporaryDir(t), `127.0.0.1:${port}`)
  site.answers.put('token', 'token.thumb')
  await Promise.all([join(site, signal), join(site, signal), join(site, signal)])
  assert.equal(await fetched({ port }, 'token'), 'token.thumb')
  assert.equal(await fetched({ port }, 'other'), 'status 404')
  site.answers.remove('token', site.log)
  await leave(site, signal)
  await leave(site, signal)
  assert.equal(await fetched({ port }, 'token'), 'status 404')
  await leave(site, signal)
  assert.equal(await fetched({ port }, 'token'), undefined)
})

/** Leaves while another run relies on the listener: it goes on answering, and is left when that run is done. */
async function leaveBeside(site: Kept, port: number): Promise<void> {
  site.answers.put('of-another-run', 'x')
  let hasLeft = false
  const left = leave(site, signal).then(() => {
    hasLeft = true
  })
  assert.equal(await fetched({ port }, 'of-another-run'), 'x')
  assert.equal(hasLeft, false)
  site.answers.remove('of-another-run', site.log)
  await left
}

test('a listener that other runs rely on stays until they are done', async (t) => {
  const port = await freePort()
  const site = siteFor(temporaryDir(t), `127.0.0.1:${port}`)
  await join(site, signal)
  await leaveBeside(site, port)
  assert.equal(await fetched({ port }, 'of-another-run'), undefined)
})

test('one that root has opened early stays as long, and to the end of the process', async (t) => {
  const port = await freePort()
  const site = siteFor(temporaryDir(t), `127.0.0.1:${port}`)
  await openEarly(site)
  await join(site, signal)
  await leaveBeside(site, port)
  assert.equal(await fetched({ port }, 'of-another-run'), 'status 404')
})

/** A site whose port another run has, which answers from the same folder. */
async function besideAnother(t: TestContext) {
  const port = await freePort()
  const site = siteFor(temporaryDir(t), `127.0.0.1:${port}`)
  const other = challengeServer('http', (name) => site.answers.find(name))
  await listening(other.server, port)
  return { port, site, other }
}

test('who relies on another run says so all the time, and listens itself when that run is killed', async (t) => {
  const { port, site, other } = await besideAnother(t)
  const { answers, log } = site
  const solver = listenSolver({
    ...{ kind: 'http', address: site.text, folder: under(answers.path('.'), '..'), inherited: [], now, signal, log },
  })
  await solver.prepare()
  const presentation = { name: 'x.test', token: 'token', keyAuthorization: 'mine', accountUrl: undefined }
  await solver.present([presentation], () => {})
  const then = new Date(Date.now() - 60_000)
  utimesSync(answers.path('token'), then, then)
  assert.equal(answers.isInUse, false)
  const end = AbortSignal.timeout(30_000)
  while (!answers.isInUse) {
    assert.ok(!end.aborted, 'the answer is not refreshed')
    await new Promise(setImmediate)
  }
  await other.close()
  while ((await fetched({ port }, 'token')) !== 'mine') assert.ok(!end.aborted, 'nobody listens')
  await solver.close?.()
  assert.equal(await fetched({ port }, 'token'), undefined)
})

test('a signal ends that wait', async (t) => {
  const site = siteFor(temporaryDir(t), `127.0.0.1:${await freePort()}`)
  await join(site, signal)
  site.answers.put('of-another-run', 'x')
  await leave(site, AbortSignal.abort('SIGTERM'))
})

test('where another run answers from the same folder nothing is opened; when it has gone we listen', async (t) => {
  const { port, site, other } = await besideAnother(t)
  await join(site, signal)
  site.answers.put('token', 'mine')
  assert.equal(await fetched({ port }, 'token'), 'mine')
  await other.close()
  assert.equal(await fetched({ port }, 'token'), undefined)
  await ensure(site, signal)
  assert.equal(await fetched({ port }, 'token'), 'mine')
  site.answers.remove('token', site.log)
  await leave(site, signal)
  assert.deepEqual(readdirSync(site.answers.path('.')), [], 'what was asked for is gone')
})

for (const kind of ['http', 'tls'] as const)
  test(`${kind}: a probe knows ours from others`, async (t) => {
    const port = await freePort()
    const site = siteFor(temporaryDir(t), `:${port}`, kind)
    assert.equal(await probe(site, signal), 'nobody')
    await join(site, signal)
    assert.equal(await probe(site, signal), 'ours')
    await leave(site, signal)
    const stranger = challengeServer(kind, () => 'something else')
    await listening(stranger.server, port)
    t.after(() => stranger.close())
    assert.equal(await probe(site, signal), 'others')
    assert.deepEqual(readdirSync(site.answers.path('.')), [])
  })

test('another program is waited for, and said so; a signal ends that', async (t) => {
  const other = createServer((socket) => socket.destroy())
  const port = await listening(other, 0)
  const site = siteFor(temporaryDir(t), `127.0.0.1:${port}`)
  const joined = join(site, signal)
  while (site.log.lines.length === 0) await new Promise(setImmediate)
  assert.match(
    site.log.lines.join(),
    new RegExp(`waiting until another program stops listening on '127.0.0.1:${port}'`),
  )
  await assert.rejects(join(site, AbortSignal.abort('SIGTERM')), { kind: 'later' })
  other.close()
  await joined
  assert.equal(await fetched({ port }, 'x'), 'status 404')
  await leave(site, signal)
})

test('an address of another machine is a fault of the config', async (t) => {
  const site = siteFor(temporaryDir(t), '192.0.2.1:8080')
  await assert.rejects(join(site, signal), { kind: 'config', message: /cannot listen on '192\.0\.2\.1:8080'/ })
})

test('IPv4 and IPv6 at once, and IPv6 alone', async (t) => {
  const port = await freePort()
  const both = siteFor(temporaryDir(t), `:${port}`)
  both.answers.put('token', 'x')
  await join(both, signal)
  try {
    assert.equal(await fetched({ port, host: '127.0.0.1' }, 'token'), 'x')
    assert.equal(await fetched({ port, host: '::1' }, 'token'), 'x')
  } finally {
    both.answers.remove('token', both.log)
    await leave(both, signal)
  }
  const six = siteFor(temporaryDir(t), `[::1]:${port}`)
  await join(six, signal)
  assert.equal(await fetched({ port, host: '::1' }, 'token'), 'status 404')
  assert.equal(await fetched({ port, host: '127.0.0.1' }, 'token'), undefined)
  await leave(six, signal)
})

test('who has left while it was taking over listens no longer', async (t) => {
  const { port, site, other } = await besideAnother(t)
  await join(site, signal)
  await other.close()
  const taking = hold(site, [])
  await leave(site, signal)
  await taking
  assert.equal(await fetched({ port }, 'x'), undefined)
})

test('a unix socket: everybody may connect, one that was left is replaced, and it goes with its listener', async (t) => {
  const dir = temporaryDir(t)
  const path = under(dir, 'acme.sock')
  // A process that is killed leaves its socket.
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', script]), 'exit')
  assert.ok(existsSync(path))
  const site = siteFor(dir, path)
  site.answers.put('token', 'x')
  await join(site, signal)
  assert.equal(await fetched({ socketPath: path }, 'token'), 'x')
  site.answers.remove('token', site.log)
  await leave(site, signal)
  assert.ok(!existsSync(path))
})

test('a unix socket in a folder that does not let us: told what it takes', async (t) => {
  const site = siteFor(temporaryDir(t), under(temporaryDir(t), 'missing', 'acme.sock'))
  await assert.rejects(join(site, signal), (e) => {
    assert.ok(e instanceof NixacmeError && e.kind === 'permission', String(e))
    assert.match(e.hints.join(), /^in units systemd makes the socket; by hand user 'acme' does/)
    return true
  })
})

test('what is no socket is never removed', async (t) => {
  const dir = temporaryDir(t)
  const path = under(dir, 'file')
  writeFileSync(path, 'mine')
  const site = siteFor(dir, path)
  const waiting = new AbortController()
  const joined = join(site, waiting.signal)
  while (site.log.lines.length === 0) await new Promise(setImmediate)
  waiting.abort('SIGTERM')
  await assert.rejects(joined, { kind: 'later' })
  assert.ok(existsSync(path))
})

test('answers that killed runs have left do not keep anybody waiting for ever', (t) => {
  const { answers } = siteFor(temporaryDir(t), ':8080')
  answers.put('old', 'x')
  const then = new Date(Date.now() - 2 * 3_600_000)
  utimesSync(answers.path('old'), then, then)
  assert.equal(answers.isInUse, false)
  answers.put('new', 'x')
  assert.equal(answers.isInUse, true)
  answers.prepare()
  assert.deepEqual([answers.find('old'), answers.find('new')], [undefined, 'x'])
})

test('sockets of a service manager (sd_listen_fds(3))', () => {
  const of = (env: Record<string, string>, kind: ListenKind = 'http') => inheritedSockets({ env, pid: 7 }, kind)
  assert.deepEqual(of({}), [])
  assert.deepEqual(of({ LISTEN_PID: '8', LISTEN_FDS: '1' }), [], 'those of another process')
  assert.deepEqual(of({ LISTEN_PID: '7', LISTEN_FDS: '2' }), [3, 4])
  const named = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'http:tls:acme-http.socket' }
  assert.deepEqual(of(named), [3, 5])
  assert.deepEqual(of(named, 'tls'), [4])
  for (const wrong of ['x', '-1', '65', '1.5', ''])
    assert.throws(() => of({ LISTEN_PID: '7', LISTEN_FDS: wrong }), { kind: 'config' }, wrong)
})

test('addresses', () => {
  assert.deepEqual(parseListenAddress(':80'), { host: undefined, port: 80 })
  assert.deepEqual(parseListenAddress('127.0.0.1:8080'), { host: '127.0.0.1', port: 8080 })
  assert.deepEqual(parseListenAddress('[::1]:443'), { host: '::1', port: 443 })
  assert.deepEqual(parseListenAddress('localhost:80'), { host: 'localhost', port: 80 })
  assert.deepEqual(parseListenAddress('/run/acme.sock'), { path: '/run/acme.sock' })
  for (const wrong of ['80', '', ':0', ':65536', '::1:80', '[127.0.0.1]:80', 'example.com:80', ':80 '])
    assert.throws(() => parseListenAddress(wrong), { kind: 'data' }, wrong)
  for (const [text, wanted] of [
    [':80', true],
    [':1023', true],
    [':1024', false],
    ['/run/x', false],
  ] as const)
    assert.equal(isPrivileged(parseListenAddress(text)), wanted, text)
})
