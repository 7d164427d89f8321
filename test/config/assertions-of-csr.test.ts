// A certificate request of one's own: what may not stand beside it, and what may.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultsOf, load, oneCert, onlyCert, testFaults } from './support.ts'

const csr = 'csr = "/etc/x.csr"\ncsrKey = "/etc/x.key"\nserver = "https://ca.test/dir"'
const inDefaults = (line: string, own = ''): string =>
  oneCert(`${csr}\n${own}`).replace('[defaults]', `[defaults]\n${line}`)

testFaults([
  ['csr alone', oneCert('csr = "/x"'), [/:6:7: .*csr: 'csr' needs 'csrKey' beside it/]],
  ['csrKey alone', oneCert('csrKey = "/x"'), [/:6:10: .*csrKey: 'csrKey' needs 'csr' beside it/]],
  [
    'a csr that is wrong is told once',
    oneCert('csr = "x"\ncsrKey = "/x"\nkeyReuse = true'),
    [/'x' is not an absolute/],
  ],
  ['keyReuse', oneCert(`${csr}\nkeyReuse = true`), [/:9:12: .*keyReuse: 'keyReuse' cannot be set beside 'csr'/]],
  ['keyType', oneCert(`${csr}\nkeyType = "rsa4096"`), [/:9:11: .*keyType: 'keyType' cannot be set beside 'csr'/]],
  [
    'ocspMustStaple',
    oneCert(`${csr}\nocspMustStaple = true`),
    [/:9:18: .*ocspMustStaple: .* beside 'csr': .*'\/etc\/x.csr'/],
  ],
  [
    'ocspMustStaple of defaults',
    inDefaults('ocspMustStaple = true'),
    [/:4:18: defaults.ocspMustStaple: .* beside 'csr'/],
  ],
])

test('hints: an own option is left out, an inherited one is switched off', () => {
  assert.equal(faultsOf(oneCert(`${csr}\nocspMustStaple = true`))[0]?.hint, "leave 'ocspMustStaple' out")
  assert.match(faultsOf(inDefaults('ocspMustStaple = true'))[0]?.hint ?? '', /set ocspMustStaple = false here/)
})

for (const [what, text] of [
  ['nothing', oneCert(csr)],
  ['their defaults', oneCert(`${csr}\nkeyReuse = false\nkeyType = "ec256"\nocspMustStaple = false`)],
  ['what defaults say for all', inDefaults('keyReuse = true\nkeyType = "rsa4096"')],
  ['what defaults say for all, repeated', inDefaults('keyType = "rsa4096"', 'keyType = "rsa4096"')],
  ['must-staple of defaults, switched off', inDefaults('ocspMustStaple = true', 'ocspMustStaple = false')],
] as const)
  test(`beside a request may stand: ${what}`, () =>
    assert.deepEqual(onlyCert(load(text)).csr, { request: '/etc/x.csr', key: '/etc/x.key' }))

test('without a request all of it is possible', () => {
  const cert = onlyCert(
    load(oneCert('server = "https://ca.test/"\nkeyReuse = true\nkeyType = "rsa4096"\nocspMustStaple = true')),
  )
  assert.deepEqual([cert.csr, cert.keyReuse, cert.keyType, cert.ocspMustStaple], [null, true, 'rsa4096', true])
})

test('empty strings are no request', () => assert.equal(onlyCert(load(oneCert('csr = ""\ncsrKey = ""'))).csr, null))
