// When a self-signed certificate is made, what is made, and what it never replaces.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { LeafFacts } from '../../src/certificate/read.ts'
import { installedNames, readInstalled } from '../../src/renewal/installed.ts'
import { type Held, tryFolder } from '../../src/renewal/lock.ts'
import { judgePreliminary, leastLeft, type Situation } from '../../src/renewal/preliminary.ts'
import { minicaShape } from '../certificate/minica.ts'
import { day, foreignKey, makeSet } from '../support/certificates.ts'
import { temporaryDir } from '../support/process.ts'
import { cert, jobOf } from './support/job-of.ts'
import { layCa, layMinica, makeStart, type Start } from './support/preliminary.ts'
import { writeCertificate } from './support/stored.ts'
import { foreignGid, snapshot } from './support/world.ts'

const now = new Date('2026-11-22T00:00:00Z')
const names = ['x.test', '*.x.test', '192.0.2.7', '2001:db8::1']
const inDays = (days: number) => new Date(now.getTime() + days * day)

const facts = (change: Partial<LeafFacts> = {}): LeafFacts => ({
  notBefore: inDays(-1),
  notAfter: inDays(700),
  names: ['*.x.test', 'x.test'],
  addresses: ['192.0.2.7', '2001:db8::1'],
  preliminary: true,
  ...change,
})
const whole = (change: Partial<LeafFacts> = {}) => ({ kind: 'whole' as const, facts: facts(change), leaf: '' })
const real = (change: Partial<LeafFacts> = {}) => whole({ preliminary: false, ...change })
const torn = (isPreliminary: boolean) => ({ kind: 'torn' as const, isPreliminary, flaw: "'full.pem' is missing" })
const stored = (change: Partial<LeafFacts> = {}) =>
  ({ kind: 'usable', facts: facts({ preliminary: false, ...change }), set: {} as never }) as const
const nothing = { kind: 'nothing' } as const

for (const [what, change, kind, reason] of [
  ['nothing', {}, 'make', /^no certificate yet$/],
  ['a real one waits, nothing is installed', { candidate: stored() }, 'make', /no certificate yet/],
  ['a real one waits, a self-signed one is there', { candidate: stored(), installed: whole() }, 'leave', /real/],
  ['a real one waits that expired', { candidate: stored({ notAfter: now }) }, 'make', /no certificate yet/],
  ['a real one waits without a name', { candidate: stored({ names: ['x.test'] }) }, 'make', /no certificate yet/],
  ['what waits is damaged', { candidate: { kind: 'unusable', reason: 'x' } }, 'make', /no certificate yet/],
  ['a real one', { installed: real() }, 'leave', /^the real certificate is there$/],
  ['a real one with other names', { installed: real({ names: ['y.test'] }) }, 'leave', /real/],
  [
    'a real one that expired',
    { installed: real({ notAfter: now }) },
    'refuse',
    /^the real certificate expired at 2026-/,
  ],
  ['half a real one', { installed: torn(false) }, 'refuse', /no whole set: 'full\.pem' is missing/],
  ['half a real one, a whole one waits', { installed: torn(false), candidate: stored() }, 'leave', /real/],
  ['a self-signed one', { installed: whole() }, 'leave', /^the self-signed certificate is in order$/],
  ['half a self-signed one', { installed: torn(true) }, 'make', /not whole: 'full\.pem' is missing/],
  ['one without a name', { installed: whole({ names: ['x.test'] }) }, 'make', /changed: '\*\.x\.test'$/],
  ['one without an address', { installed: whole({ addresses: ['192.0.2.7'] }) }, 'make', /changed: '2001:db8::1'$/],
  ['one with a name more', { installed: whole({ names: ['x.test', '*.x.test', 'y.test'] }) }, 'make', /'y\.test'$/],
  [
    'one with an address more',
    { installed: whole({ addresses: ['192.0.2.7', '2001:db8::1', '192.0.2.8'] }) },
    'make',
    /'192\.0\.2\.8'$/,
  ],
  ['one that expired', { installed: whole({ notAfter: inDays(-1) }) }, 'make', /ends 2026-11-21/],
  ['one with less than 30 days left', { installed: whole({ notAfter: inDays(29.9) }) }, 'make', /ends 2026-12-21/],
  ['one with 30 days left', { installed: whole({ notAfter: new Date(now.getTime() + leastLeft) }) }, 'leave', /order/],
  ['one of another local CA', { installed: whole(), isOfPresentCa: false }, 'make', /another local CA/],
] as const satisfies readonly (readonly [string, Partial<Situation>, string, RegExp])[])
  test(`${what}: ${kind}`, () => {
    const none: Situation = {
      installed: nothing,
      candidate: { kind: 'missing', what: 'key' },
      names,
      isOfPresentCa: true,
      now,
    }
    const verdict = judgePreliminary({ ...none, ...change })
    assert.equal(verdict.kind, kind)
    assert.match(verdict.reason, reason)
  })

