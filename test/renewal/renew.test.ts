// The work of one certificate from decision to marker, the CA being a function: what is done, what is left alone.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { readState } from '../../src/renewal/state.ts'
import { day, makeSet, truncate } from '../support/certificates.ts'
import { changesBetween, memoryFiles, treeOf } from '../support/tree.ts'
import { makeJob } from './support/lock-job.ts'
import { handsOut, makePlace, type Place } from './support/renewal.ts'
import { failedUntil, writeAccount, writeCertificate, writeMemory } from './support/stored.ts'

const names = ['example.com']
const hour = 3_600_000
const fresh = await makeSet({ names })
const dueSet = await makeSet({ names, notBefore: new Date(Date.now() - 65 * day) })

/** Stored and installed by an earlier run. */
async function installed(place: Place, set = fresh): Promise<void> {
  await place.run({ obtain: handsOut(set).obtain, atOnce: true })
  writeAccount(place.paths)
  fs.rmSync(join(place.paths.out, 'renewed'))
}

const shown = ({ paths }: Place): string => fs.readFileSync(join(paths.out, 'full.pem'), 'utf8')
const treeFor = ({ roots }: Place) => treeOf([roots.state], { folderTimes: true })

const is =
  (kind: string, ...parts: (string | RegExp)[]) =>
  (e: unknown) =>
    e instanceof NixacmeError && e.kind === kind && parts.every((part) => new RegExp(part).test(e.message))

test('the first run gets a certificate, stores it, raises the marker and installs', async (t) => {
  const place = makePlace(t)
  const ca = handsOut(fresh)
  const run = place.start({ obtain: ca.obtain })
  const { decision, slot, installed } = await run.outcome
  assert.deepEqual([decision.kind, slot, installed, ca.calls], ['run', 1, 'installed', 1])
  const { candidate, domainHash } = readState(place.paths)
  assert.ok(candidate.kind === 'usable')
  assert.equal(candidate.set.fullchain, fresh.fullchain)
  assert.equal(domainHash, place.job.domainHash)
  assert.equal(shown(place), fresh.key + fresh.fullchain)
  assert.ok(fs.existsSync(join(place.paths.out, 'renewed')))
  assert.match(run.said.join('\n'), /^info: getting a certificate: no certificate and key yet\nnotice: installed new/)
})

test('nothing due: no request, no byte, one line, whatever the folders are allowed', async (t) => {
  const place = makePlace(t)
  await installed(place)
  const before = treeFor(place)
  const run = place.start()
  const { decision, installed: outcome } = await run.outcome
  assert.deepEqual([decision.kind, outcome], ['skip', 'unchanged'])
  assert.deepEqual(changesBetween(before, treeFor(place)), [])
  assert.match(run.said.join('\n'), /^info: skipping renewal: 89 days left, 30 days required$/)
})

test('due: renewed, the hash stays, the marker goes up again', async (t) => {
  const place = makePlace(t)
  await installed(place, dueSet)
  const run = place.start({ obtain: handsOut(fresh).obtain })
  assert.equal((await run.outcome).decision.kind, 'renew')
  assert.equal(shown(place), fresh.key + fresh.fullchain)
  assert.ok(fs.existsSync(join(place.paths.out, 'renewed')))
  assert.match(run.said[0] ?? '', /^info: renewing: 24 days left, 30 days required$/)
})

test('a name more: a new certificate, and the new hash with it', async (t) => {
  const place = makePlace(t)
  await installed(place)
  const job = makeJob({ extraDomainNames: ['www.example.com'] })
  const both = await makeSet({ names: job.names })
  const { decision } = await place.run({ job, obtain: handsOut(both).obtain })
  assert.equal(decision.kind, 'force-renew')
  assert.equal(readState(place.paths).domainHash, job.domainHash)
  assert.equal(shown(place), both.key + both.fullchain)
})

test('the names in another order: the hash alone is stored anew, once, without the CA', async (t) => {
  const [a, b] = ['a.example', 'b.example']
  const place = makePlace(t, makeJob({ extraDomainNames: [a, b] }))
  await installed(place, await makeSet({ names: ['example.com', a, b] }))
  const job = makeJob({ extraDomainNames: [b, a] })
  const before = treeOf([place.roots.state])
  const { decision } = await place.run({ job })
  assert.equal(decision.kind, 'skip')
  assert.deepEqual(changesBetween(before, treeOf([place.roots.state])), [`~${place.paths.domainHash}`])
  assert.equal(fs.readFileSync(place.paths.domainHash, 'utf8'), `${job.domainHash}\n`)
  assert.equal(fs.statSync(place.paths.domainHash).mode & 0o777, 0o640)
  const settled = treeFor(place)
  await place.run({ job })
  assert.deepEqual(changesBetween(settled, treeFor(place)), [])
})

