// Amazon Route 53, as https://docs.aws.amazon.com/Route53/latest/APIReference/ has it; each signature is checked.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AwsCredentials, awsHeaders } from '../../src/acme/aws-signature.ts'
import { route53 } from '../../src/acme/dns/providers/route53.ts'
import { elementAt, elementsNamed, parseXml, textAt, xmlEscaped } from '../../src/acme/dns/xml.ts'
import { temporaryDir } from '../support/process.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'

const own = { accessKeyId: 'AKIDCANARY', secretAccessKey: 'canary-secret/+' }
const variables = { AWS_ACCESS_KEY_ID: own.accessKeyId, AWS_SECRET_ACCESS_KEY: own.secretAccessKey }
const hosts = ['route53.amazonaws.com', 'sts.us-east-1.amazonaws.com']
const name = '_acme-challenge.www.example.com'
const record = { name, value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

interface Set {
  ttl: string
  values: string[]
}

const xml = (text: string, status = 200): FakeReply => ({
  status,
  text: `<?xml version="1.0"?>\n${text}`,
  headers: { 'content-type': 'text/xml' },
})
const error = (status: number, code: string, message: string) =>
  xml(
    `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>b25f48e8-84fd-11e6-80d9-574e0c4664cb</RequestId></ErrorResponse>`,
    status,
  )

function checkSignature({ method, host, path, query, headers, text }: FakeRequest, credentials: AwsCredentials) {
  const { authorization = '' } = headers
  const [, region = '', service = '', signed = ''] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), /.exec(
      authorization,
    ) ?? []
  const [, y, m, d, time] = /^(\d{4})(\d\d)(\d\d)T(\d{6})Z$/.exec(String(headers['x-amz-date'])) ?? []
  const now = new Date(`${y}-${m}-${d}T${time?.replaceAll(/(\d\d)(?=\d)/g, '$1:')}Z`)
  assert.ok(Math.abs(Date.now() - now.getTime()) < 300_000, 'signed long ago')
  const more = signed.split(';').filter((one) => one !== 'host' && !one.startsWith('x-amz-'))
  const wanted = awsHeaders(
    {
      method,
      url: `https://${host}${path}${query.size > 0 ? `?${query}` : ''}`,
      headers: Object.fromEntries(more.map((one) => [one, String(headers[one])])),
      body: text,
      service,
      region,
    },
    credentials,
    now,
  )
  assert.equal(authorization, wanted['Authorization'])
  assert.equal(headers['x-amz-security-token'], credentials.sessionToken)
}

const zones = [
  { id: 'ZPRIVATE', name: 'example.com.', isPrivate: true },
  { id: 'Z0123', name: 'example.com.', isPrivate: false },
  { id: 'ZOTHER', name: 'www.example.net.', isPrivate: false },
]

