// http-01 and tls-alpn-01 by listeners of our own, judged by Pebble: names and addresses, IPv4 and IPv6, many at once.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { listenSolver } from '../../src/acme/challenges/listen.ts'
import { removeAnswer } from '../../src/acme/challenges/shared-answers.ts'
import { issue } from '../../src/acme/issue.ts'
import { AcmeProblem } from '../../src/acme/problem.ts'
import type { ChallengeGroup } from '../../src/config/config.ts'
import { freePort, type Pebble, pebbleMissing, startPebble } from '../support/pebble.ts'
import { type Bench, bench, failureOf, keptLog } from './request.ts'

const isTaken = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

/** The answers that lie in the folder. */
const answersIn = ({ req }: Bench): string[] =>
  ['http', 'tls'].flatMap((kind) => {
    const folder = join(req.challengeFolder, kind)
    return existsSync(folder) ? readdirSync(folder) : []
  })

describe('listeners, at Pebble', { skip: pebbleMissing ?? false }, () => {
  let pebble: Pebble
  before(async () => {
    pebble = await startPebble()
  })
  after(() => pebble.stop())

  const at = (host: string, kind: 'listen-http' | 'listen-tls', ...names: string[]): ChallengeGroup => ({
    names,
    challenge: { kind, address: `${host}:${kind === 'listen-http' ? pebble.httpPort : pebble.tlsPort}` },
  })
  const over = (kind: 'listen-http' | 'listen-tls', ...names: string[]) => at('', kind, ...names)
  const benchFor = (t: TestContext, ...challenges: ChallengeGroup[]): Bench =>
    bench(t, pebble.directoryUrl, {
      caCertificates: [pebble.tlsRoot],
      names: challenges.flatMap(({ names }) => names),
      challenges,
    })
  const issued = async ({ req }: Bench): Promise<string | undefined> =>
    new X509Certificate((await issue(req))?.chain[0] ?? '').subjectAltName
  /** Nothing is left, and nobody listens. */
  async function assertClean(b: Bench) {
    assert.deepEqual(answersIn(b), [])
    assert.equal(existsSync(b.req.ledger.path), false)
    assert.deepEqual([await isTaken(pebble.httpPort), await isTaken(pebble.tlsPort)], [false, false])
  }

  for (const kind of ['listen-http', 'listen-tls'] as const)
    test(`${kind}: names and addresses, by IPv4 and IPv6`, async (t) => {
      const b = benchFor(t, over(kind, 'a.example', 'b.example', '127.0.0.1', '::1'))
      const names = 'DNS:a.example, DNS:b.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1'
      assert.equal(await issued(b), names)
      await assertClean(b)
    })

  for (const [kind, host] of [
    ['listen-http', '[::]'],
    ['listen-tls', '[::1]'],
  ] as const)
    test(`${kind} at ${host}: a name that has an address of IPv6 only`, async (t) => {
      await pebble.tell('set-default-ipv4', { ip: '' })
      await pebble.tell('set-default-ipv6', { ip: '::1' })
      t.after(async () => {
        await pebble.tell('set-default-ipv4', { ip: '127.0.0.1' })
        await pebble.tell('set-default-ipv6', { ip: '' })
      })
      const b = benchFor(t, at(host, kind, 'six.example'))
      assert.equal(await issued(b), 'DNS:six.example')
      await assertClean(b)
    })

  test('one certificate, each name in its own way', async (t) => {
    const b = benchFor(t, over('listen-http', 'a.example'), over('listen-tls', 'b.example'))
    assert.equal(await issued(b), 'DNS:a.example, DNS:b.example')
    await assertClean(b)
  })

  for (const kind of ['listen-http', 'listen-tls'] as const)
    test(`${kind}: five at once on one port, two of them for the same name`, async (t) => {
      const one = benchFor(t, over(kind, 'same.example'))
      const names = ['same.example', 'c.example', 'd.example', 'e.example']
      const others = names.map((name) => {
        const b = benchFor(t, over(kind, name))
        return { ...b, req: { ...b.req, challengeFolder: one.req.challengeFolder } }
      })
      const wanted = ['same.example', ...names].map((name) => `DNS:${name}`)
      assert.deepEqual(await Promise.all([one, ...others].map(issued)), wanted)
      await assertClean(one)
    })

  for (const kind of ['listen-http', 'listen-tls'] as const)
    test(`${kind}: a dry run opens and closes the port, and a wildcard is refused`, async (t) => {
      const b = benchFor(t, over(kind, 'a.example'))
      assert.equal(await issue({ ...b.req, dryRun: true }), undefined)
      await assertClean(b)
      const wild = benchFor(t, over(kind, '*.a.example'))
      const failure = await failureOf(issue(wild.req))
      assert.match(failure.message, /offers no (http|tls-alpn)-01 challenge for/)
      await assertClean(wild)
    })

  test('a CA that comes elsewhere is told, and nothing stays', async (t) => {
    const b = bench(t, pebble.directoryUrl, {
      caCertificates: [pebble.tlsRoot],
      names: ['a.example'],
      challenges: [
        { names: ['a.example'], challenge: { kind: 'listen-http', address: `127.0.0.1:${await freePort()}` } },
      ],
    })
    const failure = await failureOf(issue(b.req))
    assert.ok(failure instanceof AcmeProblem)
    assert.match(failure.hints.join(), /port 80: what comes there must reach '127\.0\.0\.1:\d+' of this machine/)
    await assertClean(b)
  })
})

