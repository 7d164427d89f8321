// What a run leaves for the poller of renewal information, and what it takes from it for its order; and that none of this can
// fail a run.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import type { Watch } from '../../src/renewal/renewal-info.ts'
import { readWatch, updateWatch, watchOf } from '../../src/renewal/renewal-info-file.ts'
import { readState } from '../../src/renewal/state.ts'
import { noteRetry, predecessor } from '../../src/renewal/watch.ts'
import { keptLog } from '../acme/request.ts'
import { day, makeSet } from '../support/certificates.ts'
import { changesBetween, treeOf } from '../support/tree.ts'
import { makeJob } from './support/lock-job.ts'
import { handsOut, issued, makePlace, type Obtain, type Place } from './support/renewal.ts'
import { accountJson, writeAccount, writeCertificate } from './support/stored.ts'

const names = ['example.com']
const set = await makeSet({ names })
const other = await makeSet({ names })
const job = makeJob({ validMinDays: null })
const accountUrl = JSON.parse(accountJson('')).registration.uri as string
const host = { now: () => new Date(), interrupted: new AbortController().signal }
const tools = { host, log: keptLog() }

const watched = ({ paths }: Place): Watch => watchOf(readWatch(paths.renewalInfo))
const idOf = ({ paths }: Place): string | undefined => {
  const { candidate } = readState(paths)
  return candidate.kind === 'usable' ? candidate.facts.renewalId : undefined
}
const server = job.servers[0]

const window = { start: new Date(Date.now() + 50 * day), end: new Date(Date.now() + 51 * day) }
const suggestion = { window, explanationUrl: undefined, retryAfter: 3600 }
const suggests: Obtain = async () => ({
  ...issued(set),
  accountUrl,
  renewal: { kind: 'suggested', suggestion },
})

test('§4.3: what the CA said right after issuance is known, of the new certificate alone, and the retry is over', async (t) => {
  const place = makePlace(t, job)
  fs.mkdirSync(place.roots.state)
  await updateWatch(place.paths.renewalInfo, () => ({ retryAt: new Date() }), host)
  await place.run({ obtain: suggests })
  const { info, retryAt } = watched(place)
  assert.equal(retryAt, undefined)
  assert.equal(info?.certificate, idOf(place))
  assert.equal(info?.account, accountUrl)
  assert.deepEqual([info?.server, info?.followed, info?.window], [server.directoryUrl, true, window])
  assert.ok(info?.selected && info.selected >= window.start && info.selected < window.end)
  writeAccount(place.paths)
  assert.match((await place.run()).decision.reason, /by the renewal time of the CA/)
})

test('a CA that fails to say it then is asked again at the next wake-up; the run has gone well', async (t) => {
  const place = makePlace(t, job)
  const error = new Error('no such certificate')
  const run = place.start({
    obtain: async () => ({
      ...issued(set),
      accountUrl,
      renewal: { kind: 'failed', error, isTemporary: false, retryAfter: undefined },
    }),
  })
  assert.equal((await run.outcome).installed, 'installed')
  const { info } = watched(place)
  assert.equal(info?.failures?.what, 'no such certificate')
  assert.ok(info && info.nextPoll.getTime() - Date.now() <= 15 * 60_000)
  assert.match(run.said.join('\n'), /^info: .*no such certificate$/m)
})

/** Taken over from lego: nobody watches it. */
function takenOver(t: Parameters<typeof makePlace>[0], of = job): Place {
  const place = makePlace(t, of)
  writeAccount(place.paths)
  writeCertificate(place.paths, of, set)
  return place
}

test('a certificate that was there before is watched from the first run on, and a second run has nothing to do', async (t) => {
  const place = takenOver(t)
  await place.run()
  const { info } = watched(place)
  assert.deepEqual([info?.certificate, info?.account, info?.followed], [idOf(place), accountUrl, true])
  assert.ok(info && info.nextPoll <= new Date())
  const before = treeOf([place.roots.state])
  await place.run()
  assert.deepEqual(changesBetween(before, treeOf([place.roots.state])), [])
})

test('plan and a dry run do not write it', async (t) => {
  const place = takenOver(t)
  await place.run({ dryRun: true })
  assert.equal(fs.existsSync(place.paths.renewalInfo), false)
})

test('a change of the config that the poller must know reaches it, and what the CA said stays', async (t) => {
  const place = takenOver(t)
  await place.run()
  const selected = new Date('2030-01-01T00:00:00Z')
  await updateWatch(place.paths.renewalInfo, ({ info }) => ({ info: info && { ...info, window, selected } }), host)
  for (const changed of [
    makeJob({ validMinDays: 7 }),
    makeJob({ validMinDays: null, caCertificates: ['/etc/own.pem'] }),
  ]) {
    await place.run({ job: changed })
    const { info } = watched(place)
    assert.equal(info?.followed, changed.validMinDays === null)
    assert.deepEqual(info?.caCertificates, changed.caCertificates)
    assert.deepEqual(info?.selected, selected)
  }
})

