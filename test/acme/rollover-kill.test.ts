// A key change is killed before each of its changes of the disk, and before and after each of its requests: the key that
// the CA has is always on disk, the next run goes on with it, and the account stays the same one.
import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { after, before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fetchAccount, rollOverKey } from '../../src/acme/account-work.ts'
import type { Answer } from '../ca/answer.ts'
import { type Ca, startCa } from '../ca/ca.ts'
import { type Running, start } from '../support/process.ts'
import { loader, runnable } from '../support/program.ts'
import { type AccountBench, accountWorkIn } from './account-bench.ts'
import { failureOf, folder } from './request.ts'

const driver = runnable(fileURLToPath(new URL('rollover-driver.ts', import.meta.url)))

interface Scene {
  readonly dir: string
  readonly bench: AccountBench
  readonly url: string
  readonly oldKey: string
}

async function register(t: TestContext, ca: Ca): Promise<Scene> {
  const dir = folder(t)
  const bench = accountWorkIn(dir, ca)
  const url = await bench.open()
  return { dir, bench, url, oldKey: bench.text(bench.work.account.key) ?? '' }
}

const drive = ({ dir }: Scene, ca: Ca, killAt: number): Running =>
  start(process.execPath, [...loader, driver, dir, ca.directoryUrl, String(killAt)])

/** What must hold after a kill: the account can be used as it is, and a change can be made. */
async function assertUsable({ bench, url, oldKey }: Scene): Promise<void> {
  const { work, text, newKey, open } = bench
  assert.ok(text(work.account.key))
  // As a renewal would: its own look at the files, then a request by the account.
  assert.equal(await open(), url)
  assert.equal((await fetchAccount(work)).url, url)
  assert.equal(text(newKey), undefined)
  await rollOverKey(work)
  assert.equal((await fetchAccount(work)).status, 'valid')
  assert.notEqual(text(work.account.key), oldKey)
}

async function forEachOf(n: number, action: (i: number) => Promise<void>): Promise<void> {
  let next = 1
  const lane = async () => {
    while (next <= n) await action(next++)
  }
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, lane))
}

describe('killed', () => {
  let ca: Ca
  before(async () => {
    ca = await startCa()
  })
  after(() => ca.close())

  test('before each change of the disk', async (t) => {
    const whole = await register(t, ca)
    const { status, stdout, stderr } = await drive(whole, ca, 0).finished
    assert.equal(status, 0, stderr)
    const { changes } = JSON.parse(stdout) as { changes: number }
    assert.ok(changes >= 8, `${changes} changes only`)
    t.diagnostic(`${changes} changes`)
    const found = new Set<string>()
    await forEachOf(changes, async (killAt) => {
      const scene = await register(t, ca)
      const { signal } = await drive(scene, ca, killAt).finished
      assert.equal(signal, 'SIGKILL')
      const { text, newKey, work } = scene.bench
      found.add(text(newKey) ? 'both' : text(work.account.key) === scene.oldKey ? 'old' : 'new')
      try {
        await assertUsable(scene)
      } catch (e) {
        throw new Error(`killed before change ${killAt} of ${changes}`, { cause: e })
      }
    })
    assert.deepEqual([...found].sort(), ['both', 'new', 'old'])
  })
})

for (const when of ['before', 'after'] as const)
  test(`killed ${when} each request`, async (t) => {
    const ca = await startCa()
    t.after(() => ca.close())
    const whole = await register(t, ca)
    ca.reset()
    assert.equal((await drive(whole, ca, 0).finished).status, 0)
    const kinds = ca.requests.map(({ kind }) => kind)
    assert.ok(kinds.includes('keyChange'), kinds.join())
    for (const [i, kind] of kinds.entries()) {
      const scene = await register(t, ca)
      ca.reset()
      let seen = 0
      let running: Running | undefined
      ca.fault('*', async ({ next }): Promise<Answer> => {
        if (seen++ !== i) return next()
        if (when === 'after') await next()
        await running?.end('SIGKILL')
        return { status: 0, headers: {}, body: '', bare: true, transport: 'drop' }
      })
      running = drive(scene, ca, 0)
      assert.equal((await running.finished).signal, 'SIGKILL', `${when} ${kind}`)
      ca.reset()
      const isHeard = kind === 'keyChange' && when === 'after'
      const offered = scene.bench.text(scene.bench.newKey)
      await scene.bench.open()
      assert.equal(scene.bench.text(scene.bench.work.account.key), isHeard ? offered : scene.oldKey, `${when} ${kind}`)
      await assertUsable(scene)
    }
    assert.equal(ca.stats.accounts, kinds.length + 1)
  })

test('the answer is lost: the change is found to be made', async (t) => {
  const ca = await startCa()
  t.after(() => ca.close())
  const { bench, oldKey, url } = await register(t, ca)
  const { work, text, newKey } = bench
  for (const times of [1, 4]) {
    ca.fault('keyChange', { do: 'drop', when: 'after', times })
    await rollOverKey(work)
    assert.notEqual(text(work.account.key), oldKey)
    assert.equal(text(newKey), undefined)
    assert.equal((await fetchAccount(work)).url, url)
  }
})

test('the CA refuses: the old key stays, the new one is put aside', async (t) => {
  const ca = await startCa()
  t.after(() => ca.close())
  const { bench, oldKey } = await register(t, ca)
  const { work, text, newKey } = bench
  ca.fault('keyChange', { do: 'problem', type: 'malformed', status: 409, times: 1 })
  assert.equal((await failureOf(rollOverKey(work))).exitStatus, 76)
  assert.deepEqual([text(work.account.key), text(newKey)], [oldKey, undefined])
  assert.ok(text(`${work.account.key}.unused`))
  await assertUsable({ dir: '', bench, oldKey, url: await bench.open() })
})

test('the CA goes away in the middle: both keys stay until it can be asked', async (t) => {
  const ca = await startCa()
  t.after(() => ca.close())
  const scene = await register(t, ca)
  const { work, text, newKey } = scene.bench
  const lost = ca.fault('keyChange', { do: 'drop', when: 'after' })
  const away = ca.fault('newAccount', { do: 'answer', status: 503 })
  assert.equal((await failureOf(rollOverKey(work))).exitStatus, 69)
  assert.equal(text(work.account.key), scene.oldKey)
  const offered = text(newKey)
  assert.equal((await failureOf(scene.bench.open())).exitStatus, 69)
  assert.equal(text(newKey), offered)
  lost()
  away()
  assert.equal(await scene.bench.open(), scene.url)
  assert.equal(text(work.account.key), offered)
})

test('a CA without a key change: refused, nothing is made', async (t) => {
  const ca = await startCa()
  t.after(() => ca.close())
  const { bench } = await register(t, ca)
  ca.fault('directory', { do: 'patch', json: { keyChange: null } })
  assert.equal((await failureOf(rollOverKey(bench.work))).exitStatus, 76)
  assert.equal(bench.text(bench.newKey), undefined)
})
