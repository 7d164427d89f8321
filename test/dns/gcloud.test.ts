// Google Cloud DNS, as https://cloud.google.com/dns/docs/reference/rest/v1 has it, its token endpoint and metadata server.
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gcloud } from '../../src/acme/dns/providers/gcloud.ts'
import { NixacmeError } from '../../src/errors.ts'
import { temporaryDir } from '../support/process.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { assertKeys, manyZones } from './shelf.ts'

const hosts = ['dns.googleapis.com', 'oauth2.googleapis.com', 'iamcredentials.googleapis.com']
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const account = {
  type: 'service_account',
  project_id: 'canary-project',
  private_key_id: 'key-1',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  client_email: 'acme@canary-project.iam.gserviceaccount.com',
  token_uri: 'https://oauth2.googleapis.com/token',
}
const variables = { GCE_SERVICE_ACCOUNT: JSON.stringify(account) }
const value = 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo'
const name = '_acme-challenge.example.com'
const dnsScope = 'https://www.googleapis.com/auth/ndev.clouddns.readwrite'

interface RecordSet {
  readonly name: string
  readonly type: string
  readonly ttl: number
  readonly rrdatas: readonly string[]
}

const fault = (code: number, message: string, reason: string): FakeReply => ({
  status: code,
  json: { error: { code, message, errors: [{ message, domain: 'global', reason }] } },
})

/** Whom a signed assertion names, and for what. */
function claimsOf(assertion: string): Record<string, string | number> {
  const [head = '', body = '', signature = ''] = assertion.split('.')
  const [header, claims] = [head, body].map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  assert.deepEqual(header, { alg: 'RS256', typ: 'JWT', kid: 'key-1' })
  const key = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
  assert.ok(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')))
  assertKeys(claims, 'iss', 'scope', 'aud', 'iat', 'exp')
  assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 60 && claims.exp > claims.iat && claims.exp <= claims.iat + 3600)
  return claims
}

function makeFake(project = 'canary-project', visibility = 'public') {
  const sets = new Map<string, RecordSet>()
  const zones = manyZones(150, 'example.com').map((zone, i) => ({
    name: zone === 'example.com' ? 'our-zone' : `zone-${i}`,
    dnsName: `${zone}.`,
    visibility: zone === 'example.com' ? visibility : 'public',
  }))
  const tokens = new Map<string, string>()
  let changes = 0
  const give = (scope: string) => {
    const token = `canary-token-${tokens.size}`
    tokens.set(token, scope)
    return token
  }
  const change = (body: { deletions: RecordSet[]; additions: RecordSet[] }): FakeReply => {
    assertKeys(body, 'deletions', 'additions')
    for (const set of body.deletions) {
      const there = sets.get(set.name)
      if (!there) return fault(404, `The resource named '${set.name} (TXT)' does not exist`, 'notFound')
      const fits = JSON.stringify(there) === JSON.stringify(set)
      if (!fits) return fault(412, "Precondition not met for 'entity.change.deletions[0]'", 'conditionNotMet')
    }
    for (const set of body.additions) {
      assertKeys(set, 'name', 'type', 'ttl', 'rrdatas')
      assert.equal(set.type, 'TXT')
      for (const one of set.rrdatas) assert.match(one, /^".*"$/)
      assert.equal(new Set(set.rrdatas).size, set.rrdatas.length)
      assert.ok(set.rrdatas.length > 0)
      if (sets.has(set.name) && !body.deletions.some((one) => one.name === set.name))
        return fault(409, `The resource named '${set.name} (TXT)' already exists`, 'alreadyExists')
    }
    for (const set of body.deletions) sets.delete(set.name)
    for (const set of body.additions) sets.set(set.name, set)
    return { json: { id: String(++changes), status: fake.pending ? 'pending' : 'done' } }
  }
  const dns = ({ method, path, query, headers, json }: FakeRequest): FakeReply => {
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    if (tokens.get(token) !== dnsScope) return fault(401, `Invalid credentials ${token}`, 'authError')
    const base = `/dns/v1/projects/${project}/managedZones`
    assert.ok(path.startsWith(base), path)
    const rest = path.slice(base.length)
    if (rest === '') {
      assert.equal(method, 'GET')
      const start = Number(query.get('pageToken') ?? 0)
      const next = start + 100 < zones.length ? { nextPageToken: String(start + 100) } : {}
      return { json: { kind: 'dns#managedZonesListResponse', managedZones: zones.slice(start, start + 100), ...next } }
    }
    if (rest === '/our-zone/changes') {
      assert.equal(method, 'POST')
      return change(json())
    }
    assert.equal(method, 'GET')
    if (rest === '/our-zone') return { json: zones.at(-1) }
    if (rest === `/our-zone/changes/${changes}`) return { json: { id: String(changes), status: 'done' } }
    assert.equal(rest, '/our-zone/rrsets')
    assert.equal(query.get('type'), 'TXT')
    const set = sets.get(query.get('name') ?? '')
    return { json: { kind: 'dns#resourceRecordSetsListResponse', rrsets: set ? [{ kind: 'rrset', ...set }] : [] } }
  }
  const fake = {
    /** Changes are made only after a while. */
    pending: false,
    give,
    expire: () => tokens.clear(),
    sets,
    values: (at: string) => (sets.get(`${at}.`)?.rrdatas ?? []).map((one) => one.slice(1, -1)),
    add(at: string, one: string) {
      const before = sets.get(`${at}.`)?.rrdatas ?? []
      sets.set(`${at}.`, { name: `${at}.`, type: 'TXT', ttl: 3600, rrdatas: [...before, `"${one}"`] })
    },
    handle(request: FakeRequest): FakeReply {
      if (request.host === 'dns.googleapis.com') return dns(request)
      assert.deepEqual([request.method, request.host, request.path], ['POST', 'oauth2.googleapis.com', '/token'])
      const form = request.form()
      assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      const { iss, aud, scope } = claimsOf(form.get('assertion') ?? '')
      assert.deepEqual([iss, aud], [account.client_email, account.token_uri])
      return { json: { access_token: give(String(scope)), expires_in: 3599, token_type: 'Bearer' } }
    },
  }
  return fake
}

