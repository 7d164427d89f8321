// Two CAs, of which one stands by: who is asked, when, and what each is remembered for.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { test } from 'node:test'
import { pathsOf } from '../../src/job/job.ts'
import { readMemory } from '../../src/renewal/memory.ts'
import { day, makeSet } from '../support/certificates.ts'
import { away, clock, Refused, remembered, statusOf } from './support/failing.ts'
import { makeJob } from './support/lock-job.ts'
import { handsOut, makePlace, type Place, type Start } from './support/renewal.ts'
import { writeAccount, writeMemory } from './support/stored.ts'

const names = ['example.com']
const fresh = await makeSet({ names })
const due = await makeSet({ names, notBefore: new Date(Date.now() - 65 * day) })
const minute = 60_000

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
