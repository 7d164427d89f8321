// What a machine gets before it loses its power: two certificates, one of them due for its timer. after-reboot.inside.ts
// looks at the same machine, booted again.
import assert from 'node:assert/strict'
import test from 'node:test'
import { apply, configure, installed, ok, unitsIn, untilIdle } from './machine.ts'
import { late, makeOverdue, prompt } from './reboot.ts'
import { caDefaults, configureNginx, prepareCa, startCa } from './services.ts'

test('a machine with two certificates', async () => {
  await prepareCa()
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
  const defaults = { ...caDefaults, renewJitter: '0' }
  // Neither expression comes round while the test runs.
  const next = { renewInterval: '2001-01-01' }
  configure({ defaults, certs: { [prompt]: { renewInterval: 'yearly' }, [late]: next } })
  await apply()
  await untilIdle('acme-*')
  assert.deepEqual(await unitsIn('failed', 'acme-*'), [])
  for (const cert of [prompt, late]) assert.equal(installed(cert).isSelfsigned, false, cert)
  await makeOverdue(prompt)
  await ok('sync')
})
