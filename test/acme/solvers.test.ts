// Several ways in one certificate, and the ledger of what was put where.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Ledger, type Trace } from '../../src/acme/challenges/ledger.ts'
import type { Solver, StandingProof } from '../../src/acme/challenges/solver.ts'
import { type Remove, Solvers } from '../../src/acme/challenges/solvers.ts'
import { NixacmeError } from '../../src/errors.ts'
import { folder, keptLog } from './request.ts'

const uid = process.getuid?.() ?? 0
const record = (name: string): Trace => ({
  kind: 'record',
  provider: 'desec',
  name,
  value: 'v',
  domain: 'example.com',
  token: 't',
  keyAuthorization: 't.k',
})
const file = (name: string): Trace => ({ kind: 'file', path: `/srv/${name}` })

/** A way that notes what it is asked, and fails where it is told to. */
function way(type: Solver['type'], said: string[], fails = false): Solver {
  return {
    type,
    hint: `look at ${type}`,
    prepare() {
      said.push(`${type}: prepare`)
    },
    async present(all, note) {
      note(all.map(({ token }) => ({ ...record(token) })))
      await new Promise(setImmediate)
      said.push(`${type}: ${all.map(({ name, token }) => `${name} ${token}`).join(', ')}`)
      if (fails) throw new NixacmeError('unavailable', `${type} fails`)
    },
    async close() {
      said.push(`${type}: close`)
    },
  }
}

function scene(t: TestContext, remove?: Remove, fails = false) {
  const log = keptLog()
  const said: string[] = []
  const path = join(folder(t), '.challenges.json')
  const removed: Trace[] = []
  const groups = [
    { names: ['example.com', 'www.example.com'], solver: way('http-01', said) },
    { names: ['*.example.com'], solver: way('dns-01', said, fails) },
  ]
  const open = () =>
    new Solvers(groups, {
      ledger: Ledger.open({ path, uid, gid: undefined }, log),
      remover: () =>
        remove ??
        (async (trace) => {
          removed.push(trace)
        }),
      log,
    })
  return { open, said, path, removed, log }
}

const of = (name: string, token: string, isWildcard = false) => ({
  name,
  token,
  isWildcard,
  keyAuthorization: `${token}.k`,
  accountUrl: undefined,
})

test('a wildcard is proven in its own way, beside the name without it; all side by side, and all taken away', async (t) => {
  const s = scene(t)
  const solvers = s.open()
  await solvers.prepare()
  assert.deepEqual([solvers.typeFor('example.com', false), solvers.typeFor('example.com', true)], ['http-01', 'dns-01'])
  await solvers.present([of('example.com', 'a'), of('example.com', 'b', true), of('www.example.com', 'c')])
  assert.deepEqual(s.said.slice(2), ['http-01: example.com a, www.example.com c', 'dns-01: example.com b'])
  assert.deepEqual(solvers.hintsFor(['www.example.com']), ['look at http-01'])
  assert.equal(statSync(s.path).mode & 0o777, 0o600)
  await solvers.cleanUp()
  assert.equal(s.removed.length, 3)
  assert.ok(!existsSync(s.path))
  assert.deepEqual(s.said.slice(-2).sort(), ['dns-01: close', 'http-01: close'])
})

test('one way fails: the others end first, and what was noted is taken away', async (t) => {
  const s = scene(t, undefined, true)
  const solvers = s.open()
  const work = solvers.present([of('example.com', 'b', true), of('www.example.com', 'c')])
  await assert.rejects(work, { message: 'dns-01 fails' })
  assert.ok(s.said.includes('http-01: www.example.com c'))
  await solvers.cleanUp()
  assert.equal(s.removed.length, 2)
})

for (const token of ['../../x', 'a/b', '', '.', 'a b', 'x'.repeat(300), 'a\n'])
  test(`token ${JSON.stringify(token.slice(0, 10))} reaches nobody: refused`, async (t) => {
    const s = scene(t)
    await assert.rejects(s.open().present([of('example.com', token)]), { kind: 'refused' })
    assert.deepEqual(s.said, [])
    assert.ok(!existsSync(s.path))
  })

