// netcup, as https://ccp.netcup.net/run/webservice/servers/endpoint.php has it, by JSON.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { netcup, tooOften } from '../../src/acme/dns/providers/netcup.ts'
import { NixacmeError } from '../../src/errors.ts'
import { proveConformance } from './conformance.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { assertKeys, labelOf, nameOf, Shelf } from './shelf.ts'

const hosts = ['ccp.netcup.net']
const variables = {
  NETCUP_CUSTOMER_NUMBER: '12345',
  NETCUP_API_KEY: 'canary-key',
  NETCUP_API_PASSWORD: 'canary-password',
}
const record = { name: '_acme-challenge.example.com', value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo' }

const message = (action: string, statuscode: number, longmessage: string, responsedata: unknown = ''): FakeReply => ({
  json: {
    serverrequestid: 'YxTr4EzdbJ101T211zR4yzUEMVE',
    clientrequestid: '',
    action,
    status: statuscode === 2000 ? 'success' : 'error',
    statuscode,
    shortmessage: 'Validation Error.',
    longmessage,
    responsedata,
  },
})
const sessionUnknown = (action: string) => message(action, 4001, 'The session id is not in a valid format.')
const limited =
  'More than 180 requests per minute. Please wait and retry later. Please contact our customer service to find out if the limitation of requests can be increased.'
/** What is in the zone and not ours. */
const others = [
  { id: '1', hostname: '@', type: 'A', priority: '0', destination: '192.0.2.1', deleterecord: false, state: 'yes' },
  { id: '2', hostname: '@', type: 'MX', priority: '10', destination: 'mail', deleterecord: false, state: 'yes' },
]

function makeFake() {
  const shelf = new Shelf()
  const sessions = new Set<string>()
  let logins = 0
  const change = (entry: Record<string, unknown>): void => {
    assert.equal(entry['type'], 'TXT', 'a record of others')
    if (entry['deleterecord'] === true) {
      assertKeys(entry, 'id', 'hostname', 'type', 'priority', 'destination', 'deleterecord', 'state')
      assert.ok(shelf.take(String(entry['id'])))
    } else {
      assertKeys(entry, 'hostname', 'type', 'destination')
      shelf.put(nameOf(String(entry['hostname']), '@'), String(entry['destination']))
    }
  }
  return {
    values: shelf.values,
    add: shelf.add,
    expire: () => sessions.clear(),
    logins: () => logins,
    handle(request: FakeRequest): FakeReply {
      assert.deepEqual([request.method, request.path], ['POST', '/run/webservice/servers/endpoint.php'])
      assert.ok(request.query.has('JSON'))
      const { action, param, ...none } = request.json()
      assert.deepEqual(none, {})
      const { customernumber, apikey, apisessionid, ...rest } = param
      assert.deepEqual([customernumber, apikey], ['12345', 'canary-key'])
      if (action === 'login') {
        assert.deepEqual([rest, apisessionid], [{ apipassword: 'canary-password' }, undefined])
        const id = `canary-session-${++logins}`
        sessions.add(id)
        return message(action, 2000, 'Session has been created successful.', { apisessionid: id })
      }
      if (!sessions.has(apisessionid)) return sessionUnknown(action)
      if (rest.domainname !== 'example.com') return message(action, 5029, 'Domain not found or not yours.')
      if (action === 'updateDnsRecords') {
        assertKeys(rest, 'domainname', 'dnsrecordset')
        rest.dnsrecordset.dnsrecords.forEach(change)
      } else assert.deepEqual([action, Object.keys(rest)], ['infoDnsRecords', ['domainname']])
      const entries = shelf.records.map(({ id, name, value }) => ({
        ...others[0],
        id,
        hostname: labelOf(name, '@'),
        type: 'TXT',
        destination: value,
      }))
      return message(action, 2000, 'DNS records found.', { dnsrecords: [...others, ...entries] })
    },
  }
}

proveConformance({
  definition: netcup,
  hosts,
  variables,
  makeFake,
  denied: message('login', 4013, 'The api key canary-key is not valid for customer 12345.'),
})

test('netcup: a session that ended at its own time is made anew, once', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, fake.handle)
  const provider = api.open(netcup, variables)
  await provider.present(record)
  fake.expire()
  await provider.cleanUp(record)
  assert.deepEqual([fake.logins(), fake.values(record.name)], [2, []])
})

test('netcup: sessions that are never known end after two logins', async (t) => {
  const fake = makeFake()
  const api = await startFakeApi(t, hosts, (request) => {
    const reply = fake.handle(request)
    fake.expire()
    return reply
  })
  await assert.rejects(
    api.open(netcup, variables).present(record),
    (e) => e instanceof NixacmeError && e.kind === 'refused' && /session id is not in a valid format/.test(e.message),
  )
  assert.equal(fake.logins(), 2)
})

test('netcup: a zone of somebody else is refused with what netcup says', async (t) => {
  const api = await startFakeApi(t, hosts, makeFake().handle)
  await assert.rejects(
    api.open(netcup, variables, ['example.org']).present({ ...record, name: '_acme-challenge.example.org' }),
    (e) => e instanceof NixacmeError && e.kind === 'refused' && /infoDnsRecords.*not yours.*5029/.test(e.message),
  )
})

test('netcup: too many requests are seen in an answer with status 200, and a wrong value is not taken for them', () => {
  const textOf = (words: string) => JSON.stringify(message('login', 4013, words).json)
  assert.equal(tooOften({ text: textOf(limited) }), 20)
  assert.equal(tooOften({ text: textOf('Value in field domainname does not match requirements.') }), false)
})
