// Azure DNS, as https://learn.microsoft.com/en-us/rest/api/dns/record-sets has it, with the Resource Graph, the token endpoint
// of Entra and the metadata service of a virtual machine.
import assert from 'node:assert/strict'
import { constants, createHash, verify, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { azuredns } from '../../src/acme/dns/providers/azuredns.ts'
import { NixacmeError } from '../../src/errors.ts'
import { makeSet } from '../support/certificates.ts'
import { temporaryDir } from '../support/process.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { labelOf } from './shelf.ts'

const hosts = ['management.azure.com', 'login.microsoftonline.com', 'token.example.net']
const client = { AZURE_TENANT_ID: 'tenant-1', AZURE_CLIENT_ID: 'client-1' }
const variables = { ...client, AZURE_CLIENT_SECRET: 'canary-secret' }
const value = 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo'
const name = '_acme-challenge.example.com'
const groupPath = '/subscriptions/sub-1/resourceGroups/rg-1/providers/Microsoft.Network'

interface Stored {
  readonly etag: string
  readonly ttl: number
  readonly records: readonly { readonly value: readonly string[] }[]
  readonly metadata?: object
}

const fault = (status: number, code: string, message: string): FakeReply => ({
  status,
  json: { error: { code, message } },
})

interface Kind {
  readonly graph: string
  readonly path: string
  readonly version: string
  readonly ttl: string
  readonly list: string
}
const kinds: Readonly<Record<'public' | 'private', Kind>> = {
  public: { graph: 'dnszones', path: 'dnsZones', version: '2018-05-01', ttl: 'TTL', list: 'TXTRecords' },
  private: { graph: 'privatednszones', path: 'privateDnsZones', version: '2018-09-01', ttl: 'ttl', list: 'txtRecords' },
}

function makeFake(
  kind: Kind = kinds.public,
  judge = (form: URLSearchParams) => assert.equal(form.get('client_secret'), 'canary-secret'),
) {
  const sets = new Map<string, Stored>()
  const tokens = new Set<string>()
  const queries: string[] = []
  let etags = 0
  const give = () => {
    const token = `canary-token-${tokens.size}`
    tokens.add(token)
    return token
  }
  const store = (label: string, set: Omit<Stored, 'etag'>) => sets.set(label, { ...set, etag: `etag-${++etags}` })
  const login = ({ path, form }: FakeRequest): FakeReply => {
    assert.equal(path, '/tenant-1/oauth2/v2.0/token')
    const asked = form()
    assert.equal(asked.get('grant_type'), 'client_credentials')
    assert.equal(asked.get('client_id'), 'client-1')
    assert.equal(asked.get('scope'), 'https://management.azure.com/.default')
    judge(asked)
    return { json: { token_type: 'Bearer', expires_in: 3599, access_token: give() } }
  }
  const graph = ({ query, options }: { query: string; options: Record<string, unknown> }): FakeReply => {
    assert.match(query, new RegExp(`^resources\\n\\| where type =~ "microsoft\\.network/${kind.graph}"\\n`))
    assert.equal(options['resultFormat'], 'objectArray')
    queries.push(query)
    const row = (zone: string) => ({ subscriptionId: 'sub-1', resourceGroup: 'rg-1', name: zone })
    if (options['$skipToken'] === undefined)
      return { json: { totalRecords: 2, count: 1, data: [row('com.example')], $skipToken: 'page-2' } }
    assert.equal(options['$skipToken'], 'page-2')
    return { json: { totalRecords: 2, count: 1, data: [row('example.com')] } }
  }
  const shown = ({ etag, ttl, records, metadata }: Stored): FakeReply => ({
    json: { etag, properties: { metadata, [kind.ttl]: ttl, [kind.list]: records, provisioningState: 'Succeeded' } },
  })
  const set = (label: string, { method, headers, json }: FakeRequest): FakeReply => {
    const there = sets.get(label)
    if (method === 'GET') return there ? shown(there) : fault(404, 'NotFound', `The resource '${label}' was not found.`)
    const [match, none] = [headers['if-match'], headers['if-none-match']]
    assert.ok((match === undefined) !== (none === undefined), 'neither etag nor *, or both')
    if (none === undefined ? there?.etag !== match : there)
      return fault(412, 'PreconditionFailed', 'The condition set in the request was not met.')
    if (method === 'DELETE') {
      sets.delete(label)
      return {}
    }
    assert.equal(method, 'PUT')
    const { properties } = json()
    const records = properties[kind.list] ?? assert.fail('no records')
    assert.ok(records.length > 0)
    store(label, { ttl: properties[kind.ttl], records, metadata: properties.metadata })
    return { status: there ? 200 : 201, json: {} }
  }
  return {
    give,
    queries,
    expire: () => tokens.clear(),
    sets,
    values: (at: string) => (sets.get(labelOf(at, '@'))?.records ?? []).map((record) => record.value.join('')),
    add(at: string, one: string) {
      const before = sets.get(labelOf(at, '@'))?.records ?? []
      // Azure keeps a value in pieces, which may be cut anywhere.
      const pieces = [one.slice(0, 3), one.slice(3)]
      store(labelOf(at, '@'), { ttl: 3600, records: [...before, { value: pieces }], metadata: { of: 'somebody' } })
    },
    handle(request: FakeRequest): FakeReply {
      if (request.host === 'login.microsoftonline.com') return login(request)
      assert.equal(request.host, 'management.azure.com')
      const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
      if (!tokens.has(token)) return fault(401, 'ExpiredAuthenticationToken', `The access token ${token} expired.`)
      if (request.path === '/providers/Microsoft.ResourceGraph/resources') {
        assert.equal(request.method, 'POST')
        return graph(request.json())
      }
      const base = `${groupPath}/${kind.path}/example.com/TXT/`
      assert.ok(request.path.startsWith(base), request.path)
      assert.equal(request.query.get('api-version'), kind.version)
      return set(decodeURIComponent(request.path.slice(base.length)), request)
    },
  }
}

proveConformance({
  definition: azuredns,
  hosts,
  variables,
  makeFake: () => makeFake(),
  denied: {
    status: 401,
    json: { error: 'invalid_client', error_description: "AADSTS7000215: Invalid client secret 'canary-secret'." },
  },
})

test('azuredns: a set that somebody else wrote meanwhile, and a token that ran out, are asked for anew', async (t) => {
  const fake = makeFake()
  let meddles = true
  const api = await startFakeApi(t, hosts, (request) => {
    const reply = fake.handle(request)
    if (request.method === 'GET' && meddles) {
      meddles = false
      fake.add(name, 'of another')
      fake.expire()
    }
    return reply
  })
  await api.open(azuredns, variables).present({ name, value })
  assert.deepEqual(fake.values(name), ['of another', value])
  const { ttl, metadata, records } = fake.sets.get('_acme-challenge') ?? assert.fail()
  assert.deepEqual([ttl, metadata], [3600, { of: 'somebody' }])
  assert.deepEqual(records[0], { value: ['of ', 'another'] }, 'in the pieces that it came in')
})

test('azuredns: private zones have an interface of their own', async (t) => {
  const fake = makeFake(kinds.private)
  const api = await startFakeApi(t, hosts, fake.handle)
  const given = { ...variables, AZURE_PRIVATE_ZONE: 'true', AZURE_RESOURCE_GROUP: 'rg-1' }
  await api.open(azuredns, given).present({ name, value })
  assert.deepEqual(fake.values(name), [value])
  assert.match(fake.queries[0] ?? '', /\n\| where resourceGroup =~ "rg-1"\n/)
})

test('azuredns: a zone that is named whole is not looked for', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, fake.handle)
  const zone = { AZURE_ZONE_NAME: 'example.com', AZURE_SUBSCRIPTION_ID: 'sub-1', AZURE_RESOURCE_GROUP: 'rg-1' }
  await api.open(azuredns, { ...variables, ...zone }).present({ name, value })
  assert.deepEqual([fake.values(name), fake.queries], [[value], []])
})

