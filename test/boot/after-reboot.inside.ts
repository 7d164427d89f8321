// The machine of before-reboot.inside.ts, its power cut and booted again, its CA down: units come up by what apply has
// enabled, nothing is due, and a timer that was missed fires.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import test from 'node:test'
import { apply, installed, journal, ok, show, unitsIn, untilIdle, untilTrue } from './machine.ts'
import { late, prompt } from './reboot.ts'

const service = (cert: string) => `acme-${cert}.service`
const timer = (cert: string) => `acme-${cert}.timer`

/** A property that is a time, in seconds since 1970. */
const seconds = async (unit: string, property: string) =>
  Number(await ok('date', '+%s', '-d', await show(unit, property)))

test('after a second boot', async (t) => {
  await untilIdle('acme-*')

  await t.test('no unit has failed, and the boot is over', async () => {
    assert.deepEqual(await unitsIn('failed', '*'), [])
    assert.equal(process.env['BOOT_STATE'], 'running')
  })

  await t.test('the renewals were started by the boot, and had nothing to do', async () => {
    for (const cert of [prompt, late]) {
      assert.equal(await show(service(cert), 'Result'), 'success')
      assert.match(await journal(service(cert)), /skipping renewal/)
      assert.doesNotMatch(await journal(service(cert)), /ordering|warning|error/)
    }
  })

  await t.test('the targets of the certificates are reached, and the lock files are there', async () => {
    for (const cert of [prompt, late])
      assert.equal(await show(`acme-finished-${cert}.target`, 'ActiveState'), 'active', cert)
    for (const unit of ['acme-fixperms.service', 'acme-lockfiles.service'])
      assert.equal(await show(unit, 'ActiveState'), 'active', unit)
    assert.deepEqual(readdirSync('/run/acme').sort(), ['1.lock', '2.lock', '3.lock', '4.lock', '5.lock'])
  })

  await t.test('no self-signed certificate was made over the real ones', async () => {
    for (const cert of [prompt, late]) {
      assert.equal(installed(cert).isSelfsigned, false, cert)
      assert.equal(await show(`acme-selfsigned-${cert}.service`, 'ConditionResult'), 'no')
    }
  })

  await t.test('the timer that was missed has fired, the other has not', async () => {
    for (const cert of [prompt, late]) assert.equal(await show(timer(cert), 'ActiveState'), 'active', cert)
    const booted = await seconds('sysinit.target', 'ActiveEnterTimestamp')
    await untilTrue('the timer has fired', async () => (await seconds(timer(prompt), 'LastTriggerUSec')) >= booted)
    // When it was started first, in the first boot.
    assert.ok((await seconds(timer(late), 'LastTriggerUSec')) < booted)
  })

  await t.test('apply finds all as it should be', async () => {
    assert.equal(await apply(), '0 added, 0 changed, 0 removed, 2 unchanged\n')
  })
})
