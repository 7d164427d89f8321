// Standing records as somebody made them: which let an account prove a name, and what is told of the others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flawOfValues } from '../../src/acme/dns/persist-record.ts'
import { readChallenge } from '../../src/acme/types.ts'

const accountUrl = 'https://ca.example/acct/1'
const now = new Date('2026-11-22T12:00:00Z')
const seconds = now.getTime() / 1000
const good = `ca.example; accounturi=${accountUrl}`
const judge = (values: readonly string[], isWildcard = false) =>
  flawOfValues(values, { issuer: 'ca.example', accountUrl, isWildcard }, now)

test('records that will do', () => {
  for (const value of [
    good,
    `ca.example;accounturi=${accountUrl}`,
    ` CA.Example\t; AccountURI = ${accountUrl} `,
    `${good}; policy=wildcard`,
    `${good}; policy=other`,
    `${good}; persistUntil=${seconds}`,
    `${good}; comment=x; comment=y`,
  ])
    assert.equal(judge([value]), undefined, value)
  for (const policy of ['wildcard', 'WildCard']) assert.equal(judge([`${good}; policy=${policy}`], true), undefined)
})

test('one that will do is enough', () => {
  assert.equal(judge(['other.example; accounturi=x', 'v=spf1 -all', `${good};`, good]), undefined)
})

for (const [what, values, words] of [
  ['none', [], /^is missing$/],
  ['of another CA', ['other.example; accounturi=x'], /^names 'other\.example' only$/],
  ['of another account', [`${good}2`], /^is for another account, 'https:\/\/ca\.example\/acct\/12'$/],
  ['of the account in another case', [good.replace('acct', 'Acct')], /^is for another account/],
  ['without an account', ['ca.example'], /^has no 'accounturi'$/],
  ['with two accounts', [`${good}; ACCOUNTURI=${accountUrl}`], /^has 'accounturi' twice$/],
  ['past its end', [`${good}; persistUntil=${seconds - 1}`], /^held until 2026-11-22T11:59:59Z only/],
  ['with an end that is none', [`${good}; persistUntil=2026-12-01`], /^has 'persistUntil' '2026-12-01', expected sec/],
  ['with a semicolon at its end', [`${good};`], /^has a semicolon with nothing behind it$/],
  ['with a word for a parameter', [`${good}; wildcard`], /^has 'wildcard', expected 'name=value'$/],
  ['with a blank in a value', [`${good} x`], /^has a blank or an odd character in 'accounturi'$/],
  ['two that will not do', ['ca.example', `${good};`], /^has no 'accounturi'; another one has a semicolon/],
] as const)
  test(`a record ${what}`, () => assert.match(judge(values) ?? 'it will do', words))

test('a wildcard needs a policy', () => {
  for (const value of [good, `${good}; policy=other`])
    assert.match(judge([value], true) ?? 'it will do', /^lacks 'policy=wildcard'/)
})

test('the names of the CA are read from its challenge, as older and as later drafts call them', () => {
  const challenge = { type: 'dns-persist-01', url: 'https://ca.example/1' }
  for (const key of ['issuer-domain-names', 'issuerDomainNames'])
    assert.deepEqual(readChallenge({ ...challenge, [key]: ['ca.example', 5, 'a b'] }).issuers, ['ca.example'])
  assert.deepEqual(readChallenge(challenge).issuers, [])
})
