// The account's files: found, kept, mended; and registered once.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { type Behaviour, problem, startFakeCa } from './fake-ca.ts'
import { type Bench, bench, failureOf } from './request.ts'

/** A CA that refuses every order: all that comes before it is what these tests are about. */
const refusing: Behaviour = ({ path }) => (path === '/order' ? problem('rejectedIdentifier', 'no') : undefined)

async function started(t: TestContext, changes: Partial<Bench['req']> = {}, behave: Behaviour = refusing) {
  const ca = await startFakeCa(t, behave)
  const b = bench(t, ca.directoryUrl, changes)
  const registrations = () => ca.log().filter((line) => line === 'POST /account').length
  return { ...b, ca, registrations }
}

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

const pkcs8 = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey

const stored = (uri: string): string => JSON.stringify({ email: 'a@example.com', registration: { body: {}, uri } })

test('the key is on disk before the CA hears of it', async (t) => {
  let keyThen = ''
  let b: Bench | undefined
  const s = await started(t, {}, (call) => {
    if (call.path === '/account' && b) keyThen = readFileSync(b.req.account.key, 'utf8')
    return refusing(call)
  })
  b = s
  await failureOf(issue(s.req))
  assert.match(keyThen, /BEGIN EC PRIVATE KEY/)
  const payload = s.ca.calls.find(({ path }) => path === '/account')?.payload
  assert.deepEqual(payload, { termsOfServiceAgreed: true, contact: ['mailto:a@example.com'] })
})

test('no e-mail: no contact', async (t) => {
  const s = await started(t, { email: null })
  await failureOf(issue(s.req))
  assert.deepEqual(s.ca.calls.find(({ path }) => path === '/account')?.payload, { termsOfServiceAgreed: true })
})

test('a registration that was killed in between goes on with the same key', async (t) => {
  const first = await started(t, {}, ({ path }) => (path === '/account' ? problem('serverBusy', 'no') : undefined))
  await failureOf(issue(first.req))
  const key = readFileSync(first.req.account.key, 'utf8')
  assert.ok(!existsSync(first.req.account.json))
  const second = await started(t, { account: first.req.account })
  await failureOf(issue(second.req))
  assert.equal(readFileSync(first.req.account.key, 'utf8'), key)
  assert.match(readFileSync(first.req.account.json, 'utf8'), /"uri": "http:.*\/account\/1"/)
})

test('a stored account with a PKCS#8 key is used without a word to the CA', async (t) => {
  const s = await started(t, { withAccountLock: () => assert.fail('no lock is needed') })
  put(s.req.account.key, pkcs8)
  put(s.req.account.json, stored('https://ca.example/account/7'))
  await failureOf(issue(s.req))
  assert.equal(s.registrations(), 0)
  assert.equal(s.ca.calls.at(-1)?.header['kid'], 'https://ca.example/account/7')
})

for (const [name, content] of [
  ['no JSON', '{"email"'],
  ['no account', '{}'],
  ['a URL that may not be asked', stored('ftp://ca.example/account/7')],
] as const)
  test(`account.json with ${name}: mended with the key, with a warning, the old file is kept`, async (t) => {
    const s = await started(t)
    put(s.req.account.key, pkcs8)
    put(s.req.account.json, content)
    await failureOf(issue(s.req))
    assert.equal(readFileSync(s.req.account.key, 'utf8'), pkcs8)
    assert.match(readFileSync(s.req.account.json, 'utf8'), /\/account\/1"/)
    assert.equal(readFileSync(`${s.req.account.json}.old`, 'utf8'), content)
    assert.match(s.log.lines.join('\n'), /^warning: '.*account.json' holds no account, registering again$/m)
  })

for (const [name, content] of [
  ['garbage', 'garbage'],
  ['half a key', pkcs8.slice(0, 100)],
  ['an Ed25519 key', generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
] as const)
  for (const dryRun of [false, true])
    test(`${name} as account key${dryRun ? ', dry run' : ''}: data, nothing is sent or touched`, async (t) => {
      const s = await started(t, { dryRun })
      put(s.req.account.key, content)
      const e = await failureOf(issue(s.req))
      assert.equal(e.exitStatus, 65)
      assert.ok(e.message.includes(s.req.account.key) && e.hints.length > 0)
      assert.ok(!e.message.includes(content))
      assert.deepEqual(s.ca.calls, [])
      assert.equal(readFileSync(s.req.account.key, 'utf8'), content)
      assert.deepEqual(readdirSync(s.req.account.dir), ['keys'])
    })

test('a key that is gone: a new account, with a warning', async (t) => {
  const s = await started(t)
  put(s.req.account.json, stored('https://ca.example/account/7'))
  await failureOf(issue(s.req))
  assert.equal(s.registrations(), 1)
  assert.match(s.log.lines.join('\n'), /^warning: the key of account 'https:\/\/ca.example\/account\/7' is gone/m)
})

test('another process that registered meanwhile: its account is used', async (t) => {
  const s = await started(t, {
    async withAccountLock(work) {
      put(s.req.account.key, pkcs8)
      put(s.req.account.json, stored('https://ca.example/account/9'))
      return work()
    },
  })
  await failureOf(issue(s.req))
  assert.equal(s.registrations(), 0)
  assert.equal(s.ca.calls.at(-1)?.header['kid'], 'https://ca.example/account/9')
})

test('an account that is not valid at the CA: refused, nothing is written down', async (t) => {
  const s = await started(t, {}, ({ path, url }) =>
    path === '/account' ? { headers: { location: url('/account/1') }, body: { status: 'deactivated' } } : undefined,
  )
  assert.equal((await failureOf(issue(s.req))).exitStatus, 76)
  assert.ok(!existsSync(s.req.account.json))
})

test('an account the CA forgets twice is registered again once, not for ever', async (t) => {
  const s = await started(t, {}, ({ path }) => (path === '/order' ? problem('accountDoesNotExist', 'who?') : undefined))
  const e = await failureOf(issue(s.req))
  assert.equal(e.exitStatus, 76)
  assert.equal(s.registrations(), 2)
})

test('badNonce for ever is left after a bounded number of tries', async (t) => {
  const s = await started(t, {}, ({ path }) =>
    path === '/account' ? { ...problem('badNonce', 'again'), status: 400 } : undefined,
  )
  const e = await failureOf(issue(s.req))
  assert.match(e.message, /badNonce/)
  assert.ok(s.registrations() > 20 && s.registrations() < 200)
})