test('IPv6 addresses and capitals are the same in every spelling', () => {
  const same = ['X.test', '*.x.test', '192.0.2.7', '2001:DB8:0::0:1']
  const verdict = judgePreliminary({
    installed: whole(),
    candidate: { kind: 'missing', what: 'key' },
    names: same,
    isOfPresentCa: true,
    now,
  })
  assert.equal(verdict.kind, 'leave')
})

const notice = /^nixacme: x\.test: installed self-signed certificate, valid until \d{4}-\d\d-\d\dT\d\d:\d\dZ: /m

test('the first one: the layout of the contract through the generations, the CA made with it, the marker of its kind', async (t) => {
  const start = makeStart(t, foreignGid)
  assert.match(await start.selfsign(names), notice)
  const { out } = start.paths
  const [key, leaf, ca] = ['key.pem', 'cert.pem', 'chain.pem'].map(start.shown) as [string, string, string]
  assert.equal(ca, fs.readFileSync(start.ca.certificate, 'utf8'))
  assert.equal(start.shown('fullchain.pem'), leaf + ca)
  assert.equal(start.shown('full.pem'), key + leaf + ca)
  assert.ok(new X509Certificate(leaf).verify(new X509Certificate(ca).publicKey))
  const generation = fs.readlinkSync(join(out, 'current'))
  for (const name of installedNames) {
    assert.equal(fs.readlinkSync(join(out, name)), `current/${name}`)
    const s = fs.lstatSync(join(out, generation, name))
    assert.ok(s.isFile(), `${name} is a regular file`)
    assert.deepEqual([s.mode & 0o7777, s.gid], [0o640, foreignGid ?? s.gid])
  }
  assert.equal(start.shown('renewed'), 'selfsigned\n')
  for (const dir of [out, start.paths.legoCert]) assert.equal(fs.statSync(dir).mode & 0o7777, 0o750)
})

test('again: one line is said and nothing is written; order and spelling of the names do not matter', async (t) => {
  const start = makeStart(t)
  await start.selfsign(names)
  const before = snapshot(start.roots.state)
  for (const same of [names, [...names].reverse()])
    assert.equal(
      await start.selfsign(same),
      'nixacme: x.test: no self-signed certificate needed: the self-signed certificate is in order\n',
    )
  assert.deepEqual(snapshot(start.roots.state), before)
})

test('other names: a new one of the same CA, the one before is kept, the hook is told', async (t) => {
  const start = makeStart(t)
  await start.selfsign(['x.test'])
  const [first, ca] = [start.shown('cert.pem'), start.shown('chain.pem')]
  fs.unlinkSync(join(start.paths.out, 'renewed'))
  assert.match(await start.selfsign(['x.test', 'y.test']), /changed: 'y\.test'\n/)
  assert.equal(new X509Certificate(start.shown('cert.pem')).subjectAltName, 'DNS:x.test, DNS:y.test')
  assert.equal(start.shown('chain.pem'), ca)
  assert.equal(start.shown('renewed'), 'selfsigned\n')
  const generations = join(start.paths.out, '.generations')
  const kept = fs.readdirSync(generations).map((id) => fs.readFileSync(join(generations, id, 'cert.pem'), 'utf8'))
  assert.ok(kept.length === 2 && kept.includes(first))
  assert.match(await start.selfsign(['y.test']), /changed: 'x\.test'\n/)
})

for (const name of installedNames)
  for (const [what, harm] of [
    ['is gone', (path: string) => fs.unlinkSync(path)],
    ['is cut short', (path: string) => fs.truncateSync(path, 200)],
    ['is empty', (path: string) => fs.truncateSync(path, 0)],
  ] as const)
    test(`a self-signed set whose ${name} ${what} is made anew`, async (t) => {
      const start = makeStart(t)
      await start.selfsign()
      harm(join(start.paths.out, name))
      assert.match(await start.selfsign(), notice)
      assert.equal(readInstalled(start.paths.out).kind, 'whole')
    })

test('a lone key, as a killed minica leaves it', async (t) => {
  const start = makeStart(t)
  fs.mkdirSync(start.paths.out, { recursive: true })
  fs.writeFileSync(join(start.paths.out, 'key.pem'), 'half a k')
  assert.match(await start.selfsign(), notice)
})

test('another CA: a new one', async (t) => {
  const start = makeStart(t)
  await start.selfsign()
  fs.rmSync(start.ca.folder, { recursive: true })
  assert.match(await start.selfsign(), /of another local CA\n/)
  assert.equal(start.shown('chain.pem'), fs.readFileSync(start.ca.certificate, 'utf8'))
})

test("a NixOS machine's CA and self-signed set are taken over, and followed when names change", async (t) => {
  const start = makeStart(t)
  const minica = minicaShape(temporaryDir(t), { key: 'ec384' })
  layCa(start, minica)
  await layMinica(start, minica, ['x.test'])
  const before = snapshot(start.roots.state)
  assert.match(await start.selfsign(['x.test']), /in order\n/)
  assert.deepEqual(snapshot(start.roots.state), before)
  assert.match(await start.selfsign(['x.test', 'y.test']), notice)
  assert.equal(start.shown('chain.pem'), minica.certificate)
  assert.ok(fs.readdirSync(join(start.paths.out, '.generations')).some((id) => id.startsWith('found-')))
})