test('a torn installation is finished on a day with nothing due', async (t) => {
  const place = makePlace(t)
  for (const [what, tear, outcome] of [
    ['out/ is gone', () => fs.rmSync(place.paths.out, { recursive: true }), 'installed'],
    ['killed before the flip', () => fs.unlinkSync(join(place.paths.out, 'current')), 'installed'],
    ['killed after the flip', () => fs.unlinkSync(join(place.paths.out, 'full.pem')), 'unchanged'],
    ['a mode changed by hand', () => fs.chmodSync(join(place.paths.out, 'key.pem'), 0o600), 'unchanged'],
    ['taken over from lego, never installed', () => fs.rmSync(place.paths.out, { recursive: true }), 'installed'],
  ] as const) {
    await installed(place)
    tear()
    const got = await place.run()
    assert.deepEqual([got.decision.kind, got.installed], ['skip', outcome], what)
    assert.equal(shown(place), fresh.key + fresh.fullchain, what)
    assert.equal(fs.statSync(join(place.paths.out, 'key.pem')).mode & 0o777, 0o640, what)
    assert.equal(fs.existsSync(join(place.paths.out, 'renewed')), outcome === 'installed', what)
    fs.rmSync(place.roots.state, { recursive: true })
  }
})

test('a torn installation waits for who works on the certificate: that run does it', async (t) => {
  const { tryFolder } = await import('../../src/renewal/lock.ts')
  const place = makePlace(t)
  await installed(place)
  fs.unlinkSync(join(place.paths.out, 'full.pem'))
  const held = tryFolder(place.paths.legoCert)
  const before = treeFor(place)
  assert.equal((await place.run()).installed, 'unchanged')
  assert.deepEqual(changesBetween(before, treeFor(place)), [])
  held?.release()
})

test('what a killed run has left is taken away on a day with nothing due, and while a try has to wait', async (t) => {
  const { tryFolder } = await import('../../src/renewal/lock.ts')
  const place = makePlace(t)
  await installed(place)
  const { challenges, legoCert } = place.paths
  const lent = join(legoCert, '.lego.1-2.tmp', 'secrets', 'TOKEN_FILE')
  const leave = () => {
    fs.mkdirSync(join(lent, '..'), { recursive: true })
    for (const path of [lent, challenges]) fs.writeFileSync(path, 'x')
  }
  const clearChallenges = async () => fs.rmSync(challenges)
  const left = () => [fs.existsSync(challenges), fs.existsSync(lent)]

  leave()
  const held = tryFolder(legoCert)
  await place.run()
  await place.run({ dryRun: true })
  assert.deepEqual(left(), [true, true], 'of a run that is at work')
  held?.release()
  await place.run({ dryRun: true })
  assert.deepEqual(left(), [true, true], 'a dry run changes nothing')

  const failing = place.start({ clearChallenges: () => Promise.reject(new NixacmeError('unavailable', 'no way')) })
  assert.equal((await failing.outcome).decision.kind, 'skip')
  assert.match(
    failing.said.join('\n'),
    /^warning: what an earlier run has left cannot be taken away: no way, ignoring$/m,
  )
  assert.deepEqual(left(), [true, false])
  assert.equal((await place.run({ clearChallenges })).decision.kind, 'skip')
  assert.deepEqual(left(), [false, false])

  leave()
  writeCertificate(place.paths, place.job, dueSet)
  writeMemory(place.paths, failedUntil(new Date(Date.now() + hour), place.job))
  await assert.rejects(place.run({ clearChallenges }), is('later'))
  assert.deepEqual(left(), [false, false])
})

test('a certificate that is not due and lives shorter than the installed one is kept out, with a warning', async (t) => {
  const place = makePlace(t)
  await installed(place)
  const older = await makeSet({ names, notBefore: new Date(Date.now() - 5 * day) })
  writeCertificate(place.paths, place.job, older)
  const run = place.start()
  assert.equal((await run.outcome).installed, 'kept')
  assert.equal(shown(place), fresh.key + fresh.fullchain)
  assert.match(run.said.join('\n'), /^warning: the stored certificate ends .* keeping the installed one$/m)
})

