// A CA that fails, run after run: what is remembered, who is told how, and when the next CA is asked.

import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { test } from 'node:test'
import { NixacmeError, type Refusal } from '../../src/errors.ts'
import { pathsOf } from '../../src/job/job.ts'
import { readMemory } from '../../src/renewal/memory.ts'
import { shownIn } from '../job/support.ts'
import { day, makeSet } from '../support/certificates.ts'
import { makeJob } from './support/lock-job.ts'
import { handsOut, makePlace, type Place, type Start } from './support/renewal.ts'
import { writeAccount, writeCertificate, writeMemory } from './support/stored.ts'

const names = ['example.com']
const fresh = await makeSet({ names })
/** 24 days left, of the 31 that there were when it became due. */
const due = await makeSet({ names, notBefore: new Date(Date.now() - 65 * day) })
const minute = 60_000

class Refused extends NixacmeError {
  readonly #refusal: Refusal
  constructor(kind: 'later' | 'refused', refusal: Partial<Refusal>) {
    super(kind, 'the CA refused the order')
    this.#refusal = { retryAfter: undefined, links: [], unproven: [], ...refusal }
  }
  override get refusal(): Refusal {
    return this.#refusal
  }
}

const away = () => new NixacmeError('unavailable', "cannot reach the CA at 'ca.example'")

/** A clock that a test sets; each run takes no time. */
function clock() {
  let now = Date.now()
  return {
    now: () => new Date(now),
    pass(ms: number) {
      now += ms
    },
  }
}

const failsWith = (e: () => Error): Pick<Start, 'obtain'> => ({ obtain: () => Promise.reject(e()) })
const remembered = ({ paths }: Place) => readMemory(paths.memory)

function withCertificate(place: Place, set = due): void {
  writeCertificate(place.paths, place.job, set)
  writeAccount(place.paths)
}

const statusOf = async (run: Promise<unknown>): Promise<number> => {
  try {
    await run
    return 0
  } catch (e) {
    assert.ok(e instanceof NixacmeError, String(e))
    return e.exitStatus
  }
}

test('without a certificate each failure has its own status, and the tries come 1, 10, 100 minutes and a day apart', async (t) => {
  const place = makePlace(t)
  const { now, pass } = clock()
  const run = (e = away) => statusOf(place.run({ ...failsWith(e), now }))
  for (const [count, [least, most]] of [
    [1, 1.25],
    [10, 12.5],
    [100, 125],
    [1260, 1440],
    [1260, 1440],
  ].entries()) {
    assert.equal(await run(), 69)
    const { failure } = remembered(place)
    assert.deepEqual([failure?.count, failure?.kind, failure?.problem], [count + 1, 'network', 'unavailable'])
    const wait = (failure?.retryAt.getTime() ?? 0) - now().getTime()
    assert.ok(wait >= (least ?? 0) * minute && wait <= (most ?? 0) * minute, `${wait} ms`)
    pass(wait - 1)
    assert.equal(await run(() => new NixacmeError('bug', 'asked')), 75)
    pass(1)
  }
})

test('a failure that goes away is forgotten with the next success', async (t) => {
  const place = makePlace(t)
  assert.equal(await statusOf(place.run(failsWith(away))), 69)
  assert.ok(remembered(place).failure)
  await place.run({ obtain: handsOut(fresh).obtain, atOnce: true })
  assert.deepEqual(remembered(place), { orders: [], unproven: [] })
})

test('a renewal that fails with time enough left ends well and is told; one that runs out fails with 74', async (t) => {
  const place = makePlace(t)
  withCertificate(place)
  const calm = place.start(failsWith(away))
  const { failure, installed, decision } = await calm.outcome
  assert.equal(failure?.message, "cannot reach the CA at 'ca.example'")
  assert.deepEqual([installed, decision.kind], ['unchanged', 'renew'])
  const soon = () => new Date(Date.now() + 10 * day)
  const loud = place.start({ ...failsWith(away), now: soon })
  await assert.rejects(loud.outcome, (e) => {
    assert.ok(e instanceof NixacmeError)
    assert.match(e.message, /^the certificate runs out soon \(14 days left\): cannot reach the CA/)
    return e.exitStatus === 74 && e.problem === 'unavailable'
  })
  assert.equal(await statusOf(place.run({ ...failsWith(away), now: soon })), 74, 'and while it waits')
})