/** What somebody else put there, as plain files. */
const lay = async (
  { paths: { out } }: Start,
  set: Awaited<ReturnType<typeof makeSet>>,
  without: readonly string[] = [],
) => {
  fs.mkdirSync(out, { recursive: true })
  const files = {
    'key.pem': set.key,
    'fullchain.pem': set.fullchain,
    'chain.pem': set.issuers,
    'cert.pem': set.chain[0] ?? '',
  }
  for (const [name, content] of Object.entries({ ...files, 'full.pem': set.key + set.fullchain }))
    if (!without.includes(name)) fs.writeFileSync(join(out, name), content)
}
const realSet = (until: number) =>
  makeSet({
    names: ['x.test'],
    notBefore: new Date(Date.now() - 90 * day),
    notAfter: new Date(Date.now() + until * day),
  })

for (const [what, prepare, level] of [
  ['a real certificate', async (s: Start) => lay(s, await realSet(30)), 'info'],
  ['one that expired', async (s: Start) => lay(s, await realSet(-1)), 'warning'],
  ['one with the key of another', async (s: Start) => lay(s, await foreignKey(await realSet(30))), 'warning'],
  ['one without its key', async (s: Start) => lay(s, await realSet(30), ['key.pem']), 'warning'],
  [
    'one of which only cert.pem is left',
    async (s: Start) => lay(s, await realSet(30), ['key.pem', 'fullchain.pem', 'chain.pem', 'full.pem']),
    'warning',
  ],
  [
    'one that cannot be read',
    async (s: Start) => {
      await lay(s, await realSet(30))
      for (const name of ['fullchain.pem', 'full.pem', 'chain.pem', 'cert.pem'])
        fs.writeFileSync(join(s.paths.out, name), 'nonsense')
    },
    'warning',
  ],
  [
    'a self-signed one of somebody else',
    async (s: Start) => {
      const ca = minicaShape(temporaryDir({ after() {} }), { key: 'ec', name: 'my own ca' })
      await layMinica(s, ca, ['x.test'], new Date(Date.now() - 3000 * day))
    },
    'warning',
  ],
] as const)
  test(`${what} is never touched`, async (t) => {
    const start = makeStart(t)
    await prepare(start)
    const before = snapshot(start.roots.state)
    const said = await start.selfsign()
    if (level === 'info')
      assert.equal(said, 'nixacme: x.test: no self-signed certificate needed: the real certificate is there\n')
    else
      assert.match(
        said,
        /^nixacme: warning: x\.test: [^\n]*, leaving it as it is\nnixacme: hint: 'nixacme renew x\.test' replaces it\n$/,
      )
    assert.deepEqual(snapshot(start.roots.state), before)
  })

test("a real certificate waits in lego's folder, and nothing is installed: services start with a self-signed one", async (t) => {
  const start = makeStart(t)
  writeCertificate(start.paths, jobOf([cert]), await makeSet({ names: [cert] }))
  assert.match(await start.selfsign([cert]), /installed self-signed certificate/)
  assert.match(await start.selfsign([cert]), /needed: the real certificate is there\n$/)
})

test('a clock of 1970: valid from the day of the build on, so that it is still good when the clock is set', async (t) => {
  const start = makeStart(t)
  const builtAt = new Date('2026-11-01T00:00:00Z')
  await start.selfsign(['x.test'], { now: () => new Date(0), builtAt })
  assert.equal(Date.parse(new X509Certificate(start.shown('cert.pem')).validFrom), builtAt.getTime())
  assert.equal(Date.parse(new X509Certificate(start.shown('chain.pem')).validFrom), builtAt.getTime())
  assert.match(await start.selfsign(['x.test'], { builtAt }), /in order\n/)
})

test('six runs at once make one certificate', async (t) => {
  const start = makeStart(t)
  const said = (await Promise.all(Array.from({ length: 6 }, () => start.selfsign()))).join('')
  assert.equal(said.match(/installed self-signed/g)?.length, 1)
  assert.equal(fs.readdirSync(join(start.paths.out, '.generations')).length, 1)
})

test('another run works on the certificate: it waits, and a signal ends the wait at once', async (t) => {
  const start = makeStart(t)
  fs.mkdirSync(start.paths.legoCert, { recursive: true })
  const held = tryFolder(start.paths.legoCert) as Held
  const stop = new AbortController()
  const run = start.selfsign(['x.test'], { interrupted: stop.signal })
  const refused = assert.rejects(run, { kind: 'later', message: 'stopped by SIGTERM' })
  stop.abort('SIGTERM')
  await refused
  const second = start.selfsign(['x.test'])
  held.release()
  assert.match(await second, notice)
})
