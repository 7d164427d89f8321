// The units in an admin's hands: started, stopped, killed, cleaned, fired by their timer, and kept apart from each other.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import test from 'node:test'
import { start } from '../support/process.ts'
import {
  apply,
  configure,
  forget,
  hasFailed,
  installed,
  journal,
  nixacme,
  ok,
  removeUnit,
  reset,
  show,
  stateDir,
  systemctl,
  untilIdle,
  untilTrue,
  writeUnit,
} from './machine.ts'
import { caDefaults, caLog, configureNginx, prepareCa, requests, startCa } from './services.ts'

const one = 'one.example'
const other = 'other.example'
const service = (cert: string) => `acme-${cert}.service`
const order = 'POST /order-plz'

/** When a unit was last started, and its timer: these must not move. */
const startsOf = async (cert: string) => [
  await show(service(cert), 'ExecMainStartTimestampMonotonic'),
  await show(`acme-${cert}.timer`, 'ActiveEnterTimestampMonotonic'),
]

const timestamp = (unit: string) => show(unit, 'ExecMainStartTimestampMonotonic')

test('one certificate', async (t) => {
  t.after(reset)
  await prepareCa()
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
  configure({ global: { maxConcurrentRenewals: 1 }, defaults: caDefaults, certs: { [one]: {} } })
  await apply()
  await untilIdle(service(one))

  await t.test('apply has got it; status, journal and list-timers tell', async () => {
    assert.equal(await show(service(one), 'Result'), 'success')
    assert.match(await journal(service(one)), /one\.example: installed new certificate/)
    assert.match(
      (await systemctl('status', '--no-pager', service(one))).stdout,
      /Renew ACME certificate for one\.example/,
    )
    assert.match(await ok('systemctl', 'list-timers', '--no-pager', 'acme-*'), /acme-one\.example\.timer/)
    for (const unit of [service(one), `acme-${one}.timer`, `acme-finished-${one}.target`])
      assert.equal((await ok('systemctl', 'is-enabled', unit)).trim(), 'enabled')
  })

  await t.test('start and restart with nothing due go well and ask the CA nothing', async () => {
    const before = await caLog()
    await ok('systemctl', 'start', service(one))
    await ok('systemctl', 'restart', service(one))
    assert.equal(await caLog(), before)
    assert.match(await journal(service(one), '--lines=5'), /one\.example: skipping/)
  })

  await t.test('started many times in a row it goes well each time', async () => {
    // systemd's own limit is five in ten seconds.
    for (let i = 0; i < 8; i++) await ok('systemctl', 'start', service(one))
  })

  await t.test('its timer fires', async () => {
    const timed = { ...caDefaults, renewInterval: '*:*:0/2', renewJitter: '0' }
    configure({ global: { maxConcurrentRenewals: 1 }, defaults: timed, certs: { [one]: {} } })
    await apply()
    await untilIdle(service(one))
    const before = await timestamp(service(one))
    await untilTrue('the timer has started the unit', async () => (await timestamp(service(one))) !== before)
    assert.notEqual(await show(`acme-${one}.timer`, 'LastTriggerUSec'), '')
    configure({ global: { maxConcurrentRenewals: 1 }, defaults: caDefaults, certs: { [one]: {} } })
    await apply()
    await untilIdle(service(one))
  })

  await t.test('clean --what=state takes its state away, and the next start gets all anew', async () => {
    await ok('systemctl', 'clean', '--what=state', service(one))
    assert.equal(existsSync(`${stateDir}/${one}`), false)
    assert.equal(existsSync(`${stateDir}/.lego/${one}`), false)
    await ok('systemctl', 'start', service(one))
    assert.ok(existsSync(`${stateDir}/${one}/fullchain.pem`))
  })

  await t.test('stopped while it waits for a slot: ends at once, and has not failed', async (step) => {
    await forget(one)
    const holder = start('flock', ['--no-fork', '/run/acme/1.lock', 'sleep', '100'], { timeoutMs: 100_000 })
    step.after(() => holder.end('SIGKILL'))
    const orders = await requests(order)
    await ok('systemctl', 'start', '--no-block', service(one))
    await untilTrue('it waits', async () => /waiting for slot 1/.test(await journal(service(one), '--lines=3')))
    const before = Date.now()
    await ok('systemctl', 'stop', service(one))
    // Killed, it would take TimeoutStopSec=, which is 90 s.
    assert.ok(Date.now() - before < 10_000, `it took ${Date.now() - before} ms`)
    assert.equal(await show(service(one), 'ActiveState'), 'inactive')
    assert.equal(await requests(order), orders)
  })

  await t.test(
    'killed in the middle of an order: systemd starts it again, and it goes on with that order',
    async (step) => {
      await forget(one)
      await prepareCa({ retryAfter: 5 })
      await startCa()
      // 90 seconds, else.
      const quick = `${service(one)}.d/quick.conf`
      await writeUnit(quick, '[Service]\nRestartSec=1s\n')
      step.after(() => removeUnit(quick))
      await ok('systemctl', 'start', '--no-block', service(one))
      await untilTrue('an order is made', async () => (await requests(order)) > 0)
      await ok('systemctl', 'kill', '--signal=SIGKILL', service(one))
      await untilTrue('it has failed', () => hasFailed(service(one)))
      await untilTrue('it has the certificate', () => !installed(one).isSelfsigned, 60)
      await untilIdle(service(one))
      assert.deepEqual([await show(service(one), 'Result'), await show(service(one), 'NRestarts')], ['success', '1'])
      assert.equal(await requests(order), 1)
      await prepareCa()
      await startCa()
    },
  )

  await t.test('two runs at once make one order', async () => {
    await forget(one)
    const orders = await requests(order)
    const byHand = ok('systemd-run', '--quiet', '--wait', '--collect', 'nixacme', 'renew', one)
    const byUnit = ok('systemctl', 'start', service(one))
    await Promise.all([byHand, byUnit])
    assert.equal(await requests(order), orders + 1)
  })
})