test('--now tries once, whatever is remembered, and its failure has its own status', async (t) => {
  const place = makePlace(t)
  withCertificate(place)
  for (const status of [69, 69]) assert.equal(await statusOf(place.run({ ...failsWith(away), atOnce: true })), status)
  assert.equal(remembered(place).failure?.count, 2)
})

test('a changed config is tried at once, and counts anew', async (t) => {
  for (const change of [
    { challenges: shownIn('/srv/other') },
    { profilePolicy: 'preferred' },
    { keyReuse: true },
    { orderTimeout: 5 },
    { engine: { kind: 'lego', path: null, flags: { all: [], run: [], renew: [] } } },
  ] as const) {
    const place = makePlace(t)
    for (const _ of [1, 2]) await statusOf(place.run({ ...failsWith(away), atOnce: true }))
    assert.equal(await statusOf(place.run({ ...failsWith(away), job: makeJob(change) })), 69, JSON.stringify(change))
    assert.equal(remembered(place).failure?.count, 1)
  }
})

test('what the CA said is kept: its words, its Retry-After, its links, and which names it could not validate', async (t) => {
  const place = makePlace(t)
  const { now } = clock()
  const paused = { retryAfter: 34 * 3600, links: ['https://ca.example/unpause'] }
  assert.equal(await statusOf(place.run({ ...failsWith(() => new Refused('later', paused)), now })), 75)
  const { failure } = remembered(place)
  assert.deepEqual([failure?.kind, failure?.links], ['rateLimited', ['https://ca.example/unpause']])
  assert.equal(failure?.retryAfter?.getTime(), now().getTime() + 34 * 60 * minute)
  assert.ok((failure?.retryAt ?? now()) >= (failure?.retryAfter ?? now()))
})

test('orders and validations are on disk before the CA hears of them; what was proven is not counted', async (t) => {
  const job = makeJob({ extraDomainNames: ['www.example.com'] })
  const place = makePlace(t, job)
  const run = place.run({
    async obtain(_job, { diary }) {
      assert.deepEqual(remembered(place).attempt?.crashes, 0)
      diary.offers({ profiles: ['classic'] } as never)
      diary.ordering()
      assert.deepEqual(
        remembered(place).orders.map((o) => o.names),
        ['example.com www.example.com'],
      )
      diary.answering(job.names)
      assert.equal(remembered(place).unproven.length, 2)
      throw new Refused('refused', { unproven: ['www.example.com'] })
    },
  })
  assert.equal(await statusOf(run), 76)
  const { failure, attempt, unproven, orders, offered } = remembered(place)
  assert.deepEqual([failure?.kind, attempt, orders.length, offered], ['validation', undefined, 1, ['classic']])
  assert.deepEqual(
    unproven.map((u) => u.name),
    ['www.example.com'],
  )
})

test('five orders were placed and one is under way: it is gone on with, but no sixth is placed, unless asked for', async (t) => {
  const place = makePlace(t)
  const orders = [1, 2, 3, 4, 5].map((age) => ({
    at: new Date(Date.now() - age * day).toISOString(),
    names: names.join(' '),
  }))
  fs.mkdirSync(place.paths.certificates, { recursive: true })
  writeMemory(place.paths, { version: 1, orders })
  assert.equal(await statusOf(place.run()), 75, 'nothing is under way')
  fs.writeFileSync(place.paths.pendingOrder, '{}')
  let reached = 0
  const orders6th: Pick<Start, 'obtain'> = {
    async obtain(_job, { diary }) {
      reached++
      diary.ordering()
      throw away()
    },
  }
  await assert.rejects(place.run(orders6th), /no new order before .*: 5 orders of these names in 7 days/)
  assert.deepEqual([reached, remembered(place).orders.length], [1, 5])
  assert.equal(await statusOf(place.run({ ...orders6th, atOnce: true })), 69)
  assert.equal(remembered(place).orders.length, 6)
})

test('a fault of this machine before anything was ordered is told each time, and nobody waits', async (t) => {
  const place = makePlace(t)
  const fault = () => new NixacmeError('write', "cannot write '/srv/www'")
  for (const _ of [1, 2]) assert.equal(await statusOf(place.run(failsWith(fault))), 73)
  assert.equal(remembered(place).failure, undefined)
})

