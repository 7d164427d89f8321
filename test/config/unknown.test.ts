import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultsOf } from './support.ts'

const start = 'acceptTerms = true\n'
const webroot = 'webroot = "/w"\n'

/** TOML, the path told, sentence, hint. */
const cases: readonly (readonly [string, string, RegExp, RegExp | null])[] = [
  ['maxConcurrentRenewal = 3', 'maxConcurrentRenewal', /unknown option/, /'maxConcurrentRenewals' meant/],
  ['acceptterms = true', 'acceptterms', /unknown option/, /'acceptTerms' meant/],
  ['[cert."a.test"]', 'cert', /unknown option/, /'certs' meant/],
  ['[default]', 'default', /unknown option/, /'defaults' meant/],
  ['webroot = "/w"', 'webroot', /belongs in defaults or in certs/, null],
  ['extraDomainNames = []', 'extraDomainNames', /belongs in certs/, null],
  ['webrot = "/w"', 'webrot', /unknown option/, /'webroot' meant\? it belongs in defaults or in certs/],
  ['qqq = 1', 'qqq', /unknown option/, /nixacme-config\(5\)/],
  ['["a.test"]\nwebroot = "/w"', '"a.test"', /unknown option/, /\[certs\."a\.test"\]/],
  ['[defaults]\nacceptTerms = true', 'defaults.acceptTerms', /belongs at the top level/, /above the first \[table\]/],
  ['[defaults]\ncerts = {}', 'defaults.certs', /belongs at the top level/, /above/],
  ['[defaults]\ndomain = "a.test"', 'defaults.domain', /belongs in certs/, null],
  ['[defaults."qqq.test"]', 'defaults."qqq.test"', /unknown option/, /nixacme-config\(5\)/],
  ['[defaults]\nkeytpye = "ec256"', 'defaults.keytpye', /unknown option/, /'keyType' meant/],
  [
    `[certs."a.test"]\n${webroot}extra_domain_names = []`,
    'certs."a.test".extra_domain_names',
    /unknown/,
    /'extraDomainNames'/,
  ],
  [`[certs."a.test"]\n${webroot}lockPolicy = "any"`, 'certs."a.test".lockPolicy', /belongs at the top level/, /above/],
  [`[certs.www.a.test]\n${webroot}`, 'certs.www.a', /unknown option/, /\[certs\."www\.a\.test"\]/],
  [
    `[certs."a.test"]\n${webroot}__proto__ = 1`,
    'certs."a.test".__proto__',
    /unknown option '__proto__'/,
    /nixacme-config/,
  ],
  [
    `[certs."a.test"]\n${webroot}toString = 1`,
    'certs."a.test".toString',
    /unknown option 'toString'/,
    /nixacme-config/,
  ],
  ['constructor = 1', 'constructor', /unknown option/, /nixacme-config/],
]

for (const [toml, path, sentence, hint] of cases)
  test(`${JSON.stringify(toml)}`, () => {
    const fault = faultsOf(toml.startsWith('accept') ? toml : start + toml).find((one) => one.path === path)
    assert.ok(fault)
    assert.match(fault.message, sentence)
    if (hint) assert.match(fault.hint ?? '', hint)
    else assert.equal(fault.hint, null)
  })

test('the line of an unknown option is the line of its key', () => {
  const [fault] = faultsOf({ 'config.json': '{\n  "acceptTerms": true,\n  "defaults": {\n    "emial": "x" }\n}' })
  assert.deepEqual(fault && [fault.file, fault.line, fault.column, fault.path], ['config.json', 4, 5, 'defaults.emial'])
})