proveConformance({
  definition: gcloud,
  hosts,
  variables,
  makeFake: () => makeFake(),
  denied: { status: 400, json: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } },
})

for (const others of [[], ['of another before']])
  test(`gcloud: beside ${others.length} values, a change that somebody else came before is made anew, and a token that ran out, too`, async (t) => {
    const fake = makeFake()
    for (const one of others) fake.add(name, one)
    fake.pending = true
    let meddles = true
    const api = await startFakeApi(t, hosts, (request) => {
      const reply = fake.handle(request)
      if (request.path.endsWith('/rrsets') && meddles) {
        meddles = false
        fake.add(name, 'of another')
        fake.expire()
      }
      return reply
    })
    await api.open(gcloud, variables).present({ name, value })
    assert.deepEqual(fake.values(name), [...others, 'of another', value])
    assert.equal(fake.sets.get(`${name}.`)?.ttl, 3600, 'the TTL that was there stays')
    assert.match(api.log.at(-1) ?? '', /\/changes\/1$/, 'a pending change is waited for')
  })

test('gcloud: a set that is never left alone is told after a few tries', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) =>
    request.path.endsWith('/changes') ? fault(412, 'Precondition not met', 'conditionNotMet') : fake.handle(request),
  )
  await assert.rejects(
    api.open(gcloud, variables).present({ name, value }),
    (e) => e instanceof NixacmeError && e.kind === 'unavailable' && /changed by somebody else/.test(e.message),
  )
  assert.equal(api.log.filter((line) => line.endsWith('/changes')).length, 5)
})

test('gcloud: a zone that is named is not looked for; a private one is taken only when that is allowed', async (t) => {
  const fake = makeFake('other-project', 'private')
  const api = await startFakeApi(t, hosts, fake.handle)
  const mine = { ...variables, GCE_PROJECT: 'other-project' }
  await assert.rejects(
    api.open(gcloud, mine).present({ name, value }),
    (e) => e instanceof NixacmeError && e.kind === 'refused' && /holds no zone/.test(e.message),
  )
  await api.open(gcloud, { ...mine, GCE_ALLOW_PRIVATE_ZONE: 'true' }).present({ name, value })
  api.log.length = 0
  await api.open(gcloud, { ...mine, GCE_ZONE_ID: 'our-zone' }).cleanUp({ name, value })
  assert.deepEqual(fake.values(name), [])
  assert.ok(!api.log.some((line) => line.endsWith('/managedZones')), String(api.log))
})