test('azuredns: a client certificate signs', async (t) => {
  const day = 86_400_000
  const set = await makeSet({
    names: ['client.example'],
    keyType: 'rsa2048',
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
  })
  const [leaf = ''] = set.chain
  const path = join(temporaryDir(t), 'client.pem')
  writeFileSync(path, `${set.key}${leaf}`)
  const { raw, publicKey } = new X509Certificate(leaf)
  const fake = makeFake(kinds.public, (form) => {
    assert.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const [head = '', body = '', signature = ''] = (form.get('client_assertion') ?? '').split('.')
    const [header, claims] = [head, body].map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
    const thumbprint = createHash('sha256').update(raw).digest('base64url')
    assert.deepEqual(header, { alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint })
    assert.deepEqual([claims.iss, claims.sub], ['client-1', 'client-1'])
    assert.equal(claims.aud, 'https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token')
    const key = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    assert.ok(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')))
  })
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(azuredns, { ...client, AZURE_CLIENT_CERTIFICATE_PATH: path }).present({ name, value })
  assert.deepEqual(fake.values(name), [value])
})

test('azuredns: federated tokens, from a file, a variable and a URL', async (t) => {
  const fake = makeFake(kinds.public, (form) => assert.equal(form.get('client_assertion'), 'canary-federated'))
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.host !== 'token.example.net') return fake.handle(request)
    assert.equal(request.headers.authorization, 'Bearer canary-request')
    assert.equal(request.query.get('audience'), 'api://AzureADTokenExchange')
    return { json: { count: 1, value: 'canary-federated' } }
  })
  const path = join(temporaryDir(t), 'token')
  writeFileSync(path, 'canary-federated\n')
  for (const given of [
    { AZURE_FEDERATED_TOKEN_FILE: path },
    { AZURE_AUTH_METHOD: 'oidc', AZURE_OIDC_TOKEN: 'canary-federated' },
    { AZURE_AUTH_METHOD: 'oidc', AZURE_OIDC_TOKEN_FILE_PATH: path },
    {
      AZURE_AUTH_METHOD: 'oidc',
      ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example.net/token?api-version=2',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'canary-request',
    },
  ]) {
    await api.open(azuredns, { ...client, ...given }).present({ name, value })
    assert.deepEqual(fake.values(name), [value])
    await api.open(azuredns, { ...client, ...given }).cleanUp({ name, value })
  }
})