test('a stop is no failure', async (t) => {
  const place = makePlace(t)
  const controller = new AbortController()
  const run = place.run({
    signal: controller.signal,
    obtain() {
      controller.abort('SIGTERM')
      return Promise.reject(new NixacmeError('later', 'stopped by SIGTERM'))
    },
  })
  assert.equal(await statusOf(run), 75)
  assert.deepEqual(remembered(place), { orders: [], unproven: [] })
})

test('a memory that cannot be written ends the run before the CA is asked', async (t) => {
  const place = makePlace(t)
  fs.mkdirSync(place.paths.memory, { recursive: true })
  let calls = 0
  const obtain = () => Promise.reject(new Error(String(calls++)))
  assert.ok([65, 73].includes(await statusOf(place.run({ obtain }))))
  assert.equal(calls, 0)
})

const [one, two] = ['https://one.example/dir', 'https://two.example/dir']
const twoCas = () => makeJob({ server: one, servers: [one, two] })

/** Asks a place with two CAs; each CA answers as its function does, and who was asked is counted. */
function withTwo(place: Place, answers: Readonly<Record<string, () => ReturnType<NonNullable<Start['obtain']>>>>) {
  const asked: string[] = []
  const obtain: NonNullable<Start['obtain']> = (_job, { standing: { server } }) => {
    asked.push(server.directoryUrl)
    return answers[server.directoryUrl]?.() ?? Promise.reject(new Error('nobody'))
  }
  return { asked, run: (options: Start = {}) => place.run({ ...options, obtain }) }
}

test('a CA that refuses lets the next one in within the same run; what it gives is installed, and renewed by the first', async (t) => {
  const place = makePlace(t, twoCas())
  const { now, pass } = clock()
  const refused = () => Promise.reject(new Refused('refused', {}))
  const first = withTwo(place, { [one]: refused, [two]: handsOut(due).obtain as never })
  const { server, installed } = await first.run({ now })
  assert.deepEqual([first.asked, server.directoryUrl, installed], [[one, two], two, 'installed'])
  const second = pathsOf(place.roots, place.job, place.job.servers[1])
  assert.ok(fs.existsSync(second.certificate) && !fs.existsSync(place.paths.certificate))
  assert.equal(remembered(place).failure?.kind, 'refused')
  assert.equal(readMemory(second.memory).failure, undefined)
  writeAccount(second)
  // Due, and the first may be asked again.
  pass(2 * 24 * 60 * minute)
  const later = withTwo(place, { [one]: handsOut(fresh).obtain as never, [two]: refused })
  assert.deepEqual([(await later.run({ now })).installed, later.asked], ['installed', [one]])
})

test('a CA that is away is waited for through its back-off, and only then is the next one asked', async (t) => {
  const place = makePlace(t, twoCas())
  const { now, pass } = clock()
  const cas = withTwo(place, { [one]: () => Promise.reject(away()), [two]: handsOut(fresh).obtain as never })
  for (let tries = 1; tries < 4; tries++) {
    assert.equal(await statusOf(cas.run({ now })), 69)
    assert.equal(await statusOf(cas.run({ now })), 75)
    pass((remembered(place).failure?.retryAt.getTime() ?? 0) - now().getTime())
  }
  assert.equal((await cas.run({ now })).installed, 'installed')
  assert.deepEqual(cas.asked, [one, one, one, one, two])
})

test('a name that cannot be proven is not taken to the next CA', async (t) => {
  const place = makePlace(t, twoCas())
  const unproven = () => Promise.reject(new Refused('refused', { unproven: names }))
  const cas = withTwo(place, { [one]: unproven, [two]: handsOut(fresh).obtain as never })
  assert.equal(await statusOf(cas.run()), 76)
  assert.deepEqual(cas.asked, [one])
})

test('each CA has a memory of its own', async (t) => {
  const place = makePlace(t, twoCas())
  const refused = () => Promise.reject(new Refused('refused', {}))
  const cas = withTwo(place, { [one]: refused, [two]: () => Promise.reject(away()) })
  assert.equal(await statusOf(cas.run()), 69)
  assert.deepEqual(cas.asked, [one, two])
  const second = pathsOf(place.roots, place.job, place.job.servers[1])
  assert.deepEqual([remembered(place).failure?.kind, readMemory(second.memory).failure?.kind], ['refused', 'network'])
  assert.equal(await statusOf(cas.run()), 75)
  assert.equal(cas.asked.length, 2)
  writeMemory(second, { version: 9 })
  assert.equal(await statusOf(cas.run()), 65)
})
