// lego as engine in the sandbox of the units: Go's runtime under our system calls and address families, the account and the
// folders as user acme has them.
import assert from 'node:assert/strict'
import test from 'node:test'
import { apply, configure, ok, reset, show, stateDir, untilIdle } from './machine.ts'
import { caDefaults, configureNginx, prepareCa, requests, startCa } from './services.ts'

test('a certificate by lego, in a unit', async (t) => {
  t.after(reset)
  await prepareCa()
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
  configure({ defaults: { ...caDefaults, engine: 'lego' }, certs: { 'lego.example': {} } })
  await apply()
  await untilIdle('acme-*')
  assert.equal(await show('acme-lego.example.service', 'Result'), 'success')
  assert.equal(await requests('POST /order-plz'), 1)
  const files = await ok('find', `${stateDir}/.lego/lego.example`, '-name', '*.tmp')
  assert.equal(files, '')
  assert.match(await ok('openssl', 'x509', '-in', `${stateDir}/lego.example/cert.pem`, '-noout', '-issuer'), /Pebble/)
})