test("azuredns: a machine's own identity", async (t) => {
  const fake = makeFake()
  const server = http.createServer(({ url = '', headers }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const isFine =
      headers['metadata'] === 'true' &&
      pathname === '/metadata/identity/oauth2/token' &&
      searchParams.get('resource') === 'https://management.azure.com/' &&
      searchParams.get('api-version') === '2018-02-01'
    response.writeHead(isFine ? 200 : 400).end(JSON.stringify({ access_token: fake.give(), token_type: 'Bearer' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const api = await startFakeApi(t, hosts, fake.handle)
  const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  await api.open(azuredns, { AZURE_POD_IDENTITY_AUTHORITY_HOST: host }).present({ name, value })
  assert.deepEqual(fake.values(name), [value])
})

for (const [what, given, pattern] of [
  ['the Azure CLI', { AZURE_AUTH_METHOD: 'cli' }, /cannot use the method 'cli'.*Azure CLI/],
  ['Azure Arc', { IDENTITY_ENDPOINT: 'http://localhost:40342/x' }, /'IDENTITY_ENDPOINT' names \(Azure Arc/],
  ['a method that there is none of', { AZURE_AUTH_METHOD: 'magic' }, /cannot use the method 'magic'/],
  ['a cloud that there is none of', { ...variables, AZURE_ENVIRONMENT: 'german' }, /'AZURE_ENVIRONMENT' is/],
  [
    'a client without a tenant',
    { AZURE_AUTH_METHOD: 'env', AZURE_CLIENT_SECRET: 'canary' },
    /'AZURE_TENANT_ID' is not set/,
  ],
] as const)
  test(`azuredns: ${what} is told before anything is asked`, async (t) => {
    const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
    assert.throws(
      () => api.open(azuredns, given),
      (e) => e instanceof NixacmeError && e.kind === 'config' && pattern.test(e.message) && !/canary/.test(e.message),
    )
  })
