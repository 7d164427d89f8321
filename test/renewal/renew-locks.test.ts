// Under which locks the work is done, what happens when they are busy, and that the state is read again after a wait.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { slotPath } from '../../src/job/paths.ts'
import { type Held, tryFolder, trySlot } from '../../src/renewal/lock.ts'
import { day, makeSet } from '../support/certificates.ts'
import { holderWords, holdSlot } from './support/lock-hold.ts'
import { makeJob } from './support/lock-job.ts'
import { handsOut, issued, makePlace, type Place } from './support/renewal.ts'
import { failedUntil, writeAccount, writeCertificate, writeMemory } from './support/stored.ts'

const names = ['example.com']
const fresh = await makeSet({ names })
const dueSet = await makeSet({ names, notBefore: new Date(Date.now() - 65 * day) })

const is = (kind: string, pattern: RegExp) => (e: unknown) =>
  e instanceof NixacmeError && e.kind === kind && pattern.test(e.message)

const isFree = (attempt: () => Held | undefined): boolean => {
  const held = attempt()
  held?.release()
  return held !== undefined
}

/** Which of the three locks somebody holds. */
const locks = ({ roots, paths }: Place, slot = 1) => ({
  slot: !isFree(() => trySlot(slotPath(roots, slot))),
  certificate: !isFree(() => tryFolder(paths.legoCert)),
  account: !isFree(() => tryFolder(paths.accountRoot)),
})
const free = { slot: false, certificate: false, account: false }

/** A certificate in order that an earlier run stored. */
function stored(place: Place, set = fresh): void {
  writeCertificate(place.paths, place.job, set)
  writeAccount(place.paths)
  fs.mkdirSync(place.paths.out, { recursive: true })
}

test('the CA is asked under certificate and slot; the account is locked only where it is asked for; all free afterwards', async (t) => {
  const place = makePlace(t)
  await place.run({
    async obtain(_job, { withAccountLock }) {
      assert.deepEqual(locks(place), { slot: true, certificate: true, account: false })
      await withAccountLock(async () =>
        assert.deepEqual(locks(place), { slot: true, certificate: true, account: true }),
      )
      await assert.rejects(
        withAccountLock(() => Promise.reject(new Error('registration failed'))),
        /registration failed/,
      )
      assert.deepEqual(locks(place), { slot: true, certificate: true, account: false })
      return issued(fresh)
    },
  })
  assert.deepEqual(locks(place), free)
})

test('a CA that fails leaves no lock', async (t) => {
  const place = makePlace(t)
  await assert.rejects(place.run({ obtain: () => Promise.reject(new Error('broken')) }), /broken/)
  assert.deepEqual(locks(place), free)
})

test('no limit: no lock file at all', async (t) => {
  const place = makePlace(t, makeJob({ maxConcurrentRenewals: 0 }))
  fs.rmdirSync(place.roots.runtime)
  assert.equal((await place.run({ obtain: handsOut(fresh).obtain })).slot, null)
  assert.ok(!fs.existsSync(place.roots.runtime))
})

test('the home slot is busy and nothing is due: done, without a wait', async (t) => {
  const place = makePlace(t)
  stored(place)
  holdSlot(t, place.roots, 1)
  const run = place.start({ patience: null })
  const { decision, slot } = await run.outcome
  assert.deepEqual([decision.kind, slot], ['skip', null])
  assert.doesNotMatch(run.said.join('\n'), /waiting/)
})

test('the home slot is busy and work is due: who holds it since when, then the work under it', async (t) => {
  const place = makePlace(t)
  const held = holdSlot(t, place.roots, 1)
  const ca = handsOut(fresh)
  const run = place.start({ obtain: ca.obtain })
  const line = await run.heard(/waiting/)
  assert.equal(line, `info: waiting for slot 1: '${slotPath(place.roots, 1)}' is ${holderWords}`)
  assert.equal(ca.calls, 0)
  held.release()
  const { slot } = await run.outcome
  assert.deepEqual([slot, ca.calls], [1, 1])
  assert.equal(run.said.filter((said) => /waiting/.test(said)).length, 1)
})

test('a slot that is held by nobody who says so is waited for all the same', async (t) => {
  const place = makePlace(t)
  const held = holdSlot(t, place.roots, 1)
  fs.truncateSync(slotPath(place.roots, 1))
  const run = place.start({ obtain: handsOut(fresh).obtain })
  assert.match(await run.heard(/waiting/), /is busy$/)
  held.release()
  await run.outcome
})

