// The file of a certificate's renewal information: written whole, read strictly, kept where a newer nixacme wrote it, and
// never torn between two who write at once.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import type { RenewalInfo, Watch } from '../../src/renewal/renewal-info.ts'
import { parseWatch, readWatch, renderWatch, updateWatch, watchedCerts } from '../../src/renewal/renewal-info-file.ts'
import { temporaryDir } from '../support/process.ts'

const host = { now: () => new Date(), interrupted: new AbortController().signal }
const instant = (text: string) => new Date(`2026-08-${text}:00:00Z`)

const least: RenewalInfo = {
  certificate: 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
  server: 'https://ca.test/dir',
  plainHttp: false,
  caCertificates: [],
  notAfter: instant('30T00'),
  followed: true,
  nextPoll: instant('01T00'),
  account: undefined,
}
const most: RenewalInfo = {
  ...least,
  caCertificates: ['/etc/ssl/own.pem'],
  account: 'https://ca.test/acct/1',
  window: { start: instant('20T00'), end: instant('21T00') },
  selected: instant('20T07'),
  immediate: false,
  explanationUrl: 'https://ca.test/why',
  failures: { count: 3, first: instant('01T00'), last: instant('02T00'), what: 'connection refused' },
}
const { account: _, ...leastAsRead } = least

function place(t: TestContext): string {
  return join(temporaryDir(t), 'renewal-info', 'x.test.json')
}

test('what is written is read, and the names are those of the RFC where it has one', () => {
  for (const [watch, read] of [
    [{}, {}],
    [{ retryAt: instant('05T00') }, { retryAt: instant('05T00') }],
    [{ info: least }, { info: leastAsRead }],
    [
      { info: most, retryAt: instant('05T00') },
      { info: most, retryAt: instant('05T00') },
    ],
  ] satisfies [Watch, unknown][])
    assert.deepEqual(parseWatch(renderWatch(watch)), { kind: 'known', watch: read })
  const json = JSON.parse(renderWatch({ info: most }))
  assert.equal(json.version, 1)
  assert.equal(json.explanationURL, 'https://ca.test/why')
  assert.deepEqual(json.window, { start: '2026-08-20T00:00:00.000Z', end: '2026-08-21T00:00:00.000Z' })
})

test('each field that is missing or of another kind is damage, and named', () => {
  const whole = JSON.parse(renderWatch({ info: most, retryAt: instant('05T00') }))
  const flawOf = (changes: object): string => {
    const stored = parseWatch(JSON.stringify({ ...whole, ...changes }))
    return stored.kind === 'damaged' ? stored.flaw : stored.kind
  }
  const needed = ['server', 'plainHttp', 'caCertificates', 'notAfter', 'followed', 'nextPoll', 'version']
  for (const key of needed)
    assert.match(flawOf({ [key]: undefined }), key === 'version' ? /no version/ : new RegExp(`'${key}'`))
  for (const key of Object.keys(whole).filter((name) => name !== 'version'))
    assert.match(flawOf({ [key]: [17] }), new RegExp(`'${key}'`), key)
  for (const key of ['notAfter', 'selected', 'nextPoll', 'retryAt'])
    assert.match(flawOf({ [key]: 'soon' }), /no instant/, key)
  const { start, end } = whole.window
  for (const window of [{ start }, { end }, { start: end, end: start }, { start, end: start }])
    assert.match(flawOf({ window }), /'end'|'start'|'window' ends before/)
  assert.match(flawOf({ failures: { ...whole.failures, count: -1 } }), /'count'/)
})

for (const text of ['', '{', 'null', '[]', '7', '{"version": "1"}', '\u0000'])
  test(`${JSON.stringify(text)} is damage`, () => assert.equal(parseWatch(text).kind, 'damaged'))

test('what is not there is known to be nothing; what cannot be read, or is huge, is damage', (t) => {
  const path = place(t)
  assert.deepEqual(readWatch(path), { kind: 'known', watch: {} })
  fs.mkdirSync(path, { recursive: true })
  assert.equal(readWatch(path).kind, 'damaged')
  fs.rmdirSync(path)
  fs.writeFileSync(path, `{"version": 1, "x": "${'x'.repeat(70_000)}"}`)
  assert.equal(readWatch(path).kind, 'damaged')
})

test('an update makes the folder, sees what is known, and can leave it', async (t) => {
  const path = place(t)
  await updateWatch(path, (known) => ({ ...known, info: least }), host)
  const { mtimeNs } = fs.statSync(path, { bigint: true })
  await updateWatch(path, () => undefined, host)
  assert.equal(fs.statSync(path, { bigint: true }).mtimeNs, mtimeNs)
  await updateWatch(path, (known) => ({ ...known, retryAt: instant('05T00') }), host)
  assert.deepEqual(readWatch(path), { kind: 'known', watch: { info: leastAsRead, retryAt: instant('05T00') } })
  assert.equal(fs.statSync(path).mode & 0o777, 0o640)
  assert.equal(fs.statSync(join(path, '..')).mode & 0o777, 0o750)
})

test('damage is replaced; what a newer nixacme wrote is left alone (65)', async (t) => {
  const path = place(t)
  await updateWatch(path, () => ({ info: most }), host)
  fs.writeFileSync(path, '{"version": 1, "certificate": ')
  await updateWatch(path, (known) => ({ ...known, retryAt: instant('05T00') }), host)
  assert.deepEqual(readWatch(path), { kind: 'known', watch: { retryAt: instant('05T00') } })
  fs.writeFileSync(path, '{"version": 2, "certificates": []}')
  assert.equal(readWatch(path).kind, 'newer')
  await assert.rejects(
    updateWatch(path, (known) => known, host),
    (e) => e instanceof NixacmeError && e.kind === 'data' && e.message.includes(`'${path}'`),
  )
  assert.equal(fs.readFileSync(path, 'utf8'), '{"version": 2, "certificates": []}')
})

test('twenty who write at once lose nothing of each other', async (t) => {
  const path = place(t)
  await updateWatch(path, () => ({ info: { ...most, failures: undefined } }), host)
  const count = ({ info }: Watch) => info?.failures?.count ?? 0
  const one = () =>
    updateWatch(
      path,
      (known) => ({
        ...known,
        info: {
          ...most,
          failures: { count: count(known) + 1, first: instant('01T00'), last: instant('01T00'), what: '' },
        },
      }),
      host,
    )
  await Promise.all(Array.from({ length: 20 }, one))
  const stored = readWatch(path)
  assert.equal(stored.kind === 'known' && count(stored.watch), 20)
})

test('a folder that cannot be written to is told as such', async (t) => {
  const path = place(t)
  fs.writeFileSync(join(path, '..'), 'no folder')
  await assert.rejects(
    updateWatch(path, () => ({}), host),
    (e) => e instanceof NixacmeError && ['write', 'lock'].includes(e.kind),
  )
})

test('of a folder the files of certificates count, and no temporary ones', async (t) => {
  const folder = join(temporaryDir(t), 'renewal-info')
  assert.deepEqual(watchedCerts(folder), [])
  fs.mkdirSync(folder)
  for (const name of ['a.test.json', '.a.test.json.17-3.tmp', '.json', 'x', 'b@c+d.json'])
    fs.writeFileSync(join(folder, name), '')
  assert.deepEqual(watchedCerts(folder).sort(), ['a.test', 'b@c+d'])
})
