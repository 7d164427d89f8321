// dns-account-01 (draft-ietf-acme-dns-account-label): where the records of an account are put.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Dns } from '../../src/acme/challenges/dns-work.ts'
import type { Trace } from '../../src/acme/challenges/ledger.ts'
import type { SolversRequest } from '../../src/acme/challenges/open.ts'
import { NixacmeError } from '../../src/errors.ts'
import { keptLog } from '../acme/request.ts'
import { fromRows, startFakeDns } from './fake-dns.ts'

const accountUrl = 'https://example.com/acme/acct/ExampleAccount'
const label = '_ujmmovf2vn55tgye'
const presentation = (name: string, account: string | undefined) => {
  return { name, token: name, keyAuthorization: `${name}.thumb`, accountUrl: account }
}

test('below the label, where its CNAME leads; without an account nothing is noted or put', async (t) => {
  const dns = await startFakeDns(t, fromRows([[`${label}._acme-challenge.b.example`, 'CNAME', 'b.example.net']]))
  const log = keptLog()
  const challenge = { kind: 'dns', provider: 'manual', resolver: dns.text, propagationCheck: false } as const
  const req = { challenges: [{ challenge, names: [] }], log, isAttended: true, variables: () => undefined, env: {} }
  const { signal } = new AbortController()
  const work = new Dns({ ...req, signal, now: () => new Date() } as unknown as SolversRequest)
  const noted: Trace[] = []
  const put = (accountLabel: true | undefined, ...presentations: ReturnType<typeof presentation>[]) =>
    work.present({ ...challenge, ...(accountLabel && { accountLabel }) }, presentations, (traces) =>
      noted.push(...traces),
    )

  await assert.rejects(put(true, presentation('a.example', undefined)), (e) => {
    assert.ok(e instanceof NixacmeError && e.kind === 'config', String(e))
    assert.match(e.message, /^the record of 'a\.example' has a label of the ACME account, and there is none yet$/)
    return true
  })
  assert.deepEqual([noted, log.lines], [[], []])

  await put(true, presentation('a.example', accountUrl), presentation('b.example', accountUrl))
  await put(undefined, presentation('c.example', undefined))
  assert.deepEqual(
    noted.map((trace) => (trace.kind === 'record' ? trace.name : trace)),
    [`${label}._acme-challenge.a.example`, 'b.example.net', '_acme-challenge.c.example'],
  )
  const led = log.lines.filter((line) => line.includes('CNAME'))
  assert.deepEqual(led, [`info: the CNAME of '${label}._acme-challenge.b.example' leads to 'b.example.net'`])
})