for (const [what, patience, timeout, message] of [
  ['--no-wait', 0, null, /^slot 1 is busy$/],
  ['--wait 1', 1, null, /^gave up waiting for slot 1 after 1 seconds$/],
  ['lockTimeout = 1', undefined, 1, /^gave up waiting for slot 1 after 1 seconds$/],
  ['--no-wait over lockTimeout', 0, 60, /^slot 1 is busy$/],
] as const)
  test(`${what}: 75 when the slot stays busy, and no request`, async (t) => {
    const place = makePlace(t, makeJob({ lockTimeout: timeout }))
    holdSlot(t, place.roots, 1)
    let ticks = Date.now()
    // A clock that goes by a second a look: no need to wait for it.
    const now = () => {
      ticks += 1000
      return new Date(ticks)
    }
    await assert.rejects(place.run({ patience, now }), is('later', message))
    assert.ok(isFree(() => tryFolder(place.paths.legoCert)))
  })

test("policy 'home' takes no other slot; policy 'any' takes one that is free, and waits for any of them", async (t) => {
  const options = { maxConcurrentRenewals: 3 } as const
  const home = makePlace(t, makeJob({ ...options }))
  holdSlot(t, home.roots, 1)
  await assert.rejects(home.run({ patience: 0 }), is('later', /slot 1 is busy/))

  const any = makePlace(t, makeJob({ ...options, lockPolicy: 'any' }))
  holdSlot(t, any.roots, 1)
  const two = holdSlot(t, any.roots, 2)
  assert.equal((await any.run({ obtain: handsOut(fresh).obtain, atOnce: true })).slot, 3)
  holdSlot(t, any.roots, 3)
  const run = any.start({ obtain: handsOut(fresh).obtain, atOnce: true })
  assert.match(
    await run.heard(/waiting/),
    /^info: waiting for one of the 3 slots: '.*1\.lock' is held by 'other\.example'/,
  )
  two.release()
  assert.equal((await run.outcome).slot, 2)
})

test('two runs of one certificate at once: the CA is asked once, the second finds the work done', async (t) => {
  for (const limit of [5, 0]) {
    const place = makePlace(t, makeJob({ maxConcurrentRenewals: limit }))
    let second: ReturnType<Place['start']> | undefined
    const first = place.start({
      async obtain() {
        second = place.start()
        await second.heard(/^info: waiting: another run works on this certificate$/)
        writeAccount(place.paths)
        return issued(fresh)
      },
    })
    assert.equal((await first.outcome).decision.kind, 'run')
    assert.ok(second)
    assert.equal((await second.outcome).decision.kind, 'skip')
    assert.deepEqual(
      second.decisions.map(({ kind }) => kind),
      ['run', 'skip'],
    )
  }
})

test('who waits for the certificate lets go of its slot: the other run may need it', async (t) => {
  const place = makePlace(t)
  stored(place, dueSet)
  const other = tryFolder(place.paths.legoCert)
  const run = place.start({ obtain: handsOut(fresh).obtain })
  await run.heard(/another run works/)
  assert.ok(isFree(() => trySlot(slotPath(place.roots, 1))))
  other?.release()
  assert.equal((await run.outcome).slot, 1)
})

test('the state is read again after the wait for a slot: done meanwhile, nothing to do', async (t) => {
  const place = makePlace(t)
  stored(place, dueSet)
  const held = holdSlot(t, place.roots, 1)
  const run = place.start()
  await run.heard(/waiting for slot/)
  writeCertificate(place.paths, place.job, fresh)
  held.release()
  assert.equal((await run.outcome).decision.kind, 'skip')
})

test('a failure that was remembered during the wait counts: 75, and no request', async (t) => {
  const place = makePlace(t)
  stored(place, dueSet)
  const held = holdSlot(t, place.roots, 1)
  const run = place.start()
  await run.heard(/waiting for slot/)
  writeMemory(place.paths, failedUntil(new Date(Date.now() + day), place.job))
  held.release()
  await assert.rejects(run.outcome, is('later', /not before .*: failed/))
})

test('a signal ends each of the waits, with all locks free', async (t) => {
  for (const what of ['slot', 'certificate', 'account'] as const) {
    const place = makePlace(t)
    stored(place, dueSet)
    const controller = new AbortController()
    const held =
      what === 'slot'
        ? holdSlot(t, place.roots, 1)
        : what === 'certificate'
          ? tryFolder(place.paths.legoCert)
          : tryFolder(place.paths.accountRoot)
    const run = place.start({
      signal: controller.signal,
      obtain: (_job, { withAccountLock }) => withAccountLock(() => Promise.reject(new Error('not reached'))),
    })
    await run.heard(/waiting/)
    controller.abort('SIGTERM')
    await assert.rejects(run.outcome, is('later', /^stopped by SIGTERM$/), what)
    held?.release()
    assert.deepEqual(locks(place), free, what)
  }
})

test('lock files that cannot be had matter only where there is work: 71, and no request', async (t) => {
  const place = makePlace(t)
  stored(place)
  fs.rmdirSync(place.roots.runtime)
  fs.writeFileSync(place.roots.runtime, 'a file')
  assert.equal((await place.run()).decision.kind, 'skip')
  await assert.rejects(place.run({ atOnce: true }), is('lock', /run/))
  stored(place, dueSet)
  await assert.rejects(place.run(), is('lock', /run/))
})
