// A CA that fails, run after run: what is remembered, who is told how, and when the next CA is asked.

import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { bindingMissing } from '../../src/acme/account-binding.ts'
import { NixacmeError, ProofError } from '../../src/errors.ts'
import { Diary } from '../../src/renewal/diary.ts'
import { emptyMemory, readMemory } from '../../src/renewal/memory.ts'
import { readWatch, watchOf } from '../../src/renewal/renewal-info-file.ts'
import { shownIn } from '../job/support.ts'
import { day, makeSet } from '../support/certificates.ts'
import { away, clock, failsWith, Refused, remembered, statusOf } from './support/failing.ts'
import { makeJob } from './support/lock-job.ts'
import { handsOut, makePlace, type Place, type Start } from './support/renewal.ts'
import { writeAccount, writeCertificate, writeMemory } from './support/stored.ts'

const names = ['example.com']
const fresh = await makeSet({ names })
/** 24 days left, of the 31 that there were when it became due. */
const due = await makeSet({ names, notBefore: new Date(Date.now() - 65 * day) })
const minute = 60_000
/** Hours. */
const ago = (hours: number) => new Date(Date.now() - hours * 60 * minute)

function withCertificate(place: Place, set = due): void {
  writeCertificate(place.paths, place.job, set)
  writeAccount(place.paths)
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

test('whoever says --now all the time does not fill the memory until nobody reads it any more', (t) => {
  const { paths, job } = makePlace(t)
  const now = () => new Date()
  const longest = Array.from({ length: 100 }, (_, i) => `${i}.`.padEnd(253, 'x'))
  const wish = { names: longest, config: '', notAfter: undefined }
  const entries = { orders: 1000, unproven: 5000 }
  const before = {
    ...emptyMemory,
    orders: Array.from({ length: entries.orders }, () => ({ at: now(), names: longest.join(' ') })),
    unproven: Array.from({ length: entries.unproven }, () => ({ at: now(), name: longest[0] ?? '' })),
  }
  const { limits, directoryUrl: server } = job.servers[0]
  const options = { path: paths.memory, gid: undefined, server, wish, elsewhere: emptyMemory, limits, atOnce: true }
  fs.mkdirSync(paths.certificates, { recursive: true })
  new Diary(before, { ...options, now, chance: () => 0 }).answering(longest)
  const { orders, unproven } = readMemory(paths.memory)
  assert.deepEqual([orders.length, unproven.length, unproven.at(-1)?.name], [200, 1000, longest.at(-1)])
})

test('a failure that goes away is forgotten with the next success', async (t) => {
  const place = makePlace(t)
  assert.equal(await statusOf(place.run(failsWith(away))), 69)
  assert.ok(remembered(place).failure)
  await place.run({ obtain: handsOut(fresh).obtain, atOnce: true })
  const server = place.job.servers[0].directoryUrl
  assert.deepEqual(remembered(place), { server, orders: [], unproven: [], lifetime: (90 * day) / 1000 })
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

test('an order that the CA refused was none: the next one takes its place, however few are left', async (t) => {
  const job = makeJob({ validMinDays: 3 })
  const place = makePlace(t, job)
  // 160 hours long, 50 of them left: two more orders would be spread over these.
  withCertificate(place, await makeSet({ names, notBefore: ago(110), notAfter: ago(-50) }))
  const orders = [40, 20].map((hours) => ({ at: ago(hours).toISOString(), names: names.join(' ') }))
  writeMemory(place.paths, { version: 1, orders })
  const placed: number[] = []
  const run = place.run({
    async obtain(_job, { diary }) {
      for (const refused of [true, false]) {
        diary.ordering()
        placed.push(remembered(place).orders.length)
        if (refused) diary.notOrdered()
      }
      throw away()
    },
  })
  await statusOf(run)
  assert.deepEqual(placed, [3, 3])
})

test('what is no refusal of this CA alone is told from what is', async (t) => {
  const kindAfter = async (e: NixacmeError) => {
    const place = makePlace(t)
    await statusOf(
      place.run({
        async obtain(_job, { diary }) {
          diary.offers({ profiles: [] } as never)
          diary.ordering()
          diary.answering(names)
          throw e
        },
      }),
    )
    return remembered(place).failure?.kind
  }
  class Caa extends Refused {
    override get problem(): string {
      return 'caa'
    }
  }
  assert.equal(await kindAfter(new Caa('refused', { unproven: names })), 'refused')
  assert.equal(await kindAfter(new Refused('refused', { unproven: names })), 'validation')
  assert.equal(await kindAfter(bindingMissing({ host: 'ca.example', hasOtherCas: true })), 'refused')
  for (const kind of ['unavailable', 'refused'] as const)
    assert.equal(await kindAfter(new ProofError(new NixacmeError(kind, 'the DNS provider is away'))), 'local')
})

test('a fault of this machine once the CA has answered is remembered: each try would cost the CA something', async (t) => {
  const place = makePlace(t)
  let reached = 0
  const full: Pick<Start, 'obtain'> = {
    async obtain(_job, { diary }) {
      reached++
      diary.offers({ profiles: [] } as never)
      throw new NixacmeError('write', 'no space left on device')
    },
  }
  assert.deepEqual([await statusOf(place.run(full)), await statusOf(place.run(full)), reached], [73, 75, 1])
})

test('--now fails: the next tries come by themselves all the same', async (t) => {
  const place = makePlace(t)
  await statusOf(place.run({ ...failsWith(away), atOnce: true }))
  assert.deepEqual(watchOf(readWatch(place.paths.renewalInfo)).retryAt, remembered(place).failure?.retryAt)
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

test('the limits of a CA know nothing of the config: what other folders of the certificate asked it for counts, too', async (t) => {
  const place = makePlace(t)
  const other = join(place.paths.legoCert, 'another-hash')
  fs.mkdirSync(other, { recursive: true })
  const orders = [1, 2, 3, 4, 5].map((age) => ({ at: ago(24 * age).toISOString(), names: names.join(' ') }))
  const write = (server: string) =>
    fs.writeFileSync(join(other, 'nixacme.json'), JSON.stringify({ version: 1, server, orders }))
  const { directoryUrl } = place.job.servers[0]
  write(directoryUrl)
  assert.equal(await statusOf(place.run(failsWith(away))), 75)
  assert.equal(fs.existsSync(place.paths.memory), false, 'nothing was begun')
  write('https://another.example/dir')
  assert.equal(await statusOf(place.run(failsWith(away))), 69)
  assert.equal(remembered(place).server, directoryUrl)
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
  assert.deepEqual(remembered(place), { server: place.job.servers[0].directoryUrl, orders: [], unproven: [] })
})

test('a memory that cannot be written ends the run before the CA is asked', async (t) => {
  const place = makePlace(t)
  fs.mkdirSync(place.paths.memory, { recursive: true })
  let calls = 0
  const obtain = () => Promise.reject(new Error(String(calls++)))
  assert.ok([65, 73].includes(await statusOf(place.run({ obtain }))))
  assert.equal(calls, 0)
})
