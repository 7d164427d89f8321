// What `plan` shows of failures: the CA's words for each name, its links and its Retry-After, also when the next try is due;
// and why one of two CAs is passed over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withSecondCa } from '../support/second-ca.ts'
import { cert, makeWorld, type World } from '../support/world.ts'

const minute = 60_000
const name = `www.${cert}`
const page = 'https://ca.example/unpause?jwt=abc'
const host = (url: string): string => new URL(url).host
const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16)}Z`

const planText = async (world: World, now: number, ...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await world.nixacme(['plan', ...args], { now: () => new Date(now) })
  assert.equal(status, 0, stderr)
  return stdout
}
const failuresIn = async (world: World, now: number) => JSON.parse(await planText(world, now, '--json'))[0].failures
/** The lines after the table's. */
const below = (text: string): string[] =>
  text
    .slice(text.indexOf('\n\n') + 2)
    .trimEnd()
    .split('\n')

/** A world whose CA has refused the order, and the instant of that. */
async function refused(t: { after(action: () => unknown): void }, retryAfter: number) {
  const world = await makeWorld(t, { way: 'in-process' })
  const end = world.ca.fault('newOrder', {
    do: 'problem',
    type: 'rateLimited',
    status: 429,
    detail: 'issuance is paused',
    retryAfter,
    subproblems: [
      { type: 'rejectedIdentifier', detail: `lift it at ${page}`, identifier: { type: 'dns', value: name } },
    ],
  })
  const now = Date.now()
  const { status, stderr } = await world.nixacme(['renew', cert], { now: () => new Date(now) })
  assert.equal(status, 75, stderr)
  return { world, now, end }
}

test('no failure: no word of any', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  assert.doesNotMatch(await planText(world, Date.now()), /FAILURES|fail/)
  assert.deepEqual(await failuresIn(world, Date.now()), [])
})

test('held back: subproblems, link and Retry-After below the table, the message once', async (t) => {
  const { world, now } = await refused(t, 120 * 60)
  const text = await planText(world, now)
  assert.equal(text.match(/issuance is paused/g)?.length, 1, text)
  assert.match(text.split('\n')[1] ?? '', / wait .*; not before \d.*: failed \d.*: see below$/)
  const [head, about = '', message, subproblem, ...more] = below(text)
  assert.equal(head, 'FAILURES')
  const wish = `the CA wants to be left alone until ${iso(now + 120 * minute)}`
  assert.match(about, /^example\.com at '127\.0\.0\.1:\d+': failed \d{4}-.*; not asked before \d{4}-/)
  assert.ok(about.endsWith(`, ${wish}`), about)
  assert.match(message ?? '', /^ {2}the CA refused the order of .*: rateLimited: issuance is paused$/)
  assert.equal(subproblem, `  ${name}: rejectedIdentifier: lift it at ${page}`)
  assert.deepEqual(more, ['  the CA asks to wait 7200 s (2 h) before the next attempt'])

  const [failure, ...others] = await failuresIn(world, now)
  assert.deepEqual(others, [])
  assert.deepEqual(
    [failure.server, failure.kind, failure.problem, failure.count, failure.links],
    [world.ca.directoryUrl, 'rateLimited', 'rateLimited', 1, [page]],
  )
  assert.equal(failure.retryAfter, new Date(now + 120 * minute).toISOString())
  assert.ok(Date.parse(failure.retryAt) >= now + 120 * minute && failure.last === new Date(now).toISOString())
  assert.equal(failure.details[0], subproblem?.trim())
  assert.ok(!('config' in failure))
})

test('the retry is due, or asked for with --now: what failed is still told; mended, it is gone', async (t) => {
  const { world, now, end } = await refused(t, 120 * 60)
  const later = now + 200 * minute
  const text = await planText(world, later)
  assert.match(text.split('\n')[1] ?? '', / run .*no certificate and key yet$/)
  const [, about, , subproblem] = below(text)
  assert.match(about ?? '', /: failed \d{4}-.*Z; asked again by the next run$/)
  assert.ok(subproblem?.includes(page))
  assert.match(below(await planText(world, now, '--now'))[1] ?? '', /; asked again by the next run, the CA wants to/)
  end()
  assert.equal((await world.nixacme(['renew', cert], { now: () => new Date(later) })).status, 0)
  assert.deepEqual(await failuresIn(world, later), [])
})

test('a changed config, which may have healed it: forgotten', async (t) => {
  const { world, now } = await refused(t, 60)
  world.configure({ certs: { [cert]: {} } })
  assert.deepEqual(await failuresIn(world, now), [])
})

test('of two CAs: why the first is passed over, also when nothing is due any more', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', ca: { blocked: [cert] } })
  const second = await withSecondCa(t, world, { blocked: [cert] })
  const now = Date.now()
  assert.equal((await world.nixacme(['renew', cert], { now: () => new Date(now) })).status, 76)
  const [first, other] = (await failuresIn(world, now)).map(({ server, next }: Record<string, string>) => ({
    server,
    next,
  }))
  assert.deepEqual([first.server, other.server], [world.ca.directoryUrl, second.directoryUrl])
  // Whichever is free first has the turn, and the other says so.
  const nexts = [first.next, other.next].sort((a, b) => a.length - b.length)
  assert.match(nexts[0], /^not asked before \S+Z$/)
  assert.match(nexts[1], /^not asked before \S+Z, so the turn is that of '127\.0\.0\.1:\d+'$/)

  second.set({ blocked: [] })
  const { status, stderr } = await world.nixacme(['renew', '--now', cert], { now: () => new Date(now) })
  assert.equal(status, 0, stderr)
  const [one, ...more] = await failuresIn(world, now)
  assert.deepEqual([one.server, more], [world.ca.directoryUrl, []])
  assert.match(one.next, /^not asked before \S+Z, nothing is due$/)
})

test('the first of two has set a long limit: the second is asked meanwhile, and it is said why', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  world.ca.fault('newOrder', { do: 'problem', type: 'rateLimited', status: 429, retryAfter: 7200 })
  const second = await withSecondCa(t, world, { blocked: [cert] })
  const now = Date.now()
  await world.nixacme(['renew', cert], { now: () => new Date(now) })
  const text = await planText(world, now + 2 * minute)
  assert.match(text.split('\n')[1] ?? '', new RegExp(` run .*; asks '${host(second.directoryUrl)}'$`))
  const heads = below(text).filter((line) => line.startsWith(cert))
  assert.match(
    heads[0] ?? '',
    new RegExp(
      `at '${host(world.ca.directoryUrl)}': .* until \\S+Z, so the turn is that of '${host(second.directoryUrl)}'$`,
    ),
  )
  assert.match(heads[1] ?? '', new RegExp(`at '${host(second.directoryUrl)}': .*; asked again by the next run$`))
})
