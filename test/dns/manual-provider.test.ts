// The provider `manual`: says what a person has to do, and only where a person is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manual } from '../../src/acme/dns/providers/manual.ts'
import { makeHookWorld, record } from './hook-world.ts'

test('manual: the record to make, and the one to remove', async (t) => {
  const world = makeHookWorld(t)
  const provider = world.open(manual, {}, { isAttended: true })
  await provider.present(record)
  await provider.cleanUp(record)
  assert.equal(world.told.length, 2)
  assert.match(world.told[0] ?? '', new RegExp(`^make a TXT record '${record.name}' with the value '${record.value}'`))
  assert.match(world.told[1] ?? '', new RegExp(`'${record.name}'.*'${record.value}'.*remove`))
})

test('manual: without a terminal only for who says how long he reads the journal', async (t) => {
  const world = makeHookWorld(t)
  assert.throws(() => world.open(manual, {}), /needs somebody who reads along/)
  await world.open(manual, { MANUAL_PROPAGATION_TIMEOUT: '86400' }).present(record)
  assert.equal(world.told.length, 1)
})
