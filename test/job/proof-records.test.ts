// The TXT records that prove names, as they are told before an order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordsTable } from '../../src/commands/plan-records.ts'
import type { Challenge } from '../../src/config/config.ts'
import { accountLabel, challengeName, persistValue, proofRecords, zoneLine } from '../../src/job/proof-records.ts'

const account = 'https://ca.example/acct/1'
const plain = { bold: (text: string) => text } as unknown as Parameters<typeof recordsTable>[1]
const seen = { resolver: null, propagationCheck: true }
const byProvider: Challenge = { kind: 'dns', provider: 'pdns', ...seen }
const labelled: Challenge = { ...byProvider, accountLabel: true }
const standing: Challenge = { kind: 'dns-persist', issuer: 'ca.example', ...seen }

test('the label of an account: the example of draft-ietf-acme-dns-account-label', () => {
  const label = accountLabel('https://example.com/acme/acct/ExampleAccount')
  assert.equal(label, '_ujmmovf2vn55tgye')
  assert.equal(challengeName('*.www.example.org', label), '_ujmmovf2vn55tgye._acme-challenge.www.example.org')
  assert.equal(challengeName('example.org'), '_acme-challenge.example.org')
})

test('each way has its records, a name and its wildcard one together', () => {
  const names = ['a.example', '*.a.example', 'b.example']
  const of = (challenge: Challenge, accountUrl?: string) =>
    proofRecords([{ challenge, names }], accountUrl === undefined ? [] : [accountUrl]).map(
      ({ name, value, proves }) => [name, value, proves.length],
    )
  assert.deepEqual(of(byProvider), [
    ['_acme-challenge.a.example', null, 2],
    ['_acme-challenge.b.example', null, 1],
  ])
  assert.deepEqual(of(labelled), [
    [null, null, 2],
    [null, null, 1],
  ])
  assert.deepEqual(of(labelled, account)[0], [`${accountLabel(account)}._acme-challenge.a.example`, null, 2])
  assert.deepEqual(of(standing), [
    ['_validation-persist.a.example', null, 2],
    ['_validation-persist.b.example', null, 1],
  ])
  assert.deepEqual(of(standing, account), [
    ['_validation-persist.a.example', `ca.example; accounturi=${account}; policy=wildcard`, 2],
    ['_validation-persist.b.example', `ca.example; accounturi=${account}`, 1],
  ])
  // A wildcard alone needs the policy as well.
  const [alone] = proofRecords([{ challenge: standing, names: ['*.a.example'] }], [account])
  assert.match(alone?.value ?? '', /; policy=wildcard$/)
  const other = account.replace('1', '2')
  assert.notEqual(other, account)
  const both = proofRecords([{ challenge: standing, names: ['a.example'] }], [account, other, account])
  assert.deepEqual(
    both.map(({ value }) => value?.includes(other)),
    [false, true],
    'each account once',
  )
  assert.deepEqual(proofRecords([{ challenge: { kind: 'webroot', webroot: '/w' }, names }], [account]), [])
})

test('a value is quoted for a zone file, in strings of 255 characters', () => {
  assert.equal(zoneLine('x.example', 'a "b" \\'), 'x.example. IN TXT "a \\"b\\" \\\\"')
  const value = persistValue({
    issuer: 'ca.example',
    accountUrl: `https://ca.example/${'1'.repeat(250)}`,
    isWildcard: false,
  })
  const strings = [...zoneLine('x.example', value).matchAll(/"([^"]*)"/g)].map(([, text = '']) => text)
  assert.deepEqual([strings.map((text) => text.length), strings.join('')], [[255, value.length - 255], value])
})

test('the table of a plan: what is made for each order, and what by hand', () => {
  const tableOf = (challenge: Challenge, accountUrl?: string) =>
    recordsTable(
      proofRecords([{ challenge, names: ['a.example', '*.a.example'] }], accountUrl === undefined ? [] : [accountUrl]),
      plain,
    ).split('\n')[2]
  assert.match(tableOf(byProvider) ?? '', /^_acme-challenge\.a\.example +for each order, by 'pdns'$/)
  assert.match(
    tableOf(labelled) ?? '',
    /^_<label>\._acme-challenge\.a\.example +for each order, by 'pdns'; the label is/,
  )
  assert.match(
    tableOf(labelled, account) ?? '',
    /^_[a-z2-7]{16}\._acme-challenge\.a\.example +for each order, by 'pdns'$/,
  )
  assert.match(tableOf(standing) ?? '', /^_validation-persist\.a\.example +by hand, once: what it says is known when/)
  assert.equal(
    tableOf(standing, account),
    `_validation-persist.a.example  by hand, once: IN TXT "ca.example; accounturi=${account}; policy=wildcard"`,
  )
  assert.equal(recordsTable([], plain), '')
})
