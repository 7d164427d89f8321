// The law: what `plan` says is what `renew` then does, the number of requests to the CA included, and plan itself sends
// nothing and changes nothing. One line a state.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { failedUntil, writeMemory } from '../renewal/support/stored.ts'
import { makeSet, truncate } from '../support/certificates.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, day, makeWorld, type Said, type World, ways } from '../support/world.ts'

interface State {
  readonly name: string
  /** Brings it about, from an empty folder. */
  make(world: World): unknown
  readonly args?: readonly string[]
  readonly action: string
  readonly reason: RegExp
  /** 11 for two names and an account to register, 10 where it is there; 0 for nothing to do. */
  readonly requests: number
  readonly installs?: true
  readonly status?: number
}

const issued = (world: World) => world.issueAll()

/** Issued `age` days ago, for 90 days. */
const issuedBefore = (age: number) => async (world: World) => {
  world.ca.lifetime = { notBeforeOffsetSeconds: -age * day, seconds: 90 * day }
  await world.issueAll()
}

const issuedFor =
  (...extraDomainNames: string[]) =>
  async (world: World) => {
    world.configure({ certs: { [cert]: { extraDomainNames } } })
    await world.issueAll()
    world.configure({})
  }

const spoiled = (change: (world: World) => void) => async (world: World) => {
  await world.issueAll()
  change(world)
}

const expired = async (world: World) => {
  await world.issueAll()
  const past = { notBefore: inDays(-91), notAfter: inDays(-1) }
  const { key, fullchain } = await makeSet({ names: world.job().names, ...past })
  writeFileSync(world.paths().key, key)
  writeFileSync(world.paths().certificate, fullchain)
}

const inDays = (days: number) => new Date(Date.now() + days * day * 1000)

const remember = (at: string) => spoiled((w) => writeMemory(w.paths(), failedUntil(new Date(at), w.job())))

const states: readonly State[] = [
  { name: 'nothing there', make: () => {}, action: 'run', reason: /^no certificate and key yet$/, requests: 11 },
  { name: 'fresh', make: issued, action: 'skip', reason: /^\d+ days left, due from /, requests: 0 },
  { name: 'due', make: issuedBefore(61), action: 'renew', reason: /^28 days left, due from /, requests: 10 },
  { name: 'due tomorrow', make: issuedBefore(59), action: 'skip', reason: /^30 days left, due from /, requests: 0 },
  { name: 'expired', make: expired, action: 'renew', reason: /^expired since \d{4}-/, requests: 10 },
  { name: 'fresh, with --now', make: issued, args: ['--now'], action: 'renew', reason: /--now/, requests: 10 },
  { name: 'a name added', make: issuedFor(), action: 'force-renew', reason: /'www\.example\.com' added/, requests: 10 },
  {
    name: 'a name removed',
    make: issuedFor('www.example.com', 'old.example.com'),
    action: 'force-renew',
    reason: /'old\.example\.com' removed/,
    requests: 10,
  },
  {
    name: 'names in another order',
    async make(world) {
      await issuedFor('b.example.com', 'a.example.com')(world)
      world.configure({ certs: { [cert]: { extraDomainNames: ['a.example.com', 'b.example.com'] } } })
    },
    action: 'skip',
    reason: /days left/,
    requests: 0,
    installs: true,
  },
  {
    name: 'the account missing',
    make: spoiled((w) => rmSync(w.paths().accountRoot, { recursive: true })),
    action: 'run',
    reason: /^no account is registered$/,
    requests: 11,
  },
  {
    name: 'an account key without a registration',
    make: spoiled((w) => rmSync(w.paths().accountJson)),
    action: 'run',
    reason: /^the account key is not registered$/,
    requests: 11,
  },
  {
    name: 'a candidate that is cut off',
    make: spoiled((w) => writeFileSync(w.paths().certificate, truncate(w.ca.rootPem))),
    action: 'run',
    reason: /^what is stored cannot be used: /,
    requests: 10,
  },
  {
    name: 'an install that was torn',
    make: spoiled((w) => rmSync(join(w.paths().out, 'current'))),
    action: 'skip',
    reason: /days left/,
    requests: 0,
    installs: true,
  },
  {
    name: 'failures, not yet forgotten',
    async make(world) {
      await issuedBefore(61)(world)
      writeMemory(world.paths(), failedUntil(new Date('2099-01-01T00:00:00Z'), world.job()))
    },
    action: 'wait',
    reason: /; not before 2099-01-01T00:00Z: failed \d{4}-\d\d-\d\dT\d\d:\d\dZ: cannot reach the CA/,
    requests: 0,
    status: 75,
  },
  {
    name: 'failures, but nothing due',
    make: remember('2099-01-01T00:00:00Z'),
    action: 'skip',
    reason: /days left/,
    requests: 0,
  },
]

