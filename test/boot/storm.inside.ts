// 80 certificates, all units started at once: no unit fails, and no more than five work at a time (bench/run storm: 200).
import assert from 'node:assert/strict'
import test from 'node:test'
import { apply, configure, ok, reset, show, unitsIn, untilIdle } from './machine.ts'
import { caDefaults, caLog, configureNginx, mostOrdersAtOnce, prepareCa, requests, startCa } from './services.ts'

const certs = Array.from({ length: 80 }, (_, i) => `s${i + 1}.example`)
const units = certs.map((cert) => `acme-${cert}.service`)
const slots = 5

test('80 certificates at once', async (t) => {
  t.after(reset)
  await prepareCa({ retryAfter: 0, env: { PEBBLE_VA_ALWAYS_VALID: '1' } })
  await startCa()
  configureNginx([])
  configure({
    global: { maxConcurrentRenewals: slots, preliminarySelfsigned: false },
    defaults: caDefaults,
    certs: Object.fromEntries(certs.map((cert) => [cert, {}])),
  })

  await t.test('all due: all succeed, five at a time', async () => {
    await apply()
    await untilIdle('acme-*', 280)
    assert.deepEqual(await unitsIn('failed', 'acme-*'), [])
    assert.equal(await requests('POST /order-plz'), certs.length)
    assert.equal(await requests('POST /sign-me-up'), 1)
    const overlap = await mostOrdersAtOnce()
    assert.ok(overlap > 1 && overlap <= slots, `${overlap} at a time`)
  })

  await t.test('nothing due: all succeed, and the CA is asked nothing', async () => {
    const before = await caLog()
    const first = await show(units[0] ?? '', 'ExecMainStartTimestampMonotonic')
    await ok('systemctl', 'start', ...units)
    assert.notEqual(await show(units[0] ?? '', 'ExecMainStartTimestampMonotonic'), first)
    assert.deepEqual(await unitsIn('failed', 'acme-*'), [])
    assert.equal(await caLog(), before)
    assert.doesNotMatch(await ok('journalctl', '--boot', '--quiet', '--output=cat'), /oom-kill|out of memory/i)
  })
})
