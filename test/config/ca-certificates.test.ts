import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { wrongWithPem } from '../../src/config/ca-certificates.ts'
import { loadConfig } from '../../src/config/load.ts'
import { errorIn, oneCert, onlyCert, withFiles } from './support.ts'

const [one = '', two = ''] = rootCertificates
const middle = Math.floor(one.length / 2)
const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'

for (const [name, text, sentence] of [
  ['one certificate', one, undefined],
  ['two, with words around them', `# one\n${one}\n# two\n${two}\n`, undefined],
  ['Windows line ends', one.replaceAll('\n', '\r\n'), undefined],
  ['nothing', '', /holds no PEM certificate/],
  ['a key', key, /holds no PEM certificate/],
  ['DER', '0\u0082\u0003', /holds no PEM certificate/],
  ['a cut one', one.slice(0, middle), /cut off or mixed up: 1 certificates begin in it, 0 are whole/],
  ['a whole and a cut one', `${two}\n${one.slice(0, middle)}`, /2 certificates begin in it, 1 are whole/],
  ['a cut and a whole one', `${one.slice(0, middle)}\n${two}`, /2 certificates begin in it, 1 are whole/],
  ['one without its middle', one.slice(0, 200) + one.slice(600), /certificate number 1 cannot be read/],
  ['a whole and a broken one', `${two}\n${one.slice(0, 200)}${one.slice(600)}`, /certificate number 2 cannot be read/],
] as const)
  test(`a file with ${name} ${sentence ? 'is a fault' : 'holds'}`, () => {
    const wrong = wrongWithPem(text)
    if (sentence) assert.match(wrong ?? '', sentence)
    else assert.equal(wrong, undefined)
  })

const config = (dir: string) =>
  oneCert(`caCertificates = ["${dir}/a.pem"]`).replace(
    '[defaults]',
    `[defaults]\ncaCertificates = ["${dir}/a.pem", "${dir}/b.pem"]`,
  )

test('each file is judged once, where it is named first', () =>
  withFiles({ 'a.pem': one.slice(0, middle) }, (dir) =>
    withFiles({ 'config.toml': config(dir) }, (configDir) => {
      const { faults } = errorIn(configDir)
      assert.deepEqual(
        faults.map(({ line, path, message }) => [line, path, message.replaceAll(dir, '')]),
        [
          [4, 'defaults.caCertificates[0]', "'/a.pem' is cut off or mixed up: 1 certificates begin in it, 0 are whole"],
          [4, 'defaults.caCertificates[1]', "'/b.pem' cannot be read: no such file or directory"],
        ],
      )
    }),
  ))

test("a certificate's own list replaces that of defaults", () =>
  withFiles({ 'a.pem': one, 'b.pem': two }, (dir) =>
    withFiles({ 'config.toml': config(dir) }, (configDir) => {
      const cert = onlyCert(loadConfig(join(configDir, 'config.toml'), false))
      assert.deepEqual(cert.caCertificates, [`${dir}/a.pem`])
    }),
  ))
