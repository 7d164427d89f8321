// acme-dns, as https://github.com/joohoi/acme-dns#api has it, with accounts in lego's file and behind lego's web interface.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { acmeDns } from '../../src/acme/dns/providers/acme-dns.ts'
import { NixacmeError } from '../../src/errors.ts'
import { temporaryDir } from '../support/process.ts'
import { type FakeRequest, startFakeApi } from './fake-api.ts'

const host = 'auth.example.net'
const value = 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo'
const domain = 'www.example.com'
const challenge = { domain, token: 'token', keyAuthorization: 'token.thumb' }
const before = { name: `_acme-challenge.${domain}`, value, challenge }
const account = {
  fulldomain: `8e57.${host}`,
  subdomain: '8e57',
  username: 'c36f50e8',
  password: 'canary-htB9mR9DYgcu9bX',
  server_url: `https://${host}`,
}
const after = { ...before, name: account.fulldomain }

const isOf = (kind: string, pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError, String(e))
  assert.equal(e.kind, kind)
  assert.match(`${e.message} ${e.hints.join(' ')}`, pattern)
  assert.doesNotMatch(`${e.message} ${e.hints} ${e.stack}`, /canary/)
  return true
}
const cname =
  /'_acme-challenge\.www\.example\.com' must be a CNAME of '8e57\.auth\.example\.net'.*\. IN CNAME 8e57\.auth/

function makeFake() {
  const told: string[] = []
  const allowed: unknown[] = []
  return {
    told,
    allowed,
    handle({ method, path, headers, json }: FakeRequest) {
      assert.equal(method, 'POST')
      if (path === '/register') {
        allowed.push(json().allowfrom)
        const { server_url: _, ...made } = account
        return { status: 201, json: { ...made, allowfrom: json().allowfrom ?? [] } }
      }
      assert.equal(path, '/update')
      const { subdomain, txt, ...more } = json()
      assert.deepEqual(more, {})
      assert.equal(txt.length, 43)
      const isKnown = headers['x-api-user'] === account.username && headers['x-api-key'] === account.password
      if (!isKnown || subdomain !== account.subdomain) return { status: 401, json: { error: 'forbidden' } }
      told.push(txt)
      return { json: { txt } }
    },
  }
}

async function setUp(t: TestContext) {
  const fake = makeFake()
  const api = await startFakeApi(t, [host], fake.handle)
  const path = join(temporaryDir(t), 'accounts.json')
  const variables = { ACME_DNS_API_BASE: `https://${host}/`, ACME_DNS_STORAGE_PATH: path }
  return { ...fake, path, api, open: (more = {}) => api.open(acmeDns, { ...variables, ...more }) }
}

test('acme-dns: the first run makes an account and tells the CNAME, the next ones use it', async (t) => {
  const { open, path, told, allowed, api } = await setUp(t)
  const first = open({ ACME_DNS_ALLOWLIST: '192.0.2.0/24, 2001:db8::/32' })
  await assert.rejects(first.present(before), isOf('config', cname))
  assert.deepEqual(allowed, [['192.0.2.0/24', '2001:db8::/32']])
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { [domain]: account })
  assert.equal(statSync(path).mode & 0o777, 0o600)
  await assert.rejects(open().present(before), isOf('config', cname))
  assert.deepEqual(told, [])
  await open().present(after)
  await open().cleanUp(after)
  assert.deepEqual(told, [value])
  assert.deepEqual(api.log, ['POST /register', 'POST /update'])
})

