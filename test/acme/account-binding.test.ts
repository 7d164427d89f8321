// External account binding at Pebble: what is sent, what is missing, what is wrong, and that the HMAC is in no message.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { after, before, describe, type TestContext, test } from 'node:test'
import { bindingCredentials } from '../../src/acme/account-binding.ts'
import { issue } from '../../src/acme/issue.ts'
import { AcmeProblem } from '../../src/acme/problem.ts'
import { NixacmeError } from '../../src/errors.ts'
import { type Pebble, pebbleMissing, serve, startPebble } from '../support/pebble.ts'
import { problem, startFakeCa } from './fake-ca.ts'
import { type Bench, bench, failureOf } from './request.ts'

const skip = pebbleMissing ?? false
const kid = 'kid-1'
const hmac = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'
const other = 'b10lLJs8l1GPIzsLP0s6pMt8O0XVGnfTaCeROxQM0BIt2XrJMDHJZBM5NuQmQJQH'

const from = (values: Readonly<Record<string, string>>) => (name: string) => values[name]
const plain = { LEGO_EAB_KID: kid, LEGO_EAB_HMAC: hmac }
const good = from(plain)

const only = { host: 'acme.example', hasOtherCas: false, isRequired: true }

function assertSilent(e: NixacmeError, ...lines: readonly string[]): void {
  for (const text of [e.message, ...e.hints, ...lines, String((e.cause as Error | undefined)?.message)])
    for (const secret of [hmac, other]) assert.ok(!text.includes(secret.slice(0, 20)), text)
}

describe('at Pebble, which wants a binding', { skip }, () => {
  let pebble: Pebble
  before(async () => {
    pebble = await startPebble({ externalAccounts: { [kid]: hmac }, env: { PEBBLE_VA_ALWAYS_VALID: '1' } })
  })
  after(() => pebble.stop())

  async function asking(t: TestContext, changes: Partial<Bench['req']>) {
    const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot], ...changes })
    mkdirSync(b.webroot)
    const web = await serve(b.webroot, pebble.httpPort)
    t.after(() => web.stop())
    return b
  }

  for (const keyType of ['ec256', 'rsa2048'] as const)
    test(`an ${keyType} account is registered with the credentials`, async (t) => {
      const b = await asking(t, { variables: good, keyType })
      const issued = await issue(b.req)
      assert.ok(issued?.accountUrl)
      assert.equal(JSON.parse(readFileSync(b.req.account.json, 'utf8')).registration.uri, issued.accountUrl)
    })

  test('padding at the end of the HMAC is no matter', async (t) => {
    const b = await asking(t, { variables: from({ LEGO_EAB_KID: kid, LEGO_EAB_HMAC: `${hmac}==` }) })
    assert.ok(await issue(b.req))
  })

  test('the account is found again by its key without credentials', async (t) => {
    const first = await asking(t, { variables: good })
    const issued = await issue(first.req)
    const again = { ...first.req, account: { ...first.req.account, json: `${first.req.account.json}.lost` } }
    assert.equal((await issue({ ...again, variables: () => undefined }))?.accountUrl, issued?.accountUrl)
  })

  test('without credentials: config, and neither key nor request is made', async (t) => {
    const b = await asking(t, {})
    const before = pebble.count('POST /sign-me-up')
    const e = await failureOf(issue(b.req))
    assert.equal(e.exitStatus, 78)
    assert.match(e.hints.join('\n'), /LEGO_EAB_KID and LEGO_EAB_HMAC[\s\S]*LEGO_EAB_HMAC_FILE/)
    assert.deepEqual([existsSync(b.req.account.key), pebble.count('POST /sign-me-up')], [false, before])
  })

  test('credentials that cannot be read: their own error', async (t) => {
    const unreadable = new NixacmeError('permission', 'cannot read it')
    const b = await asking(t, {
      variables: () => {
        throw unreadable
      },
    })
    assert.equal(await failureOf(issue(b.req)), unreadable)
  })

  for (const [what, values] of [
    ['a wrong HMAC', { LEGO_EAB_KID: kid, LEGO_EAB_HMAC: other }],
    ['an unknown key id', { LEGO_EAB_KID: 'kid-2', LEGO_EAB_HMAC: hmac }],
  ] as const)
    test(`${what}: refused in the CA's words; with the right ones the same key is registered`, async (t) => {
      const b = await asking(t, { variables: from(values) })
      const e = await failureOf(issue(b.req))
      assert.ok(e instanceof AcmeProblem)
      assert.equal(e.exitStatus, 76)
      assert.match(e.message, /^the CA refused the registration of an account with an external account binding: /)
      assertSilent(e, ...b.log.lines)
      assert.ok(!existsSync(b.req.account.json))
      const key = readFileSync(b.req.account.key, 'utf8')
      assert.ok(await issue({ ...b.req, variables: good }))
      assert.equal(readFileSync(b.req.account.key, 'utf8'), key)
    })
})

