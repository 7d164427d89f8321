// What a CA may leave out it may also leave empty, or null, as some do; what must be there must not be either.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { Flaw, readAccountObject, readDirectory, readOrder } from '../../src/acme/types.ts'
import { scene } from './interrupted.ts'

const order = {
  status: 'pending',
  authorizations: ['https://ca.example/authz/1'],
  finalize: 'https://ca.example/finalize',
}
const account = { status: 'valid' }
const directory = {
  newNonce: 'https://ca.example/nonce',
  newAccount: 'https://ca.example/account',
  newOrder: 'https://ca.example/order',
}

interface Shape {
  readonly read: (value: unknown) => unknown
  readonly least: Readonly<Record<string, unknown>>
  readonly optional: readonly string[]
}

const shapes: Readonly<Record<string, Shape>> = {
  directory: { read: readDirectory, least: directory, optional: ['revokeCert', 'keyChange', 'renewalInfo', 'meta'] },
  meta: {
    read: (meta) => readDirectory({ ...directory, meta }),
    least: {},
    optional: ['termsOfService', 'profiles', 'externalAccountRequired', 'caaIdentities', 'website'],
  },
  account: { read: readAccountObject, least: account, optional: ['contact', 'orders', 'termsOfServiceAgreed'] },
  order: { read: readOrder, least: order, optional: ['certificate', 'expires', 'error', 'notBefore', 'notAfter'] },
}

for (const [name, { read, least, optional }] of Object.entries(shapes)) {
  test(`${name}: null and empty are as absent where a field is optional, and nowhere else`, () => {
    const bare = read(least)
    for (const nothing of [null, '']) {
      for (const field of optional) assert.deepEqual(read({ ...least, [field]: nothing }), bare, `${field}: ${nothing}`)
      for (const field of Object.keys(least)) assert.throws(() => read({ ...least, [field]: nothing }), Flaw, field)
    }
  })
}

test('a field of another type is refused, however optional', () => {
  assert.throws(() => readOrder({ ...order, certificate: 7 }), /'certificate' is missing or no text/)
  assert.throws(() => readOrder({ ...order, certificate: 'ftp://ca.example/' }), /'certificate' is no https URL/)
  assert.throws(() => readAccountObject({ ...account, orders: false }), /'orders' is missing or no text/)
  assert.throws(() => readDirectory({ ...directory, renewalInfo: ' ' }), /'renewalInfo' is no https URL/)
})

test('a certificate from a CA that leaves every optional field empty', async (t) => {
  const s = await scene(t)
  s.ca.fault('directory', {
    do: 'patch',
    json: { revokeCert: '', keyChange: '', renewalInfo: '', meta: { termsOfService: '', caaIdentities: '' } },
  })
  s.ca.fault('newAccount', { do: 'patch', json: { orders: '', contact: '' } })
  for (const kind of ['newOrder', 'order'] as const)
    s.ca.fault(kind, async ({ next }) => {
      const answer = await next()
      const { status, ...fields } = JSON.parse(answer.body.toString())
      const isValid = status === 'valid'
      return { ...answer, body: JSON.stringify({ status, certificate: '', ...fields, ...(!isValid && { error: '' }) }) }
    })
  assert.ok(await issue(s.req))
  assert.equal(s.ca.stats.orders, 1)
})
