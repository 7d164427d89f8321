// Accounts tended by hand, at Pebble: looked up, contact, key, end, and recovery.
import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { after, before, describe, type TestContext, test } from 'node:test'
import {
  type AccountWork,
  deactivateAccount,
  fetchAccount,
  recoverAccount,
  rollOverKey,
  updateAccount,
} from '../../src/acme/account-work.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { type Pebble, pebbleMissing, startPebble } from '../support/pebble.ts'
import { type AccountBench, accountBench } from './account-bench.ts'
import { failureOf } from './request.ts'

describe('at Pebble', { skip: pebbleMissing ?? false }, () => {
  let pebble: Pebble
  before(async () => {
    pebble = await startPebble()
  })
  after(() => pebble.stop())

  const make = (t: TestContext): AccountBench =>
    accountBench(t, { directoryUrl: pebble.directoryUrl, rootPem: readFileSync(pebble.tlsRoot, 'utf8') })

  async function registered(t: TestContext) {
    const b = make(t)
    return { ...b, url: await b.open() }
  }

  test('the CA is asked for status and contact, nothing is written', async (t) => {
    const { work, url } = await registered(t)
    const before = statSync(work.account.json).mtimeMs
    const { caaIdentities: _, ...state } = await fetchAccount(work)
    assert.deepEqual(state, { url, status: 'valid', contact: ['mailto:a@example.com'] })
    assert.equal(statSync(work.account.json).mtimeMs, before)
  })

  test('update tells the contact, and its end', async (t) => {
    const { work, url, text } = await registered(t)
    for (const [email, contact] of [
      ['b@example.com', ['mailto:b@example.com']],
      [null, []],
    ] as const) {
      assert.deepEqual((await updateAccount({ ...work, email })).contact, contact)
      assert.deepEqual((await fetchAccount(work)).contact, contact)
      const stored = JSON.parse(text(work.account.json) ?? '')
      assert.deepEqual([stored.email, stored.registration.uri], [email ?? '', url])
    }
  })

  test('a renewal tells a contact that is another one in the config, once', async (t) => {
    const { work, url, open, log } = await registered(t)
    assert.equal(await open({ email: 'c@example.com' }), url)
    assert.deepEqual((await fetchAccount(work)).contact, ['mailto:c@example.com'])
    const told = () =>
      log.lines.filter((line) => /^notice: account '.*' has the contact 'c@example\.com' now$/.test(line))
    assert.equal(told().length, 1)
    assert.equal(await open({ email: 'c@example.com' }), url)
    assert.equal(told().length, 1)
  })

  test('a contact that the CA refuses is a warning to a renewal, and an error to update', async (t) => {
    const { work, url, open, log } = await registered(t)
    const email = 'not an address'
    assert.equal(await open({ email }), url)
    assert.match(log.lines.join('\n'), /^warning: the contact of account '.*' could not be changed, ignoring: /m)
    assert.equal((await failureOf(updateAccount({ ...work, email }))).exitStatus, 76)
  })

  for (const keyType of ['ec256', 'ec384', 'rsa2048'] as const)
    test(`rollover to ${keyType}: the new key works, the old one does not, the URL stays`, async (t) => {
      const { work, url, open, text, newKey } = await registered(t)
      const old = text(work.account.key) ?? ''
      await rollOverKey({ ...work, keyType })
      const now = text(work.account.key)
      assert.notEqual(now, old)
      assert.deepEqual([statSync(work.account.key).mode & 0o777, text(newKey)], [0o600, undefined])
      assert.equal((await fetchAccount(work)).status, 'valid')
      assert.equal(await open(), url)
      writeFileSync(work.account.key, old)
      assert.equal((await failureOf(fetchAccount(work))).exitStatus, 76)
    })

  test('deactivate: the CA refuses the account from then on, its files are kept, the next run registers anew', async (t) => {
    const { work, url, open, text } = await registered(t)
    const [key, json] = [text(work.account.key), text(work.account.json)]
    await deactivateAccount(work)
    const { account } = work
    assert.deepEqual([text(account.key), text(account.json)], [undefined, undefined])
    assert.deepEqual([text(`${account.key}.deactivated`), text(`${account.json}.deactivated`)], [key, json])
    const next = await open()
    assert.notEqual(next, url)
    assert.notEqual(text(account.key), key)
    await deactivateAccount(work)
    assert.equal(text(`${account.key}.deactivated`), key)
    assert.ok(text(`${account.key}.deactivated.2`))
  })

  test('deactivate again, after a kill before the files were moved: success', async (t) => {
    const { work, text } = await registered(t)
    const [key, json] = [text(work.account.key), text(work.account.json)]
    await deactivateAccount(work)
    writeFileSync(work.account.key, key ?? '')
    writeFileSync(work.account.json, json ?? '')
    await deactivateAccount(work)
    assert.equal(text(work.account.key), undefined)
  })

  test('a refusal for another reason leaves the files: the key is not the one of the account', async (t) => {
    const { work, text } = await registered(t)
    const other = await registered(t)
    const key = text(other.work.account.key) ?? ''
    writeFileSync(work.account.key, key)
    assert.equal((await failureOf(deactivateAccount(work))).exitStatus, 76)
    assert.equal(text(work.account.key), key)
    assert.ok(text(work.account.json))
    assert.equal((await fetchAccount(other.work)).status, 'valid')
  })

  test('recover: account.json again from the key alone, one of another account is kept', async (t) => {
    const { work, url, text } = await registered(t)
    rmSync(work.account.json)
    assert.deepEqual(
      [(await recoverAccount(work)).url, JSON.parse(text(work.account.json) ?? '').registration.uri],
      [url, url],
    )
    const wrong = (text(work.account.json) ?? '').replace(url, 'https://ca.example/account/7')
    writeFileSync(work.account.json, wrong)
    await recoverAccount(work)
    assert.equal(text(`${work.account.json}.old`), wrong)
    assert.equal(JSON.parse(text(work.account.json) ?? '').registration.uri, url)
  })

  test('recover with a key that the CA does not know: refused, nothing is made', async (t) => {
    const { work, text } = await registered(t)
    writeFileSync(work.account.key, await generateKey('ec256'))
    const json = text(work.account.json)
    const e = await failureOf(recoverAccount(work))
    assert.equal(e.exitStatus, 76)
    assert.match(e.message, /knows no account of the key/)
    assert.equal(text(work.account.json), json)
  })

  test('without account or key: data, and no request', async (t) => {
    const { work } = make(t)
    const requests = pebble.count('-> calling handler()')
    const all: ((work: AccountWork) => Promise<unknown>)[] = [
      fetchAccount,
      updateAccount,
      rollOverKey,
      deactivateAccount,
      recoverAccount,
    ]
    for (const action of all) assert.equal((await failureOf(Promise.resolve().then(() => action(work)))).exitStatus, 65)
    assert.equal(pebble.count('-> calling handler()'), requests)
  })

  test('a change of the key that was begun is finished by whatever comes next', async (t) => {
    const { work, url, open, text, newKey } = await registered(t)
    const old = text(work.account.key) ?? ''
    await rollOverKey(work)
    const now = text(work.account.key)
    // As if it had been killed after the CA's answer.
    renameSync(work.account.key, newKey)
    writeFileSync(work.account.key, old)
    assert.equal(await open(), url)
    assert.deepEqual([text(work.account.key), text(newKey)], [now, undefined])
    // And before the request.
    const unheard = await generateKey('ec256')
    writeFileSync(newKey, unheard)
    await updateAccount(work)
    assert.deepEqual(
      [text(work.account.key), text(newKey), text(`${work.account.key}.unused`)],
      [now, undefined, unheard],
    )
  })
})