type Report = Record<string, unknown>
const reportIn = ({ stdout }: Said): Report => {
  const [first, ...more] = JSON.parse(stdout) as Report[]
  assert.deepEqual(more, [])
  return first ?? {}
}

/** The members that DESIGN §7 promises; what a time may look like. */
const members = ['action', 'reason', 'dueAt', 'notAfter', 'slot', 'keyName', 'domainHash', 'accountHash', 'certDir']
const isoUtc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function assertReport(report: Report): void {
  for (const member of ['cert', ...members]) assert.ok(member in report, `'${member}' is missing`)
  for (const time of [report['dueAt'], report['notAfter']]) if (time !== null) assert.match(String(time), isoUtc)
}

describe('plan and renew', { concurrency: 3 }, () => {
  for (const state of states)
    for (const way of ways)
      test(`${state.name} (${way})`, async (t) => {
        const world = await makeWorld(t, { way })
        await state.make(world)
        const everything = () => world.tree([world.roots.runtime])
        const before = everything()
        const untouched = world.tree()
        const args = state.args ?? []
        const planned = await world.nixacme(['plan', '--json', ...args])
        assert.equal(planned.status, 0, planned.stderr)
        assert.deepEqual(changesBetween(before, everything()), [], 'plan writes nothing, not even a lock file')
        assert.equal(world.ca.count(), 0, 'plan sends nothing')
        const plan = reportIn(planned)
        assertReport(plan)
        assert.deepEqual(
          [plan['action'], plan['caRequests'], plan['installs']],
          [state.action, state.requests, state.installs ?? false],
        )
        assert.match(String(plan['reason']), state.reason)

        const renewed = await world.nixacme(['renew', '--json', ...args, cert])
        assert.equal(renewed.status, state.status ?? 0, renewed.stderr)
        const done = reportIn(renewed)
        assertReport(done)
        for (const member of members) assert.deepEqual(done[member], plan[member], member)
        assert.equal(world.ca.count(), state.requests, JSON.stringify(world.ca.requests.map((r) => r.kind)))
        const isWork = state.requests > 0 || state.installs === true
        assert.equal(changesBetween(untouched, world.tree()).length > 0, isWork)
      })
})

test('reports come in name order, whatever the order of the arguments', async (t) => {
  const certs = { 'b.example': {}, 'a.example': {}, Z: { domain: 'z.example' } }
  const world = await makeWorld(t, { way: 'in-process', certs })
  for (const args of [['--all'], ['b.example', 'Z', 'a.example', 'b.example']]) {
    const { stdout } = await world.nixacme(['plan', '--json', ...args])
    assert.deepEqual(
      (JSON.parse(stdout) as Report[]).map((r) => [r['cert'], r['slot']]),
      [
        ['Z', 1],
        ['a.example', 2],
        ['b.example', 3],
      ],
    )
  }
})

test('plan for people: aligned columns, no colour without a terminal, nothing on stderr about a compiled job', async (t) => {
  const world = await makeWorld(t, { certs: { 'a.example': {}, 'much-longer.example': {} } })
  await world.issueAll()
  await world.nixacme(['apply'])
  const { status, stdout, stderr } = await world.nixacme(['plan'])
  assert.deepEqual([status, stderr], [0, ''])
  const [head = '', ...rows] = stdout.trimEnd().split('\n')
  assert.match(head, /^CERTIFICATE {2,}ACTION {2,}DUE {2,}VALID UNTIL {2,}SLOT {2,}WHY$/)
  assert.equal(rows.length, 2)
  for (const row of rows) assert.equal(row.indexOf('skip'), head.indexOf('ACTION'))
})