test('a proof that stands: verified for its names, never presented, and without a token', async (t) => {
  const s = scene(t)
  const proof: StandingProof = {
    type: 'dns-persist-01',
    issuer: 'ca.example',
    hint: 'look at the record',
    async verify(names, accountUrl) {
      s.said.push(`verify ${names.join(', ')} of ${accountUrl}`)
    },
  }
  const ledger = Ledger.open({ path: s.path, uid, gid: undefined }, s.log)
  const groups = [
    { names: ['example.com', '*.example.com'], solver: proof },
    { names: ['www.example.com'], solver: way('http-01', s.said) },
  ]
  const solvers = new Solvers(groups, { ledger, remover: () => async () => {}, log: s.log })
  await solvers.verify('https://ca.example/acct/1')
  await solvers.prepare()
  assert.deepEqual(s.said, ['verify example.com, *.example.com of https://ca.example/acct/1', 'http-01: prepare'])
  assert.deepEqual(
    [solvers.issuerFor('example.com', true), solvers.issuerFor('www.example.com', false)],
    ['ca.example', undefined],
  )
  assert.equal(solvers.typeFor('example.com', false), 'dns-persist-01')
  await solvers.present([of('www.example.com', 'a')])
  assert.deepEqual(solvers.hintsFor(['example.com']), ['look at the record'])
  assert.equal(await solvers.cleanUp(), true)
})

test('a name that was not ordered is not proven', async (t) => {
  await assert.rejects(
    scene(t)
      .open()
      .present([of('other.example', 'a')]),
    { kind: 'refused' },
  )
})

test('what a killed run has noted is taken away by the next; what cannot be now, later; what never can, by hand', async (t) => {
  const kinds: Record<string, 'unavailable' | 'config'> = { later: 'unavailable', never: 'config' }
  const s = scene(t, async (trace) => {
    const kind = trace.kind === 'record' ? kinds[trace.name] : undefined
    if (kind) throw new NixacmeError(kind, 'no')
    s.removed.push(trace)
  })
  Ledger.open({ path: s.path, uid, gid: undefined }, s.log).add([file('gone'), record('later'), record('never')])
  await s.open().cleanUp()
  assert.deepEqual(s.removed, [file('gone')])
  assert.deepEqual(JSON.parse(readFileSync(s.path, 'utf8')).traces, [record('later')])
  assert.match(s.log.lines.join('\n'), /TXT record 'later' with 'v': no\nthe next run tries again/)
  assert.match(s.log.lines.join('\n'), /TXT record 'never' with 'v': no\nremove it by hand/)
})

test('answers of a killed run are gone before new ones are put; and it is told whether something stays', async (t) => {
  const s = scene(t)
  const answer: Trace = { kind: 'answer', path: '/run/acme/challenges/tls/example.com' }
  Ledger.open({ path: s.path, uid, gid: undefined }, s.log).add([answer, file('gone')])
  const solvers = s.open()
  await solvers.present([of('example.com', 'a')])
  assert.deepEqual(s.removed, [answer])
  assert.equal(await solvers.cleanUp(), true)
  const broken = scene(t, async () => {
    throw new NixacmeError('unavailable', 'no')
  }).open()
  await broken.present([of('example.com', 'a')])
  assert.equal(await broken.cleanUp(), false)
})

test('what could not be taken away is not tried a second time by the same run, and left to the next', async (t) => {
  const tried: Trace[] = []
  const s = scene(t, async (trace) => {
    tried.push(trace)
    throw new NixacmeError('unavailable', 'too slow')
  })
  const solvers = s.open()
  await solvers.present([of('example.com', 'a')])
  await solvers.cleanUp()
  await solvers.present([of('example.com', 'b')])
  assert.equal(await solvers.cleanUp(), false)
  assert.deepEqual(tried, [record('a'), record('b')])
  assert.equal(s.log.lines.filter((line) => line.startsWith('warning: cannot remove')).length, 2)
  await s.open().cleanUp()
  assert.deepEqual(tried.slice(2), [record('a'), record('b')])
})

for (const [what, write] of [
  ['not JSON', (path: string) => writeFileSync(path, '{"version":1,', { mode: 0o600 })],
  ['of another version', (path: string) => writeFileSync(path, '{"version":9,"traces":[]}', { mode: 0o600 })],
  ['of unknown kinds', (path: string) => writeFileSync(path, '{"version":1,"traces":[{"kind":"x"}]}', { mode: 0o600 })],
  [
    'open to others',
    (path: string) => {
      writeFileSync(path, JSON.stringify({ version: 1, traces: [file('x')] }))
      chmodSync(path, 0o666)
    },
  ],
] as const)
  test(`a ledger that is ${what} is told, and nothing is removed by it`, async (t) => {
    const s = scene(t)
    write(s.path)
    await s.open().cleanUp()
    assert.deepEqual(s.removed, [])
    assert.match(s.log.lines.join('\n'), /^warning: '.*\.challenges\.json' cannot be used/)
  })
