// The way of every new machine, short: apply, self-signed certificate, real one, timer. Run on each systemd there is.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import test from 'node:test'
import { run } from '../support/process.ts'
import { apply, configure, journal, ok, reset, served, show, systemctl, untilTrue } from './machine.ts'
import { caDefaults, caLog, configureNginx, prepareCa, startCa } from './services.ts'

const cert = 'smoke.example'
const unit = `acme-${cert}.service`

test('a new machine', async (t) => {
  t.after(reset)
  await prepareCa()
  configure({ defaults: { ...caDefaults, reloadServices: ['nginx.service'] }, certs: { [cert]: {} } })
  configureNginx([cert])

  await t.test('apply makes units, and has nothing to do the second time', async () => {
    assert.match(await apply(), /^\+ smoke\.example$/m)
    const units = readdirSync('/etc/systemd/system')
    for (const name of [unit, `acme-${cert}.timer`, 'acme-fixperms.service']) assert.ok(units.includes(name), name)
    assert.equal(await apply(), '0 added, 0 changed, 0 removed, 1 unchanged\n')
  })

  await t.test('systemd finds no fault in the units', async () => {
    const units = readdirSync('/etc/systemd/system').filter((name) => name.startsWith('acme'))
    const paths = units.map((name) => `/etc/systemd/system/${name}`)
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', ...paths])
    assert.equal(stdout + stderr, '')
  })

  await t.test('the units are as closed as they are said to be', async () => {
    const limits = { [unit]: 1.2, [`acme-selfsigned-${cert}.service`]: 0.5, 'acme-fixperms.service': 0.5 }
    for (const [name, limit] of Object.entries(limits)) {
      const exposure = /exposure level for .*: ([\d.]+)/.exec(
        await ok('systemd-analyze', 'security', '--no-pager', name),
      )
      assert.ok(Number(exposure?.[1]) <= limit, `${name}: ${exposure?.[0]}`)
    }
  })

  await t.test('while the CA is down nginx starts on a self-signed certificate', async () => {
    await ok('systemctl', 'start', `acme-selfsigned-${cert}.service`)
    await ok('systemctl', 'start', 'nginx.service')
    assert.deepEqual(await served(cert).then(({ names, isSelfsigned }) => [names, isSelfsigned]), [[cert], true])
  })

  await t.test('when the CA is up, a start of the unit gets the real one, and nginx shows it', async () => {
    await startCa()
    await ok('systemctl', 'start', unit)
    await untilTrue('nginx shows the real certificate', async () => !(await served(cert)).isSelfsigned)
    assert.equal(await show(unit, 'Result'), 'success')
  })

  await t.test('the timer is listed, and status and journal tell of the run', async () => {
    assert.match(await ok('systemctl', 'list-timers', '--no-pager', 'acme-*'), /acme-smoke\.example\.timer/)
    const status = await systemctl('status', '--no-pager', unit)
    assert.match(status.stdout, /Loaded: loaded/)
    assert.match(await journal(unit), /installed new certificate/)
  })

  await t.test('a start with nothing due asks the CA nothing', async () => {
    const before = await caLog()
    await ok('systemctl', 'start', unit)
    assert.equal(await caLog(), before)
  })
})
