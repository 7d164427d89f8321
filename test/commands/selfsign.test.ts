// `selfsign`, `selfsign-ca` and `wait` from the config to the files: services start on a self-signed certificate, get the
// real one, and whoever waits hears of it.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { contextFor } from '../../src/commands/globals.ts'
import { selfsign } from '../../src/commands/selfsign.ts'
import { selfsignCa } from '../../src/commands/selfsign-ca.ts'
import { type WaitOptions, wait } from '../../src/commands/wait.ts'
import { NixacmeError } from '../../src/errors.ts'
import { readInstalled } from '../../src/renewal/installed.ts'
import { trySlot } from '../../src/renewal/lock.ts'
import { day as oneDay } from '../support/certificates.ts'
import { type FakeHost, fakeHost, type HostChanges } from '../support/fake-host.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, makeWorld, type World } from '../support/world.ts'

interface Scene {
  readonly world: World
  /** Lines that the hook wrote. */
  told(): string[]
  selfsign(changes?: HostChanges): Promise<{ status: number; stderr: string }>
  wait(
    options: Partial<WaitOptions>,
    changes?: HostChanges,
  ): { readonly host: FakeHost; readonly status: Promise<number> }
  shown(name: string): string
}

async function makeScene(t: TestContext): Promise<Scene> {
  const world = await makeWorld(t, { way: 'in-process' })
  const log = join(world.dir, 'told')
  world.configure({ defaults: { postRun: `echo "$NIXACME_KIND $NIXACME_NAMES" >> '${log}'` } })
  const hostWith = (changes: HostChanges = {}) =>
    fakeHost({ env: { PATH: process.env['PATH'], ...world.env }, ...changes })
  return {
    world,
    told: () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : []),
    async selfsign(changes) {
      const host = hostWith(changes)
      const status = await selfsign(cert, await contextFor(host, {}))
      return { status, stderr: host.said.stderr }
    },
    wait(options, changes) {
      const host = hostWith(changes)
      const all = { real: false, seconds: 0, ...options }
      return { host, status: contextFor(host, {}).then((context) => wait(cert, all, context)) }
    },
    shown: (name) => fs.readFileSync(join(world.paths().out, name), 'utf8'),
  }
}

const addAlias = ({ world }: Scene, ...extraDomainNames: string[]) => {
  const postRun = `echo "$NIXACME_KIND $NIXACME_NAMES" >> '${join(world.dir, 'told')}'`
  world.configure({ defaults: { postRun }, certs: { [cert]: { extraDomainNames } } })
}

test('from nothing to the real one, and never back: each is told, with its kind', async (t) => {
  const scene = await makeScene(t)
  const { world } = scene
  const first = await scene.selfsign()
  assert.equal(first.status, 0, first.stderr)
  assert.match(first.stderr, /installed self-signed certificate, valid until /)
  assert.deepEqual(scene.told(), ['selfsigned example.com www.example.com'])
  assert.equal(await scene.wait({}).status, 0)
  await assert.rejects(scene.wait({ real: true }).status, { exitStatus: 75 })

  addAlias(scene, 'www.example.com', 'alias.example.com')
  assert.match((await scene.selfsign()).stderr, /changed: 'alias\.example\.com'\n/)
  assert.equal(scene.told()[1], 'selfsigned example.com www.example.com alias.example.com')

  // The CA's certificates are backdated, and end long before the self-signed one.
  world.ca.lifetime = { notBeforeOffsetSeconds: -3600, seconds: 6 * 86_400 }
  const renewed = await world.nixacme(['renew', cert])
  assert.equal(renewed.status, 0, renewed.stderr)
  assert.equal(scene.told()[2], 'acme example.com www.example.com alias.example.com')
  assert.equal(await scene.wait({ real: true }).status, 0)

  const before = world.tree()
  assert.match((await scene.selfsign()).stderr, /no self-signed certificate needed: the real certificate is there\n$/)
  addAlias(scene, 'other.example.com')
  const config = join(world.dir, 'etc', 'config.toml')
  assert.match((await scene.selfsign()).stderr, /no self-signed certificate needed: the real certificate is there\n$/)
  assert.deepEqual(changesBetween(before, world.tree()), [`~${config}`])
  assert.equal(scene.told().length, 3)
})

test('a real one stored but not installed, as a kill leaves it, replaces the self-signed one in a run with nothing due', async (t) => {
  const scene = await makeScene(t)
  const { world } = scene
  await world.issueAll()
  fs.rmSync(world.paths().out, { recursive: true })
  fs.renameSync(world.paths().legoCert, join(world.dir, 'aside'))
  await scene.selfsign()
  fs.rmSync(world.paths().legoCert, { recursive: true })
  fs.renameSync(join(world.dir, 'aside'), world.paths().legoCert)
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /skipping renewal: /)
  assert.match(stderr, /installed new certificate/)
  assert.equal(world.ca.count(), 0)
  assert.equal(await scene.wait({ real: true }).status, 0)
})

test('all slots taken by runs that wait for a CA: a self-signed certificate comes all the same', async (t) => {
  const scene = await makeScene(t)
  fs.mkdirSync(scene.world.roots.runtime)
  const slots = [1, 2, 3, 4, 5].map((n) => trySlot(join(scene.world.roots.runtime, `${n}.lock`)))
  t.after(() => slots.map((slot) => slot?.release()))
  assert.ok(slots.every(Boolean))
  assert.equal((await scene.selfsign()).status, 0)
  assert.equal(readInstalled(scene.world.paths().out).kind, 'whole')
})