function makeFake(credentials: AwsCredentials = own, pageSize = 100) {
  const sets = new Map<string, Set>()
  const zonesFrom = (query: URLSearchParams) => {
    assert.deepEqual(
      [...query.keys()].filter((key) => !['dnsname', 'hostedzoneid'].includes(key)),
      [],
    )
    const reversed = (zone: string) => zone.replace(/\.$/, '').split('.').reverse().join('.')
    const from = reversed(query.get('dnsname') ?? '')
    const start = zones.findIndex(
      (zone) => reversed(zone.name) >= from && (!query.has('hostedzoneid') || zone.id === query.get('hostedzoneid')),
    )
    const rest = start < 0 ? [] : zones.slice(start)
    const list = rest
      .slice(0, pageSize)
      .map(
        ({ id, name: zone, isPrivate }) =>
          `<HostedZone><Id>/hostedzone/${id}</Id><Name>${zone}</Name><CallerReference>1</CallerReference><Config><PrivateZone>${isPrivate}</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone>`,
      )
    const next = rest[pageSize]
    return xml(
      `<ListHostedZonesByNameResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZones>${list.join('')}</HostedZones><IsTruncated>${next !== undefined}</IsTruncated>${next ? `<NextDNSName>${next.name}</NextDNSName><NextHostedZoneId>${next.id}</NextHostedZoneId>` : ''}<MaxItems>${pageSize}</MaxItems></ListHostedZonesByNameResponse>`,
    )
  }
  const setsFrom = (query: URLSearchParams) => {
    assert.deepEqual([query.get('type'), query.get('maxitems')], ['TXT', '1'])
    const from = query.get('name') ?? ''
    const [at, set] = [...sets].sort(([a], [b]) => (a < b ? -1 : 1)).find(([key]) => key >= from) ?? []
    const found = set
      ? `<ResourceRecordSet><Name>${at}</Name><Type>TXT</Type><TTL>${set.ttl}</TTL><ResourceRecords>${set.values.map((value) => `<ResourceRecord><Value>${xmlEscaped(value)}</Value></ResourceRecord>`).join('')}</ResourceRecords></ResourceRecordSet>`
      : ''
    return xml(
      `<ListResourceRecordSetsResponse><ResourceRecordSets>${found}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>`,
    )
  }
  const change = (text: string) => {
    const one = elementAt(parseXml(text), 'ChangeBatch', 'Changes', 'Change')
    const set = elementAt(one, 'ResourceRecordSet')
    assert.equal(textAt(set, 'Type'), 'TXT')
    const at = textAt(set, 'Name') ?? ''
    const ttl = textAt(set, 'TTL') ?? ''
    assert.match(ttl, /^\d+$/)
    const values = elementsNamed(elementAt(set, 'ResourceRecords'), 'ResourceRecord').map(
      (r) => textAt(r, 'Value') ?? '',
    )
    for (const value of values) assert.match(value, /^".*"$/)
    assert.equal(new Set(values).size, values.length, 'InvalidChangeBatch: Duplicate Resource Record')
    const action = textAt(one, 'Action')
    if (action === 'UPSERT') sets.set(at, { ttl, values })
    else {
      assert.equal(action, 'DELETE')
      if (JSON.stringify(sets.get(at)) !== JSON.stringify({ ttl, values }))
        return error(400, 'InvalidChangeBatch', 'the values provided do not match the current values')
      sets.delete(at)
    }
    return xml(
      '<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C2682N5HXP0BZ4</Id><Status>PENDING</Status><SubmittedAt>2026-11-22T08:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>',
    )
  }
  return {
    sets,
    handle(request: FakeRequest): FakeReply {
      const { method, path, query, text, headers } = request
      checkSignature(request, credentials)
      if (path === '/2013-04-01/hostedzonesbyname' && method === 'GET') return zonesFrom(query)
      assert.equal(path, '/2013-04-01/hostedzone/Z0123/rrset')
      if (method === 'GET') return setsFrom(query)
      assert.deepEqual([method, headers['content-type']], ['POST', 'application/xml'])
      return change(text)
    },
    values: (at: string) => (sets.get(`${at}.`)?.values ?? []).map((value) => value.slice(1, -1)),
    add(at: string, value: string) {
      const set = sets.get(`${at}.`) ?? { ttl: '77', values: [] }
      sets.set(`${at}.`, { ...set, values: [...set.values, `"${value}"`] })
    },
  }
}

