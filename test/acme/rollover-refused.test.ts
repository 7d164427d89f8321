// A key change that was cut short, at a CA that does not say which key it has: it refuses each newAccount without an external
// account binding, say. The account goes on with the key that the CA takes, and neither key is lost.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { deactivateAccount, fetchAccount, rollOverKey, updateAccount } from '../../src/acme/account-work.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { type Ca, startCa } from '../ca/ca.ts'
import { type AccountBench, accountBench } from './account-bench.ts'
import { failureOf } from './request.ts'

const bindingFirst = { do: 'problem', type: 'externalAccountRequired', status: 403 } as const

interface Scene {
  readonly ca: Ca
  readonly bench: AccountBench
  readonly url: string
  readonly oldKey: string
  /** What a change that was cut short has left. */
  readonly offered: string
}

/** An account with the files that a kill leaves, of a change that has reached the CA or has not. */
async function cutShort(t: TestContext, hasReached: boolean): Promise<Scene> {
  const ca = await startCa()
  t.after(() => ca.close())
  const bench = accountBench(t, ca)
  const { account } = bench.work
  const url = await bench.open()
  const oldKey = bench.text(account.key) ?? ''
  if (hasReached) await rollOverKey(bench.work)
  const offered = hasReached ? (bench.text(account.key) ?? '') : await generateKey('ec256')
  writeFileSync(account.key, oldKey)
  writeFileSync(bench.newKey, offered)
  return { ca, bench, url, oldKey, offered }
}

const keys = ({ bench: { text, newKey, work } }: Scene) => [text(work.account.key), text(newKey)]

for (const [what, fault] of [
  ['refuses', bindingFirst],
  ['refuses with a page', { do: 'answer', status: 403, headers: { 'Content-Type': 'text/html' }, body: '<p>no' }],
] as const)
  test(`the change did not reach the CA, whose newAccount ${what}: on with the old key, the new one is kept and tried again`, async (t) => {
    const scene = await cutShort(t, false)
    const { ca, bench, url, oldKey, offered } = scene
    ca.fault('newAccount', fault)
    assert.equal(await bench.open(), url)
    assert.match(
      bench.log.lines.join('\n'),
      /^warning: the change of the account key, begun .* cannot be .*, ignoring: /m,
    )
    assert.match(bench.log.lines.join('\n'), /kept as '.*\.key\.new'/)
    assert.equal((await fetchAccount(bench.work)).status, 'valid')
    assert.equal((await updateAccount(bench.work)).url, url)
    assert.deepEqual(keys(scene), [oldKey, offered])
    await rollOverKey(bench.work)
    assert.deepEqual(keys(scene), [offered, undefined])
    assert.equal((await fetchAccount(bench.work)).url, url)
  })

test('a kept key that the CA refuses is set aside, and the next change makes another one', async (t) => {
  const scene = await cutShort(t, false)
  const { ca, bench, oldKey, offered } = scene
  ca.fault('newAccount', bindingFirst)
  const end = ca.fault('keyChange', { do: 'problem', type: 'badPublicKey', status: 400 })
  assert.equal((await failureOf(rollOverKey(bench.work))).exitStatus, 76)
  assert.deepEqual([...keys(scene), bench.text(`${bench.work.account.key}.unused`)], [oldKey, undefined, offered])
  end()
  await rollOverKey(bench.work)
  assert.ok(![oldKey, offered].includes(keys(scene)[0] ?? ''))
})

test('newAccount is out of order: on with the old key where the CA takes it, else both stay', async (t) => {
  for (const hasReached of [false, true]) {
    const scene = await cutShort(t, hasReached)
    scene.ca.fault('newAccount', { do: 'problem', type: 'serverInternal', status: 500 })
    if (hasReached) assert.equal((await failureOf(scene.bench.open())).exitStatus, 69)
    else assert.equal(await scene.bench.open(), scene.url)
    assert.deepEqual(keys(scene), [scene.oldKey, scene.offered])
  }
})

test('the change reached the CA, which refuses to say so: the new key is taken', async (t) => {
  const scene = await cutShort(t, true)
  scene.ca.fault('newAccount', bindingFirst)
  assert.equal(await scene.bench.open(), scene.url)
  assert.deepEqual(keys(scene), [scene.offered, undefined])
  assert.equal((await fetchAccount(scene.bench.work)).url, scene.url)
})

test('the CA takes neither key: both stay, and its words are told', async (t) => {
  const scene = await cutShort(t, false)
  scene.ca.fault('newAccount', bindingFirst)
  scene.ca.fault('account', { do: 'problem', type: 'unauthorized', status: 403 })
  const e = await failureOf(scene.bench.open())
  assert.match(e.message, /externalAccountRequired/)
  assert.deepEqual(keys(scene), [scene.oldKey, scene.offered])
})

test('the change was made late, and the CA refuses to say so: the key that was set aside is taken', async (t) => {
  const scene = await cutShort(t, true)
  const { ca, bench, oldKey, offered, url } = scene
  assert.equal(await bench.open(), url)
  writeFileSync(bench.work.account.key, oldKey)
  writeFileSync(`${bench.work.account.key}.unused`, offered)
  ca.fault('newAccount', bindingFirst)
  assert.equal((await fetchAccount(bench.work)).url, url)
  assert.deepEqual(keys(scene), [offered, undefined])
})

test('a key that is kept is in the way of no registration', async (t) => {
  const scene = await cutShort(t, false)
  const { ca, bench, url, offered } = scene
  ca.fault('newAccount', ({ next, payload }) => {
    if (!JSON.stringify(payload).includes('onlyReturnExisting')) return next()
    return { status: 403, headers: { 'Content-Type': 'application/problem+json' }, body: '{"type":"about:blank"}' }
  })
  await deactivateAccount(bench.work)
  assert.notEqual(await bench.open(), url)
  assert.equal(keys(scene)[1], offered)
})