test('the answer of a killed run is taken away by the next, and nothing else', async (t) => {
  const b = bench(t, 'https://ca.example/dir')
  const folder = b.req.challengeFolder
  const options = { address: `127.0.0.1:${await freePort()}`, folder, inherited: [], now: b.req.now, log: keptLog() }
  const solver = listenSolver({ kind: 'http', signal: b.req.signal, ...options })
  const noted: string[] = []
  await solver.prepare()
  await solver.present(
    [{ name: 'a.example', token: 'token', keyAuthorization: 'x', accountUrl: undefined }],
    (traces) => {
      assert.deepEqual(answersIn(b), [], 'it is noted before it is there')
      for (const trace of traces) noted.push('path' in trace ? trace.path : '')
    },
  )
  assert.deepEqual(noted, [join(folder, 'http', 'token')])
  assert.deepEqual(answersIn(b), ['token'])
  for (const other of [
    '/etc/passwd',
    join(folder, 'http'),
    `${folder}/http/../../x`,
    `${folder}/http/.x`,
    `${folder}/x/y`,
  ])
    assert.throws(() => removeAnswer(folder, other), { kind: 'config' }, other)
  removeAnswer(folder, noted[0] ?? '')
  removeAnswer(folder, noted[0] ?? '')
  assert.deepEqual(answersIn(b), [])
  await solver.close?.()
})

test('by TLS the second order for a name waits for the first, and says so', async (t) => {
  const b = bench(t, 'https://ca.example/dir')
  const address = `127.0.0.1:${await freePort()}`
  const log = keptLog()
  const make = () =>
    listenSolver({
      kind: 'tls',
      address,
      folder: b.req.challengeFolder,
      inherited: [],
      now: b.req.now,
      signal: b.req.signal,
      log,
    })
  const [first, second] = [make(), make()]
  const show = { name: 'a.example', token: 'one', keyAuthorization: 'x', accountUrl: undefined }
  for (const solver of [first, second]) await solver.prepare()
  await first.present([show], () => {})
  let isShown = false
  const shown = Promise.resolve(second.present([{ ...show, token: 'two' }], () => {})).then(() => {
    isShown = true
  })
  while (log.lines.length === 0) await wait(5)
  assert.match(log.lines.join(), /waiting: another run proves 'a\.example' by tls-alpn-01/)
  assert.equal(isShown, false)
  await first.close?.()
  await shown
  await second.close?.()
  assert.deepEqual(answersIn(b), [])
})
