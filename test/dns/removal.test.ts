// How the records of one order are taken away: a few at a time, and those of one name one after the other.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { Dns } from '../../src/acme/challenges/dns-work.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { keptLog } from '../acme/request.ts'

test('records are removed four at a time, those of one name one after the other', async (t) => {
  const names = Array.from({ length: 12 }, (_, i) => `_acme-challenge.n${i}.example.com`)
  const underWay: string[] = []
  const removed: string[] = []
  const most = { together: 0, ofOneName: 0 }
  const server = createServer(async (request, response) => {
    const { fqdn, value } = JSON.parse(await text(request)) as { fqdn: string; value: string }
    underWay.push(fqdn)
    most.together = Math.max(most.together, underWay.length)
    most.ofOneName = Math.max(most.ofOneName, underWay.filter((one) => one === fqdn).length)
    // Long enough for all that do not wait to be here.
    await new Promise((resolve) => setTimeout(resolve, 30))
    underWay.splice(underWay.indexOf(fqdn), 1)
    removed.push(`${fqdn} ${value}`)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const transport = openTransport({ caCertificates: [], env: {} })
  t.after(() => transport.close())
  const dns = new Dns({
    challenges: [],
    ledger: { path: '/nowhere', uid: 0, gid: undefined },
    challengeFolder: '/nowhere',
    groupGid: undefined,
    groupName: 'acme',
    variables: (name) => (name === 'HTTPREQ_ENDPOINT' ? endpoint : undefined),
    credentials: () => ({}),
    isAttended: false,
    env: {},
    now: () => new Date(),
    signal: AbortSignal.timeout(20_000),
    log: keptLog(),
    userAgent: 'nixacme/test',
    transport,
  })
  const common = {
    kind: 'record',
    provider: 'httpreq',
    domain: 'example.com',
    token: 't',
    keyAuthorization: 't.k',
  } as const
  const traces = names.flatMap((name) => ['first', 'second'].map((value) => ({ ...common, name, value })))
  await Promise.all(traces.map((trace) => dns.removeRecord(trace)))
  assert.deepEqual(removed.sort(), traces.map(({ name, value }) => `${name}. ${value}`).sort())
  assert.deepEqual(most, { together: 4, ofOneName: 1 })
})