test('a hook that fails is run again by the next run, which makes nothing', async (t) => {
  const scene = await makeScene(t)
  const { world } = scene
  const told = join(world.dir, 'told')
  world.configure({ defaults: { postRun: `echo "$NIXACME_KIND" >> '${told}'; exit 1` } })
  for (const times of [1, 2]) {
    await assert.rejects(scene.selfsign(), { exitStatus: 1 })
    assert.deepEqual(scene.told(), Array(times).fill('selfsigned'))
  }
  world.configure({ defaults: { postRun: `echo mended >> '${told}'` } })
  assert.equal((await scene.selfsign()).status, 0)
  assert.equal(scene.told().at(-1), 'mended')
  assert.equal(fs.readdirSync(join(world.paths().out, '.generations')).length, 1)
})

test('selfsign-ca: made once, then silence', async (t) => {
  const { world } = await makeScene(t)
  const runs: string[] = []
  for (let i = 0; i < 2; i++) {
    const host = fakeHost({ env: world.env })
    assert.equal(await selfsignCa(await contextFor(host, {})), 0)
    runs.push(host.said.stderr.replace(/.*: compiling in memory\nnixacme: hint: .*\n/, ''))
  }
  assert.match(runs[0] ?? '', /^nixacme: made a local CA for self-signed certificates in '.*\/\.minica'\n$/)
  assert.equal(runs[1], '')
})

test('a certificate that the config does not have: 64', async (t) => {
  const { world } = await makeScene(t)
  const context = await contextFor(fakeHost({ env: world.env }), {})
  await assert.rejects(selfsign('unknown.test', context), { exitStatus: 64 })
  await assert.rejects(wait('unknown.test', { real: false, seconds: 0 }, context), { exitStatus: 64 })
})

const late = (sentence: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError && e.exitStatus === 75, String(e))
  assert.match(e.message, sentence)
  assert.deepEqual(e.hints, [`systemctl status acme-${cert}.service`, `journalctl -u acme-${cert}.service`])
  return true
}

test('wait: what is there instead is said, and nothing is written', async (t) => {
  const scene = await makeScene(t)
  const { world } = scene
  const none = world.tree()
  await assert.rejects(
    scene.wait({}).status,
    late(/^a certificate is not there after 0 seconds: nothing is installed$/),
  )
  assert.deepEqual(changesBetween(none, world.tree()), [])
  await scene.selfsign()
  const before = world.tree()
  const until = new Date(new X509Certificate(scene.shown('cert.pem')).validTo)
  const expired = { now: () => new Date(until.getTime() + 1000) }
  await assert.rejects(
    scene.wait({ real: true }).status,
    late(
      /^the real certificate is not there after 0 seconds: there is a self-signed one until \d{4}-\d\d-\d\dT\d\d:\d\dZ$/,
    ),
  )
  await assert.rejects(scene.wait({}, expired).status, late(/: the self-signed one expired at \d{4}-/))
  assert.deepEqual(changesBetween(before, world.tree()), [])
  addAlias(scene, 'alias.example.com')
  await assert.rejects(scene.wait({}).status, late(/: the self-signed one lacks 'alias\.example\.com'$/))
  fs.unlinkSync(join(world.paths().out, 'full.pem'))
  await assert.rejects(
    scene.wait({}).status,
    late(/: what is installed is no whole set: 'full\.pem' is missing or empty$/),
  )
})

test('wait: a real one that expired, and one that lacks a name, do not do', async (t) => {
  const scene = await makeScene(t)
  const { world } = scene
  await world.issueAll()
  addAlias(scene, 'alias.example.com')
  await assert.rejects(scene.wait({ real: true }).status, late(/: the installed one lacks 'alias\.example\.com'$/))
  const later = { now: () => new Date(Date.now() + 3650 * oneDay) }
  await assert.rejects(scene.wait({ real: true }, later).status, late(/: the installed one expired at /))
})

test('wait: says once that it waits, and ends when the certificate comes', async (t) => {
  const scene = await makeScene(t)
  const waiting = scene.wait({ seconds: 60 })
  const real = scene.wait({ seconds: 60, real: true })
  while (!/waiting/.test(waiting.host.said.stderr) || !/waiting/.test(real.host.said.stderr))
    await new Promise(setImmediate)
  await scene.selfsign()
  assert.equal(await waiting.status, 0)
  const said = waiting.host.said.stderr.split('\n').filter((line) => line.includes('waiting'))
  assert.deepEqual(said, ['nixacme: example.com: waiting up to 60 seconds for a certificate: nothing is installed'])
  await scene.world.issueAll()
  assert.equal(await real.status, 0)
})

test('wait: SIGTERM ends it, and so does the end of its patience, whatever the clock says', async (t) => {
  const scene = await makeScene(t)
  const stop = new AbortController()
  const stopped = scene.wait({ seconds: 3600 }, { interrupted: stop.signal })
  while (!/waiting/.test(stopped.host.said.stderr)) await new Promise(setImmediate)
  stop.abort('SIGTERM')
  await assert.rejects(stopped.status, { exitStatus: 75, message: 'stopped by SIGTERM' })
  // Set back by an hour with each look: counted by the clock, this would never end.
  let looks = 0
  const backwards = { now: () => new Date(Date.now() - looks++ * 3_600_000) }
  await assert.rejects(scene.wait({ seconds: 1 }, backwards).status, late(/after 1 seconds: nothing is installed$/))
})