test('§4.3: what was known of a replaced certificate is over', async (t) => {
  const place = takenOver(t)
  await place.run()
  await updateWatch(place.paths.renewalInfo, ({ info }) => ({ info: info && { ...info, window } }), host)
  const old = watched(place).info?.certificate
  writeCertificate(place.paths, job, other)
  await place.run()
  const { info } = watched(place)
  assert.notEqual(info?.certificate, old)
  assert.equal(info?.window, undefined)
})

test('a retry that a run finds nothing to do for is over; what is known stays', async (t) => {
  const place = takenOver(t)
  await place.run()
  const known = watched(place)
  const at = new Date('2030-01-01T00:00:00Z')
  await noteRetry(place.paths, at, tools)
  assert.deepEqual(watched(place), { ...known, retryAt: at })
  await place.run()
  assert.deepEqual(watched(place), known)
  await noteRetry(place.paths, at, tools)
  await noteRetry(place.paths, undefined, tools)
  assert.deepEqual(watched(place), known)
})

test('a retry is known also before the first certificate', async (t) => {
  const place = makePlace(t, job)
  fs.mkdirSync(place.roots.state)
  const at = new Date('2030-01-01T00:00:00Z')
  await noteRetry(place.paths, at, tools)
  assert.deepEqual(watched(place), { retryAt: at })
})

test('a damaged file is no advice, is told and written anew; one of a newer nixacme is told and left', async (t) => {
  const place = takenOver(t)
  await place.run()
  const newer = '{"version": 9}\n'
  for (const [text, words] of [
    ['{"version": 1, ', /is damaged, writing it anew/],
    [newer, /has version 9/],
  ] as const) {
    fs.writeFileSync(place.paths.renewalInfo, text)
    const run = place.start()
    assert.equal((await run.outcome).decision.kind, 'skip')
    assert.match(run.said.join('\n'), words)
  }
  assert.equal(fs.readFileSync(place.paths.renewalInfo, 'utf8'), newer)
})

test('where nothing can be kept the certificate comes all the same, with a warning', async (t) => {
  const place = makePlace(t, job)
  fs.mkdirSync(place.roots.state)
  fs.writeFileSync(join(place.roots.state, '.renewal-info'), 'in the way')
  const run = place.start({ obtain: handsOut(set).obtain })
  assert.equal((await run.outcome).installed, 'installed')
  assert.match(run.said.join('\n'), /warning: what the CA says of renewals is not kept/)
})

/** As the state stands with the CA of this URL. */
const standing = ({ paths }: Place, directoryUrl = server.directoryUrl) => ({
  server: { ...server, directoryUrl },
  state: readState(paths),
})

test('§5: an order takes the place of the stored certificate, of the same CA and account', async (t) => {
  const place = takenOver(t)
  const id = idOf(place)
  assert.ok(id)
  const found = (directoryUrl?: string) => predecessor(standing(place, directoryUrl), standing(place))
  assert.equal(found(), id, 'nothing is known against it')
  await place.run()
  assert.equal(found(), id)
  assert.equal(found('https://other.test/dir'), undefined, 'another CA issued it')
  const change = (changes: object) =>
    updateWatch(place.paths.renewalInfo, ({ info }) => ({ info: info && { ...info, ...changes } }), host)
  await change({ account: 'https://ca.test/acct/other' })
  assert.equal(found(), undefined, 'another account ordered it')
  await change({ account: undefined })
  assert.equal(found(), id)
})

test('§5: no predecessor without a certificate that is sound, or without an account to order with', (t) => {
  const place = makePlace(t, job)
  const found = () => predecessor(standing(place), standing(place))
  assert.equal(found(), undefined)
  writeCertificate(place.paths, job, set)
  assert.equal(found(), undefined)
  writeAccount(place.paths)
  assert.ok(found())
  fs.writeFileSync(place.paths.certificate, 'cut short')
  assert.equal(found(), undefined)
})

test('a renewal that fails leaves the time of its next try, until one goes well', async (t) => {
  const place = takenOver(t)
  const fail: Obtain = async () => {
    throw new NixacmeError('unavailable', 'the CA is away')
  }
  const now = () => new Date(Date.now() + 80 * day)
  await place.start({ now, obtain: fail }).outcome.catch(() => {})
  const { retryAt } = watched(place)
  assert.ok(retryAt && retryAt > now())
  await place.run({ now, atOnce: true, obtain: suggests })
  assert.equal(watched(place).retryAt, undefined)
})
