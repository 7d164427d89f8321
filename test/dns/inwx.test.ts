// INWX, as https://www.inwx.de/en/help/apidoc has it: DomRobot by JSON-RPC.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inwx } from '../../src/acme/dns/providers/inwx.ts'
import { sharedSecret, totp } from '../../src/acme/dns/totp.ts'
import { NixacmeError } from '../../src/errors.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { assertKeys, manyZones, Shelf } from './shelf.ts'

const hosts = ['api.domrobot.com', 'api.ote.domrobot.com']
const variables = { INWX_USERNAME: 'canary-user', INWX_PASSWORD: 'canary-password' }
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const record = { name: '_acme-challenge.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }
const zones = manyZones(150, 'example.com').map((domain, i) => ({ roId: i, domain, type: 'MASTER' }))

const result = (code: number, msg: string, more: object = {}): FakeReply => ({ json: { code, msg, ...more } })
const done = (resData?: object) => result(1000, 'Command completed successfully', resData && { resData })
const notLoggedIn = result(2200, 'Authentication error')

interface Account {
  readonly host?: string
  /** Takes a one-time password? Without it: no second factor. */
  takesTan?: (tan: string) => boolean
}

function makeFake({ host = 'api.domrobot.com', takesTan }: Account = {}) {
  const shelf = new Shelf()
  const sessions = new Map<string, 'locked' | 'open'>()
  const tans: string[] = []
  let logins = 0
  const login = (params: Record<string, string>): FakeReply => {
    assert.deepEqual(params, { user: 'canary-user', pass: 'canary-password', lang: 'en' })
    const id = `canary-session-${++logins}`
    sessions.set(id, takesTan ? 'locked' : 'open')
    const headers = { 'set-cookie': `domrobot=${id}; path=/; expires=Sun, 22-Nov-2026 10:00:00 GMT; secure` }
    return { ...done({ customerId: 1, tfa: takesTan ? 'GOOGLE-AUTH' : '0' }), headers }
  }
  const commands: Record<string, (params: Record<string, string>) => FakeReply> = {
    'nameserver.list': ({ page, pagelimit, ...none }) => {
      assert.deepEqual(none, {})
      const start = (Number(page) - 1) * Number(pagelimit)
      return done({ count: zones.length, domains: zones.slice(start, start + Number(pagelimit)) })
    },
    'nameserver.info': ({ domain, name = '', type, ...none }) => {
      assert.deepEqual([domain, type, none], ['example.com', 'TXT', {}])
      const found = shelf.at(name).map(({ id, value }) => ({ id, name, type, content: value, ttl: 300, prio: 0 }))
      return done({ roId: 1, domain, count: found.length, ...(found.length > 0 && { record: found }) })
    },
    'nameserver.createRecord': (params) => {
      assertKeys(params, 'domain', 'type', 'name', 'content', 'ttl')
      const { domain, name = '', content = '', type, ttl } = params
      assert.deepEqual([domain, type], ['example.com', 'TXT'])
      assert.ok(Number(ttl) >= 300)
      return done({ id: shelf.put(name, content) })
    },
    'nameserver.deleteRecord': ({ id = '', ...none }) => {
      assert.deepEqual(none, {})
      return shelf.take(id) ? done() : result(2303, 'Object does not exist')
    },
  }
  return {
    values: shelf.values,
    add: shelf.add,
    tans,
    expire: () => sessions.clear(),
    logins: () => logins,
    handle(request: FakeRequest): FakeReply {
      assert.deepEqual([request.method, request.host, request.path], ['POST', host, '/jsonrpc/'])
      const { method, params, ...none } = request.json()
      assert.deepEqual(none, {})
      if (method === 'account.login') return login(params)
      const [, id = ''] = /^domrobot=([^;]+)$/.exec(request.headers.cookie ?? '') ?? []
      if (method === 'account.unlock' && sessions.get(id) === 'locked') {
        tans.push(params.tan)
        if (!takesTan?.(params.tan)) return result(2200, 'Authentication error', { reason: 'Invalid TAN' })
        sessions.set(id, 'open')
        return done()
      }
      if (sessions.get(id) !== 'open') return notLoggedIn
      const command = commands[method] ?? assert.fail(`no command '${method}'`)
      return command(params)
    },
  }
}

proveConformance({
  definition: inwx,
  hosts,
  variables,
  makeFake: () => makeFake(),
  denied: result(2200, 'Authentication error', { reason: "user 'canary-user' is not known" }),
})

test('inwx: a session that ran out is made anew, and one login serves several records', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(inwx, variables)
  await Promise.all([provider.present(record), provider.present({ ...record, value: 'second' })])
  assert.equal(fake.logins(), 1)
  fake.expire()
  await provider.cleanUp(record)
  assert.equal(fake.logins(), 2)
  assert.deepEqual(fake.values(record.name), ['second'])
})

test('inwx: the sandbox has a host of its own', async (t) => {
  const fake = makeFake({ host: 'api.ote.domrobot.com' })
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(inwx, { ...variables, INWX_SANDBOX: 'true' }).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('inwx: a one-time password that another process has used is followed by the next one', async (t) => {
  const key = sharedSecret(secret) ?? assert.fail()
  const step = 59_000_000
  const fake = makeFake({ takesTan: (tan) => tan === totp(key, step + 1) })
  const api = await startFakeApi(t, hosts, fake.handle)
  const now = () => new Date(((step + 1) * 30 - 0.01) * 1000)
  const provider = api.open(inwx, { ...variables, INWX_SHARED_SECRET: secret }, [], now)
  await provider.present(record)
  assert.deepEqual(fake.tans, [totp(key, step), totp(key, step + 1)])
  assert.deepEqual(fake.values(record.name), [record.value])
})

const refuses = (pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError && e.kind === 'refused', String(e))
  assert.match(`${e.message} ${e.hints}`, pattern)
  assert.doesNotMatch(`${e.message} ${e.hints}`, /canary|GEZD/)
  return true
}

test('inwx: a second factor that is not set up is told, and a wrong one is tried twice', async (t) => {
  const fake = makeFake({ takesTan: () => false })
  const api = await startFakeApi(t, hosts, fake.handle)
  await assert.rejects(api.open(inwx, variables).present(record), refuses(/one-time password.*INWX_SHARED_SECRET/))
  const now = () => new Date((60_000 * 30 - 0.01) * 1000)
  const provider = api.open(inwx, { ...variables, INWX_SHARED_SECRET: secret }, [], now)
  await assert.rejects(provider.present(record), refuses(/Invalid TAN.*the clock/))
  assert.equal(fake.tans.length, 2)
})

test('inwx: a shared secret that is none is told before anything is asked', async (t) => {
  const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
  assert.throws(
    () => api.open(inwx, { ...variables, INWX_SHARED_SECRET: 'canary!' }),
    (e) => e instanceof NixacmeError && e.kind === 'config' && !/canary/.test(e.message),
  )
})
