// Namecheap, as https://www.namecheap.com/support/api/methods/domains-dns/ has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namecheap } from '../../src/acme/dns/providers/namecheap.ts'
import { xmlEscaped } from '../../src/acme/dns/xml.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { absolute, relative } from './fake-records.ts'

const addressHost = 'dynamicdns.park-your-domain.com'
const hosts = ['api.namecheap.com', 'api.sandbox.namecheap.com', addressHost]
const variables = { NAMECHEAP_API_USER: 'canary-user', NAMECHEAP_API_KEY: 'canary-key' }
const record = { name: '_acme-challenge.www.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

type Host = Record<'Name' | 'Type' | 'Address' | 'MXPref' | 'TTL', string>

/** Of every kind that a domain may have. */
const others: readonly Host[] = [
  { Name: '@', Type: 'A', Address: '192.0.2.1', MXPref: '10', TTL: '1800' },
  { Name: 'www', Type: 'AAAA', Address: '2001:db8::1', MXPref: '10', TTL: '60' },
  { Name: '*', Type: 'CNAME', Address: 'example.com.', MXPref: '10', TTL: '1799' },
  { Name: '@', Type: 'MX', Address: 'mail.example.com.', MXPref: '5', TTL: '1799' },
  { Name: '@', Type: 'MX', Address: 'backup.example.com.', MXPref: '50', TTL: '1799' },
  {
    Name: '@',
    Type: 'CAA',
    Address: '0 issue "ca.example; accounturi=https://ca.example/a?b=1&c=2"',
    MXPref: '10',
    TTL: '300',
  },
  { Name: '@', Type: 'TXT', Address: 'v=spf1 include:<b> ~all', MXPref: '10', TTL: '1799' },
  { Name: 'blog', Type: 'URL301', Address: "https://example.org/?q='a'&b=c#d", MXPref: '10', TTL: '1799' },
  { Name: 'frame', Type: 'FRAME', Address: 'http://example.org', MXPref: '10', TTL: '1799' },
]

const answered = (status: string, errors: string, result: string): FakeReply => ({
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  text: `<?xml version="1.0" encoding="utf-8"?>\n<ApiResponse Status="${status}" xmlns="http://api.namecheap.com/xml.response">\n  <Errors>${errors}</Errors>\n  <Warnings />\n  ${result}\n  <Server>PHX01</Server>\n</ApiResponse>\n`,
})
const success = (command: string, result: string) =>
  answered('OK', '', `<CommandResponse Type="${command}">${result}</CommandResponse>`)
const failure = (number: number, words: string) => answered('ERROR', `<Error Number="${number}">${words}</Error>`, '')

interface Options {
  readonly split?: readonly [string, string]
  readonly api?: string | undefined
  readonly emailType?: string
  readonly isOurs?: boolean
}

function makeFake({ split = ['example', 'com'], api = hosts[0], emailType = 'MX', isOurs = true }: Options = {}) {
  let all: Host[] = others.map((host) => ({ ...host }))
  let mail = emailType
  const set = (form: URLSearchParams) => {
    // What is left out of the request is gone.
    mail = form.get('EmailType') ?? 'NONE'
    all = []
    for (let i = 1; form.has(`HostName${i}`); i++) {
      const field = (name: string) => form.get(`${name}${i}`) ?? assert.fail(`no ${name}${i}`)
      const [Name, Type, Address, MXPref, TTL] = ['HostName', 'RecordType', 'Address', 'MXPref', 'TTL'].map(field)
      assert.ok(Number(TTL) >= 60 && Number(TTL) <= 60_000, `TTL ${TTL}`)
      all.push({ Name, Type, Address, MXPref, TTL } as Host)
    }
    return success(
      'namecheap.domains.dns.setHosts',
      '<DomainDNSSetHostsResult Domain="example.com" IsSuccess="true" />',
    )
  }
  return {
    others: () => all.filter((host) => !host.Name.startsWith('_acme-challenge')),
    mail: () => mail,
    handle(request: FakeRequest): FakeReply {
      const { method, host, path } = request
      if (host === addressHost) {
        assert.deepEqual([method, path], ['GET', '/getip'])
        return { text: '192.0.2.7' }
      }
      assert.deepEqual([host, path], [api, '/xml.response'])
      const asked = method === 'GET' ? request.query : request.form()
      if (asked.get('SLD') === 'elsewhere') return failure(2019166, 'Domain name not found')
      const [SLD, TLD] = split
      const wanted = {
        ApiUser: 'canary-user',
        ApiKey: 'canary-key',
        UserName: 'canary-user',
        ClientIp: '192.0.2.7',
        SLD,
        TLD,
      }
      for (const [name, value] of Object.entries(wanted)) assert.equal(asked.get(name), value, name)
      if (asked.get('Command') === 'namecheap.domains.dns.setHosts') {
        assert.equal(method, 'POST')
        return set(asked)
      }
      assert.equal(asked.get('Command'), 'namecheap.domains.dns.getHosts')
      const list = all.map((one, i) => {
        const fields = Object.entries(one).map(([name, value]) => `${name}="${xmlEscaped(value)}"`)
        return `<host HostId="${i}" ${fields.join(' ')} AssociatedAppTitle="" FriendlyName="" IsActive="true" IsDDNSEnabled="false" />`
      })
      return success(
        'namecheap.domains.dns.getHosts',
        `<DomainDNSGetHostsResult Domain="example.com" EmailType="${mail}" IsUsingOurDNS="${isOurs}">${list.join('')}</DomainDNSGetHostsResult>`,
      )
    },
    values: (name: string) =>
      all.filter((host) => host.Type === 'TXT' && absolute(host.Name) === name).map(({ Address }) => Address),
    add(name: string, value: string) {
      all.push({ Name: relative(name), Type: 'TXT', Address: value, MXPref: '10', TTL: '1799' })
    },
  }
}

proveConformance({
  definition: namecheap,
  hosts,
  variables,
  makeFake,
  denied: ({ host }) =>
    host === addressHost
      ? { text: '192.0.2.7' }
      : failure(1011102, 'API Key canary-key is invalid or API access has not been enabled'),
})

test('namecheap: all other hosts, of all types, and the mail service stay exactly as they are', async (t) => {
  for (const emailType of ['MX', 'FWD', 'NONE']) {
    const fake = makeFake({ emailType })
    const api = await startFakeApi(t, hosts, fake.handle)
    await api.open(namecheap, variables).present(record)
    assert.deepEqual([fake.others(), fake.mail()], [others, emailType])
    await api.open(namecheap, variables).cleanUp(record)
    assert.deepEqual([fake.others(), fake.mail(), fake.values(record.name)], [others, emailType, []])
  }
})

test('namecheap: what is as it should be is not written again', async (t) => {
  const fake = makeFake()
  fake.add(record.name, record.value)
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(namecheap, variables)
  await provider.present(record)
  await provider.cleanUp({ ...record, value: 'another' })
  assert.ok(
    api.log.every((line) => line.startsWith('GET')),
    api.log.join('\n'),
  )
})

test('namecheap: a domain below co.uk, in the sandbox', async (t) => {
  const fake = makeFake({ split: ['example', 'co.uk'], api: hosts[1] })
  const api = await startFakeApi(t, hosts, fake.handle)
  const name = '_acme-challenge.www.example.co.uk'
  await api.open(namecheap, { ...variables, NAMECHEAP_SANDBOX: 'true' }, ['example.co.uk']).present({ ...record, name })
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('namecheap: too many requests, told with status 200, are waited out', async (t) => {
  const fake = makeFake()
  let left = 1
  const api = await startFakeApi(t, hosts, (request) =>
    request.host !== addressHost && left-- > 0 ? failure(500000, 'Too many requests') : fake.handle(request),
  )
  await api.open(namecheap, variables).present(record)
  assert.deepEqual(fake.values(record.name), [record.value])
})

test('namecheap: what is not understood, or not its own, is not replaced', async (t) => {
  const elsewhere = await startFakeApi(t, hosts, makeFake({ isOurs: false }).handle)
  await assert.rejects(elsewhere.open(namecheap, variables).present(record), {
    kind: 'refused',
    message: /does not use Namecheap's own name servers/,
  })
  const list = (result: string) => success('namecheap.domains.dns.getHosts', result)
  for (const [reply, kind] of [
    [failure(2019166, 'Domain not found'), 'refused'],
    [
      list('<DomainDNSGetHostsResult IsUsingOurDNS="true"><host Name="@" Type="A" /></DomainDNSGetHostsResult>'),
      'unavailable',
    ],
    [list(''), 'unavailable'],
    [{ text: '<ApiResponse Status="OK">' }, 'unavailable'],
  ] as const) {
    const api = await startFakeApi(t, hosts, ({ host, method }) => {
      assert.equal(method, 'GET')
      return host === addressHost ? { text: '192.0.2.7' } : reply
    })
    await assert.rejects(api.open(namecheap, variables).present(record), { kind })
  }
})
