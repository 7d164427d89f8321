import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import test from 'node:test'
import { generateKey, keyParameters } from '../../src/certificate/keys.ts'
import { keyTypes } from '../../src/config/config.ts'

// rsa8192 takes seconds to make and differs in a number only: the issuance at Pebble makes one.
for (const keyType of keyTypes.filter((k) => k !== 'rsa8192'))
  test(`${keyType}: as lego writes it`, async () => {
    const pem = await generateKey(keyType)
    const key = createPrivateKey(pem)
    const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
    const { family, ...parameters } = keyParameters[keyType]
    assert.deepEqual(namedCurve === undefined ? { modulusLength } : { namedCurve }, parameters)
    assert.equal(key.asymmetricKeyType, family)
    const label = family === 'ec' ? 'EC PRIVATE KEY' : 'RSA PRIVATE KEY'
    assert.ok(pem.startsWith(`-----BEGIN ${label}-----\n`) && pem.endsWith(`-----END ${label}-----\n`))
  })

test('every key type has its parameters', () => {
  assert.deepEqual(Object.keys(keyParameters), [...keyTypes])
})

test('two keys are two keys', async () => {
  assert.notEqual(await generateKey('ec256'), await generateKey('ec256'))
})