test("acme-dns: lego's file is used as it is, and keeps its other accounts", async (t) => {
  const { open, path, told } = await setUp(t)
  const { server_url: _, ...old } = account
  const other = { ...account, fulldomain: `other.${host}`, subdomain: 'other' }
  writeFileSync(path, JSON.stringify({ [domain]: old, 'other.example.com': other }))
  // A name that has no account of its own: by the name that its CNAME leads to.
  await open().present({ name: account.fulldomain, value })
  assert.deepEqual(told, [value])
  const third = { name: '_acme-challenge.third.example.com', value }
  await assert.rejects(open().present(third), isOf('config', /third\.example\.com' must be a CNAME/))
  const names = Object.keys(JSON.parse(readFileSync(path, 'utf8')))
  assert.deepEqual(names, [domain, 'other.example.com', 'third.example.com'])
  // Below a label of the account: the CNAME to be made is that of the longer name.
  const sought = '_ujmmovf2vn55tgye._acme-challenge.www.example.com'
  await assert.rejects(
    open().present({ ...before, sought, name: sought }),
    isOf('config', new RegExp(`'${sought}' must be a CNAME of .* ${sought}\\. IN CNAME 8e57`)),
  )
})

test('acme-dns: a wrong account, and a file that is none', async (t) => {
  const { open, path, api } = await setUp(t)
  writeFileSync(path, JSON.stringify({ [domain]: { ...account, password: 'canary-wrong' } }))
  await assert.rejects(open().present(after), isOf('refused', /acme-dns answered .* status 401: .*forbidden/))
  for (const text of ['{"canary', '["canary"]', JSON.stringify({ [domain]: { username: 'canary' } })]) {
    writeFileSync(path, text)
    await assert.rejects(open().present(after), isOf('data', /cannot read '.*accounts\.json'/))
  }
  assert.deepEqual(api.log, ['POST /update'])
})

test('acme-dns: no account is made that could not be kept', async (t) => {
  const { open, path, api } = await setUp(t)
  const provider = open({ ACME_DNS_STORAGE_PATH: join(path, '..', 'missing', 'accounts.json') })
  await assert.rejects(provider.present(before), isOf('write', /cannot write '.*missing.*by hand and as root/))
  assert.deepEqual(api.log, [])
})

test("acme-dns: accounts behind lego's web interface, which may make the CNAME itself", async (t) => {
  const { handle, told } = makeFake()
  const kept = new Map<string, unknown>()
  let status = 200
  const api = await startFakeApi(t, [host, 'store.example.net'], (request) => {
    if (request.host === host) return handle(request)
    const name = request.path.slice('/accounts/'.length)
    if (request.method === 'POST') {
      kept.set(name, request.json())
      return { status }
    }
    assert.equal(request.method, 'GET')
    if (request.path === '/accounts') return { json: Object.fromEntries(kept) }
    return kept.has(name) ? { json: kept.get(name) } : { status: 404 }
  })
  const variables = {
    ACME_DNS_API_BASE: `https://${host}`,
    ACME_DNS_STORAGE_BASE_URL: 'https://store.example.net/accounts',
  }
  const provider = () => api.open(acmeDns, variables)
  await assert.rejects(provider().present(before), isOf('config', cname))
  assert.deepEqual(Object.fromEntries(kept), { [domain]: account })
  await provider().present(after)
  await provider().present({ name: account.fulldomain, value })
  assert.deepEqual(told, [value, value])
  kept.clear()
  status = 201
  await provider().present(before)
  assert.deepEqual(told, [value, value, value])
})

test('acme-dns: asked too often, it waits and tries again, with both requests', async (t) => {
  const { handle, told } = makeFake()
  const waits = new Set(['/register', '/update'])
  const api = await startFakeApi(t, [host], (request) =>
    waits.delete(request.path) ? { status: 429, headers: { 'retry-after': '1' }, json: {} } : handle(request),
  )
  const path = join(temporaryDir(t), 'accounts.json')
  const provider = api.open(acmeDns, { ACME_DNS_API_BASE: `https://${host}`, ACME_DNS_STORAGE_PATH: path })
  await assert.rejects(provider.present(before), isOf('config', cname))
  await provider.present(after)
  assert.deepEqual(told, [value])
  assert.deepEqual(api.log, ['POST /register', 'POST /register', 'POST /update', 'POST /update'])
})

test('acme-dns: what is no answer of it is told, and kept as no account', async (t) => {
  const page = { text: '<html>a page</html>', headers: { 'content-type': 'text/html' } }
  for (const answer of [page, { json: {} }, { json: { txt: 'another', username: 'somebody' } }]) {
    const api = await startFakeApi(t, [host], () => answer)
    const path = join(temporaryDir(t), 'accounts.json')
    const provider = api.open(acmeDns, { ACME_DNS_API_BASE: `https://${host}`, ACME_DNS_STORAGE_PATH: path })
    await assert.rejects(provider.present(before), isOf('unavailable', /acme-dns/))
    assert.equal(existsSync(path), false)
    writeFileSync(path, JSON.stringify({ [domain]: account }))
    await assert.rejects(provider.present(after), isOf('unavailable', /acme-dns/))
  }
})

test('acme-dns: exactly one place for accounts', async (t) => {
  const { open } = await setUp(t)
  const web = { ACME_DNS_STORAGE_BASE_URL: 'https://store.example.net' }
  for (const more of [web, { ACME_DNS_STORAGE_PATH: '' }])
    assert.throws(() => open(more), isOf('config', /exactly one of .*'ACME_DNS_STORAGE_PATH'/))
  assert.throws(() => open({ ACME_DNS_STORAGE_PATH: 'a.json' }), isOf('config', /expected an absolute path/))
})
