// One option at a time: its type, its check, whether it is there yet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { certOnly, global, inheritable, type Option } from '../../src/config/options.ts'
import { linesOf, load, oneCert, onlyCert } from './support.ts'

const asToml = (value: unknown): string =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? `{ ${Object.entries(value).map(([k, v]) => `${JSON.stringify(k)} = ${asToml(v)}`)} }`
    : JSON.stringify(value)

/** The fault lines of `option = value` where it belongs, without their place. */
function saying(table: Record<string, Option>, name: string, value: unknown): string[] {
  const line = `${name} = ${asToml(value)}`
  const text = table === global ? oneCert('', line) : oneCert(line)
  return linesOf(name === 'acceptTerms' ? text.replace('acceptTerms = true\n', '') : text)
}

for (const table of [global, inheritable, certOnly] as Record<string, Option>[])
  for (const [name, { kind }] of Object.entries(table)) {
    // A type no option has, and one that each list or table has not.
    const wrong = kind.startsWith('a list') || kind.startsWith('a table') ? 5 : [[]]
    test(`${name} refuses what is not ${kind}`, () => {
      const lines = saying(table, name, wrong)
      const wanted = `${name}: expected ${kind}, found ${wrong === 5 ? 'the number 5' : 'a list'}`
      assert.ok(
        lines.some((line) => line.endsWith(wanted)),
        lines.join('\n'),
      )
    })
  }

test('an empty string is null for every option that may be null', () => {
  const lines = Object.entries({ ...inheritable, ...certOnly } as Record<string, Option>)
    .filter(([name, { type }]) => type.safeParse(null).success && name !== 'webroot')
    .map(([name]) => `${name} = ""`)
  assert.ok(lines.length > 8)
  const cert = onlyCert(load(oneCert(lines.join('\n'))))
  assert.deepEqual([cert.server, cert.email, cert.validMinDays, cert.domain], [null, null, null, 'x.test'])
})

for (const [line, sentence] of [
  ['email = "x"', /not an e-mail address/],
  ['server = "http://acme.test"', /not an https URL/],
  ['keyType = "p256"', /expected one of "ec256", .*"rsa8192", found the string 'p256'/],
  ['group = "a b"', /not a group's name/],
  ['webroot = "srv"', /certs."x.test".webroot: 'srv' is not an absolute path/],
  ['validMinDays = -1', /whole number from 0 to 36500, or null, found the number -1/],
  ['validMinDays = 1.5', /found the number 1.5/],
  ['validMinDays = nan', /found the number NaN/],
  ['validMinDays = 99999999999999999999', /found the number 99999999999999999999/],
  ['validMinDays = 2026-11-21', /found a date or time/],
  ['postRun = "a\\u0000b"', /without NUL/],
  ['reloadServices = ["nginx.service", "--force"]', /:6:36: certs."x.test".reloadServices\[1\]: '--force'/],
  ['reloadServices = [5]', /reloadServices\[0\]: expected a string, found the number 5/],
  ['extraDomainNames = ["a.test", "b..test"]', /extraDomainNames\[1\]: 'b..test' is not a DNS name/],
  ['domain = "[2001:db8::1]"', /domain: '\[2001:db8::1\]' is an IP address with brackets/],
  ['extraDomainNames = ["fe80::1%eth0"]', /extraDomainNames\[0\]: 'fe80::1%eth0' is an IP address with a zone/],
  ['extraDomainNames = ["1.2.3"]', /extraDomainNames\[0\]: '1.2.3' is not an IP address/],
  ['credentialFiles = { TOKEN = "/x" }', /credentialFiles.TOKEN: only a variable that ends in _FILE or _PATH/],
  ['credentialFiles = { TOKEN_FILE = "x" }', /credentialFiles.TOKEN_FILE: 'x' is not an absolute path/],
  ['environmentFile = "x"', /environmentFile: 'x' is not an absolute path/],
  ['renewInterval = ""', /renewInterval: '' is not a calendar expression: expected something like 'daily'/],
  ['renewInterval = "daily\\nUser=root"', /User=root' is not a calendar expression/],
  ['renewJitter = "soon"', /renewJitter: 'soon' is not a time span: expected something like '24h'/],
  ['renewJitter = 5', /renewJitter: expected a time span, found the number 5/],
  ['caCertificates = ["ca.pem"]', /caCertificates\[0\]: 'ca.pem' is not an absolute path/],
  ['servers = ["acme.test"]', /servers\[0\]: 'acme.test' is not a URL/],
  ['servers = ["https://a.test/", ""]', /servers\[1\]: '' is not a URL/],
  ['servers = "https://a.test/"', /servers: expected a list of URLs, found the string/],
  ['profile = "a b"', /profile: 'a b' is not a profile's name/],
  ['profile = ["a", "b c"]', /profile\[1\]: 'b c' is not a profile's name/],
  ['profile = ["a", ""]', /profile\[1\]: '' is not a profile's name/],
  ['profile = ["a", 5]', /profile: expected a profile, a list of them, or null, found a list/],
  ['profilePolicy = "maybe"', /one of "required", "preferred", found the string 'maybe'/],
  ['csr = "x.csr"', /csr: 'x.csr' is not an absolute path/],
  ['csrKey = "x.key"', /csrKey: 'x.key' is not an absolute path/],
  ['notAfter = "1w"', /notAfter: expected a number of seconds, .*found the string '1w'/],
  ['notAfter = 0', /notAfter: expected at least 1 second, found the number 0/],
  ['orderTimeout = ""', /orderTimeout: expected a number of seconds, .*found the string ''/],
  ['orderTimeout = 0', /orderTimeout: expected at least 1 second, found the number 0/],
] as const)
  test(`${line} is refused`, () => {
    const lines = linesOf(oneCert(line))
    assert.ok(
      lines.some((one) => sentence.test(one)),
      lines.join('\n'),
    )
  })

for (const [line, sentence] of [
  ['maxConcurrentRenewals = 1.5', /whole number/],
  ['lockPolicy = "some"', /one of "home", "any", found the string 'some'/],
  ['lockTimeout = "1w"', /seconds, a string such as "90s".*found the string '1w'/],
  ['lockTimeout = -5', /found the number -5/],
  ['certs = []', /expected a table, found a list/],
  ['defaults = 5', /expected a table, found the number 5/],
] as const)
  test(`${line} is refused`, () => assert.match(linesOf(`acceptTerms = true\n${line}`).join('\n'), sentence))

for (const [line, seconds] of [
  ['', null],
  ['lockTimeout = ""', null],
  ['lockTimeout = 0', 0],
  ['lockTimeout = 90', 90],
  ['lockTimeout = "15m"', 900],
] as const)
  test(`'${line}' waits ${seconds} seconds for a slot`, () => assert.equal(load(line).lockTimeout, seconds))

test('a secret in a wrong place is not repeated', () => {
  const lines = linesOf(oneCert('server = "https://me:hunter2@ca.test/"\nCLOUDFLARE_API_TOKEN = "hunter2"'))
  assert.equal(lines.length, 2)
  assert.doesNotMatch(lines.join('\n'), /hunter2/)
})