test('gcloud: acting as another service account', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.host !== 'iamcredentials.googleapis.com') return fake.handle(request)
    assert.equal(
      request.path,
      '/v1/projects/-/serviceAccounts/dns%40example.iam.gserviceaccount.com:generateAccessToken',
    )
    assert.equal(request.headers.authorization, 'Bearer canary-token-0')
    assert.deepEqual(request.json(), { scope: [dnsScope], lifetime: '3600s' })
    return { json: { accessToken: fake.give(dnsScope), expireTime: '2026-11-22T10:00:00Z' } }
  })
  const other = { ...variables, GCE_IMPERSONATE_SERVICE_ACCOUNT: 'dns@example.iam.gserviceaccount.com' }
  await api.open(gcloud, other).present({ name, value })
  assert.deepEqual(fake.values(name), [value])
})

async function metadataServer(t: TestContext, flavour: object, answers: Readonly<Record<string, () => string>>) {
  const server = http.createServer(({ url = '', headers }, response) => {
    const answer = headers['metadata-flavor'] === 'Google' ? answers[url] : undefined
    response.writeHead(answer ? 200 : 403, { ...flavour }).end(answer?.())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('gcloud: without credentials the machine is asked who it is', async (t) => {
  const fake = makeFake('machine-project')
  const host = await metadataServer(
    t,
    { 'metadata-flavor': 'Google' },
    {
      '/computeMetadata/v1/project/project-id': () => 'machine-project',
      [`/computeMetadata/v1/instance/service-accounts/default/token?scopes=${encodeURIComponent(dnsScope)}`]: () =>
        JSON.stringify({ access_token: fake.give(dnsScope), expires_in: 3599, token_type: 'Bearer' }),
    },
  )
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(gcloud, { GCE_METADATA_HOST: host }).present({ name, value })
  assert.deepEqual(fake.values(name), [value])
})

test('gcloud: what answers in place of a metadata server is not believed, and what to set is told', async (t) => {
  const host = await metadataServer(t, {}, { '/computeMetadata/v1/project/project-id': () => 'x' })
  const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
  await assert.rejects(
    api.open(gcloud, { GCE_METADATA_HOST: host }).present({ name, value }),
    (e) =>
      e instanceof NixacmeError &&
      /no credentials for Google Cloud are set.*no metadata server/.test(e.message) &&
      /GCE_SERVICE_ACCOUNT_FILE/.test(String(e.hints)),
  )
})

test('gcloud: application default credentials from a file, of a user and of a service account', async (t) => {
  const fake = makeFake()
  const user = { type: 'authorized_user', client_id: 'id', client_secret: 'canary-s', refresh_token: 'canary-r' }
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.host !== 'oauth2.googleapis.com' || request.form().get('grant_type') !== 'refresh_token')
      return fake.handle(request)
    const wanted = {
      grant_type: 'refresh_token',
      client_id: 'id',
      client_secret: 'canary-s',
      refresh_token: 'canary-r',
    }
    assert.deepEqual(Object.fromEntries(request.form()), wanted)
    return { json: { access_token: fake.give(dnsScope), expires_in: 3599, token_type: 'Bearer' } }
  })
  const path = join(temporaryDir(t), 'credentials.json')
  for (const content of [user, account]) {
    writeFileSync(path, JSON.stringify(content))
    const given = { GOOGLE_APPLICATION_CREDENTIALS: path, GCE_PROJECT: 'canary-project' }
    await api.open(gcloud, given).present({ name, value })
    assert.deepEqual(fake.values(name), [value])
    await api.open(gcloud, given).cleanUp({ name, value })
  }
})

for (const [what, content, pattern] of [
  ['no JSON', 'canary{', /holds no JSON object/],
  ['no key', JSON.stringify({ client_email: 'a' }), /has no 'private_key'/],
  ['a key that is none', JSON.stringify({ client_email: 'a', private_key: 'canary' }), /holds no RSA key/],
] as const)
  test(`gcloud: a service account with ${what} is told before anything is asked`, async (t) => {
    const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
    assert.throws(
      () => api.open(gcloud, { GCE_SERVICE_ACCOUNT: content }),
      (e) => e instanceof NixacmeError && e.kind === 'config' && pattern.test(e.message) && !/canary/.test(e.message),
    )
  })
