// Names and paths that systemd would read as something else.
import assert from 'node:assert/strict'
import test from 'node:test'
import { apply, configure, installed, journal, ok, reset, show, untilTrue } from './machine.ts'
import { caDefaults, configureNginx, prepareCa, startCa } from './services.ts'

const webroot = '/srv/web root 100%'
const certs: Readonly<Record<string, string>> = {
  'with-dash.example': 'with-dash.example',
  'sub.with.dots.example': 'sub.with.dots.example',
  'at@sign': 'at.example',
  'plus+sign': 'plus.example',
  under_score: 'under.example',
}
const odd = 'percent.example'

test('odd names', async (t) => {
  t.after(reset)
  await prepareCa()
  await startCa()
  configureNginx([], { [odd]: webroot })
  await ok('systemctl', 'restart', 'nginx.service')
  const plain = Object.entries(certs).map(([cert, domain]) => [cert, { domain }])
  configure({ defaults: caDefaults, certs: { ...Object.fromEntries(plain), [odd]: { webroot } } })
  await apply()

  for (const [cert, domain] of [...Object.entries(certs), [odd, odd] as const]) {
    await t.test(`a certificate named '${cert}'${cert === odd ? ` with the webroot '${webroot}'` : ''}`, async () => {
      // As an admin types it: systemctl escapes what it must.
      const unit = `acme-${cert}`
      await ok('systemctl', 'start', unit)
      const { names } = installed(cert)
      assert.deepEqual(names, [domain])
      const escaped = (await ok('systemd-escape', '--mangle', `${unit}.service`)).trim()
      assert.equal(await show(escaped, 'Result'), 'success')
      assert.match(await journal(escaped), /installed new certificate/)
      await untilTrue('its timer runs', async () => {
        const timer = escaped.replace(/service$/, 'timer')
        return (await show(timer, 'ActiveState')) === 'active'
      })
    })
  }
})