test('certificates beside each other', async (t) => {
  t.after(reset)
  await prepareCa({ domainBlocklist: ['c01.example'] })
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
  const want = (certs: readonly string[], changed = '') =>
    configure({
      defaults: caDefaults,
      certs: Object.fromEntries(certs.map((cert) => [cert, cert === changed ? { postRun: 'true' } : {}])),
    })

  await t.test('a second one: the first is not started again, and its timer goes on', async () => {
    want([one])
    await apply()
    await untilIdle(service(one))
    const before = await startsOf(one)
    want([one, other])
    await apply()
    await untilIdle(service(other))
    assert.equal(await show(service(other), 'Result'), 'success')
    assert.deepEqual(await startsOf(one), before)
    assert.equal(await requests(order), 2)
  })

  await t.test('one changed: the other is not started again', async () => {
    const before = await startsOf(one)
    want([one, other], other)
    await apply()
    await untilIdle(service(other))
    assert.deepEqual(await startsOf(one), before)
    assert.equal(await requests(order), 2)
  })

  await t.test('one taken out: its units go, its state stays, and the other is not touched', async () => {
    const before = await startsOf(one)
    want([one])
    assert.match(await apply(), /other\.example/)
    const left = readdirSync('/etc/systemd/system', { recursive: true }).filter((name) => String(name).includes(other))
    assert.deepEqual(left, [])
    assert.equal(await show(`acme-${other}.timer`, 'ActiveState'), 'inactive')
    assert.equal(await show(service(other), 'LoadState'), 'not-found')
    assert.ok(existsSync(`${stateDir}/${other}/fullchain.pem`))
    assert.deepEqual(await startsOf(one), before)
  })

  await t.test('applied again: nothing to do', async () => {
    const before = await startsOf(one)
    const { stdout } = await nixacme('apply')
    assert.match(stdout, /0 added, 0 changed, 0 removed/)
    assert.deepEqual(await startsOf(one), before)
  })

  await t.test('20 of one account, the first of them broken: all others succeed, with one registration', async () => {
    const certs = Array.from({ length: 20 }, (_, i) => `c${String(i + 1).padStart(2, '0')}.example`)
    await ok('systemctl', 'clean', '--what=state', service(one))
    await startCa()
    want(certs)
    await apply()
    await untilIdle('acme-*', 120)
    const failed = await Promise.all(certs.map(async (name) => ((await hasFailed(service(name))) ? [name] : [])))
    assert.deepEqual(failed.flat(), ['c01.example'])
    assert.match(await journal(service('c01.example')), /c01\.example.*rejectedIdentifier/s)
    assert.equal(await requests('POST /sign-me-up'), 1)
  })
})