proveConformance({
  definition: route53,
  hosts,
  variables,
  makeFake,
  denied: error(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match canary-secret/+'),
  limited: error(400, 'Throttling', 'Rate exceeded'),
})

test('route53: a public zone behind a private one on another page', async (t) => {
  const fake = makeFake(own, 1)
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(route53, variables).present(record)
  assert.deepEqual(fake.values(name), [record.value])
})

test("route53: another's set keeps its TTL and its values as they are written", async (t) => {
  const fake = makeFake()
  fake.sets.set(`${name}.`, { ttl: '77', values: ['"a \\"b\\" & <c>" "second part"'] })
  const before = structuredClone(fake.sets)
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(route53, variables)
  await provider.present(record)
  assert.deepEqual(fake.sets.get(`${name}.`), {
    ttl: '77',
    values: ['"a \\"b\\" & <c>" "second part"', `"${record.value}"`],
  })
  await provider.cleanUp(record)
  assert.deepEqual(fake.sets, before)
})

test('route53: no zone is a refusal, and nothing is written', async (t) => {
  const api = await startFakeApi(t, hosts, makeFake().handle)
  await assert.rejects(api.open(route53, variables).present({ ...record, name: '_acme-challenge.example.org' }), {
    kind: 'refused',
    message: /holds no zone/,
  })
  assert.ok(
    api.log.every((line) => line.startsWith('GET')),
    api.log.join('\n'),
  )
})

test('route53: of the variables only secrets are left out of messages', async (t) => {
  const api = await startFakeApi(t, hosts, () =>
    error(400, 'NoSuchHostedZone', 'no Z0123 in us-east-1 for canary-secret/+'),
  )
  const open = { ...variables, AWS_HOSTED_ZONE_ID: 'Z0123', AWS_REGION: 'us-east-1' }
  await assert.rejects(api.open(route53, open).present(record), {
    kind: 'refused',
    message: /no Z0123 in us-east-1 for …/,
  })
})

test('route53: a hosted zone that is named is not looked for', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(route53, { ...variables, AWS_HOSTED_ZONE_ID: '/hostedzone/Z0123' }).present(record)
  assert.deepEqual(fake.values(name), [record.value])
  assert.ok(!api.log.some((line) => line.includes('byname')))
})

test('route53: a set with a routing policy is left alone', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) =>
    request.path.endsWith('/rrset')
      ? xml(
          `<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet><Name>${name}.</Name><Type>TXT</Type><SetIdentifier>a</SetIdentifier><Weight>1</Weight><TTL>5</TTL><ResourceRecords/></ResourceRecordSet></ResourceRecordSets></ListResourceRecordSetsResponse>`,
        )
      : fake.handle(request),
  )
  await assert.rejects(api.open(route53, variables).present(record), { kind: 'refused', message: /routing policy/ })
})

test('route53: a role is taken on once, with the own credentials', async (t) => {
  const lent = { accessKeyId: 'ASIACANARY', secretAccessKey: 'canary-lent', sessionToken: 'canary-session' }
  const fake = makeFake(lent)
  let asked = 0
  const api = await startFakeApi(t, hosts, (request) => {
    if (request.host !== 'sts.us-east-1.amazonaws.com') return fake.handle(request)
    checkSignature(request, own)
    asked++
    const form = request.form()
    assert.deepEqual(
      [form.get('Action'), form.get('Version'), form.get('RoleArn'), form.get('ExternalId')],
      ['AssumeRole', '2011-06-15', 'arn:aws:iam::1:role/dns', 'x'],
    )
    return xml(
      `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>${lent.accessKeyId}</AccessKeyId><SecretAccessKey>${lent.secretAccessKey}</SecretAccessKey><SessionToken>${lent.sessionToken}</SessionToken><Expiration>2026-11-22T09:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
    )
  })
  const role = { AWS_ASSUME_ROLE_ARN: 'arn:aws:iam::1:role/dns', AWS_EXTERNAL_ID: 'x' }
  const provider = api.open(route53, { ...variables, ...role })
  await provider.present(record)
  await provider.cleanUp(record)
  assert.equal(asked, 1)
})

test('route53: credentials of a profile in a file; without any, or with half a pair, told', async (t) => {
  const file = join(temporaryDir(t), 'credentials')
  writeFileSync(
    file,
    `# ours\n[default]\naws_access_key_id = other\naws_secret_access_key = wrong\n[dns]\naws_access_key_id=${own.accessKeyId}\naws_secret_access_key = ${own.secretAccessKey}\n`,
  )
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, fake.handle)
  await api.open(route53, { AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'dns' }).present(record)
  assert.deepEqual(fake.values(name), [record.value])
  for (const [set, message] of [
    [{ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'none' }, /no key pair in its profile 'none'/],
    [{ AWS_SECRET_ACCESS_KEY: 'canary' }, /'AWS_SECRET_ACCESS_KEY' is set, 'AWS_ACCESS_KEY_ID' is not/],
    [{}, /'AWS_ACCESS_KEY_ID' or 'AWS_SHARED_CREDENTIALS_FILE' is not set/],
  ] as const)
    assert.throws(() => api.open(route53, set), { kind: 'config', message })
})