test('what is stored and unusable: said, and a new one is asked for', async (t) => {
  const place = makePlace(t)
  await installed(place)
  fs.writeFileSync(place.paths.certificate, truncate(fresh.fullchain))
  const other = await makeSet({ names })
  const run = place.start({ obtain: handsOut(other).obtain })
  assert.equal((await run.outcome).decision.kind, 'run')
  assert.match(run.said[0] ?? '', /^warning: the stored certificate in .* cannot be used: the c.* cut short$/)
  assert.equal(shown(place), other.key + other.fullchain)
})

test('--now renews what is not due, whatever the failure memory says', async (t) => {
  const place = makePlace(t)
  await installed(place)
  writeMemory(place.paths, failedUntil(new Date(Date.now() + hour), place.job))
  const other = await makeSet({ names })
  assert.equal((await place.run({ atOnce: true, obtain: handsOut(other).obtain })).decision.kind, 'renew')
  assert.equal(shown(place), other.key + other.fullchain)
})

test('due, and the failure memory says not yet: 75, no request, no byte but for the poller, once', async (t) => {
  const place = makePlace(t)
  await installed(place, dueSet)
  writeMemory(place.paths, failedUntil(new Date(Date.now() + hour), place.job))
  const but = { folderTimes: true, but: /\.renewal-info/ }
  const before = treeOf([place.roots.state], but)
  await assert.rejects(place.run(), is('later', '^waiting: 24 days left.*not before .*: failed'))
  assert.deepEqual(changesBetween(before, treeOf([place.roots.state], but)), [])
  const told = treeFor(place)
  await assert.rejects(place.run(), is('later'))
  assert.deepEqual(changesBetween(told, treeFor(place)), [])
})

test('a memory of a newer nixacme: 65, also with --now, and not one byte of it changes', async (t) => {
  const place = makePlace(t)
  await installed(place, dueSet)
  writeMemory(place.paths, { version: 2, window: ['2026', '2027'] })
  const before = treeFor(place)
  for (const atOnce of [false, true])
    await assert.rejects(place.run({ atOnce }), is('data', 'nixacme.json', 'version 2'))
  assert.deepEqual(changesBetween(before, treeFor(place)), [])
})

test('a clock that cannot be right judges nothing: skip with a warning', async (t) => {
  const place = makePlace(t)
  await installed(place)
  for (const [now, builtAt, why] of [
    [new Date(Date.now() - 2 * hour), new Date(0), /before the certificate's notBefore/],
    [new Date(), new Date(Date.now() + hour), /before this nixacme was built/],
  ] as const) {
    const run = place.start({ now: () => now, builtAt })
    assert.equal((await run.outcome).decision.kind, 'skip')
    assert.match(run.said.join('\n'), why)
    assert.match(run.said.join('\n'), /^warning: skipping renewal: /)
  }
})

test('a CA that fails: its error, and of what was there only the memory has changed', async (t) => {
  const place = makePlace(t)
  await installed(place, dueSet)
  const look = () => treeOf([place.roots.state], { but: memoryFiles })
  const before = look()
  const refusal = new NixacmeError('refused', 'the CA refused')
  await assert.rejects(place.run({ obtain: () => Promise.reject(refusal), atOnce: true }), (e) => e === refusal)
  assert.deepEqual(changesBetween(before, look()), [])
})

test('a dry run writes nothing and tells what would be', async (t) => {
  for (const [what, prepare, line, asked] of [
    ['nothing there', () => {}, /^info: would be getting a certificate: no certificate and key yet$/m, 1],
    ['due', (p: Place) => installed(p, dueSet), /^info: would be renewing: 24 days left, 30 days required$/m, 1],
    ['not due', (p: Place) => installed(p), /^info: skipping renewal: 89 days left/m, 0],
    [
      'a torn installation',
      async (p: Place) => {
        await installed(p)
        fs.unlinkSync(join(p.paths.out, 'key.pem'))
        fs.writeFileSync(p.paths.domainHash, 'other\n')
      },
      /^info: skipping renewal/m,
      0,
    ],
  ] as const) {
    const place = makePlace(t)
    await prepare(place)
    const before = treeFor(place)
    let calls = 0
    const run = place.start({
      dryRun: true,
      obtain: async (_job, { withAccountLock }) => {
        calls++
        await withAccountLock(async () => {})
        return undefined
      },
    })
    assert.equal((await run.outcome).installed, 'unchanged', what)
    assert.equal(calls, asked, what)
    assert.match(run.said.join('\n'), line, what)
    assert.deepEqual(changesBetween(before, treeFor(place)), [], what)
  }
})