for (const [what, values, words] of [
  ['a key id alone', { LEGO_EAB_KID: kid }, /^external account binding: LEGO_EAB_HMAC is not set$/],
  ['an HMAC alone', { LEGO_EAB_HMAC: hmac }, /^external account binding: LEGO_EAB_KID is not set$/],
  ['plain base64', { LEGO_EAB_KID: kid, LEGO_EAB_HMAC: `${hmac}+/` }, /LEGO_EAB_HMAC is no base64url text$/],
  [
    'a text of no possible length',
    { LEGO_EAB_KID: kid, LEGO_EAB_HMAC: `${hmac}a` },
    /LEGO_EAB_HMAC is no base64url text$/,
  ],
  ['text with blanks', { LEGO_EAB_KID: kid, LEGO_EAB_HMAC: `${hmac} ${hmac}` }, /LEGO_EAB_HMAC is no base64url text$/],
] as const)
  test(`${what}: config, without a word of it`, () => {
    assert.throws(
      () => bindingCredentials(from(values), only),
      (e) => {
        assert.ok(e instanceof NixacmeError)
        assert.equal(e.exitStatus, 78)
        assert.match(e.message, words)
        assertSilent(e)
        return true
      },
    )
  })

const ofHost = { LEGO_EAB_KID_ACME_EXAMPLE: 'its-kid', LEGO_EAB_HMAC_ACME_EXAMPLE: other }

for (const [what, values, ca, expected] of [
  ['its own before the plain ones', { ...plain, ...ofHost }, {}, 'its-kid'],
  ['its own where it asks for none', ofHost, { hasOtherCas: true, isRequired: false }, 'its-kid'],
  ['those of another CA', { ...plain, ...ofHost }, { host: 'other.example' }, kid],
  [
    'by host and port',
    { LEGO_EAB_KID_1_PKI_LAN_8443: 'p', LEGO_EAB_HMAC_1_PKI_LAN_8443: hmac },
    { host: '1-pki.lan:8443' },
    'p',
  ],
  ['the plain ones where the only CA asks for none', plain, { isRequired: false }, kid],
  ['the plain ones for one of several that asks', plain, { hasOtherCas: true }, kid],
  ['the plain ones, one of several that does not ask', plain, { hasOtherCas: true, isRequired: false }, undefined],
] as const)
  test(`whose credentials a CA gets: ${what}`, () => {
    assert.equal(bindingCredentials(from(values), { ...only, ...ca })?.kid, expected)
  })

test('half of its own is not made whole by the plain ones; several CAs are told their own names', async (t) => {
  const half = { ...plain, LEGO_EAB_KID_ACME_EXAMPLE: 'its-kid' }
  assert.throws(() => bindingCredentials(from(half), only), /: LEGO_EAB_HMAC_ACME_EXAMPLE is not set$/)
  const ca = await startFakeCa(t, ({ path }) => {
    return path === '/account' ? problem('externalAccountRequired', 'no') : undefined
  })
  const b = bench(t, ca.directoryUrl, { variables: good, hasOtherCas: true })
  const e = await failureOf(issue(b.req))
  const suffix = new URL(ca.directoryUrl).host.replace(/\W/g, '_').toUpperCase()
  assert.equal(e.exitStatus, 78)
  assert.match(e.hints.join('\n'), new RegExp(`LEGO_EAB_KID_${suffix} and LEGO_EAB_HMAC_${suffix}, .*`))
  assert.ok(!JSON.stringify(ca.calls).includes('externalAccountBinding'))
})

test('a CA that wants none gets the binding all the same, and credentials that cannot be read do not matter', async (t) => {
  const ca = await startFakeCa(t, ({ path }) => (path === '/order' ? problem('rejectedIdentifier', 'no') : undefined))
  const payload = () => ca.calls.findLast(({ path }) => path === '/account')?.payload as Record<string, unknown>
  const withThem = bench(t, ca.directoryUrl, { variables: good })
  await failureOf(issue(withThem.req))
  assert.deepEqual(Object.keys(payload()['externalAccountBinding'] as object), ['protected', 'payload', 'signature'])
  const unreadable = () => {
    throw new NixacmeError('permission', 'cannot read the file')
  }
  const without = bench(t, ca.directoryUrl, { variables: unreadable })
  await failureOf(issue(without.req))
  assert.ok(!('externalAccountBinding' in payload()))
  assert.match(without.log.lines.join('\n'), /^warning: cannot read the file, ignoring: this CA needs none$/m)
})
