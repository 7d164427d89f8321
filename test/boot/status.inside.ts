// What an admin sees of a unit while it runs and afterwards: `Status:` of each wait and each step, levels and fields in the
// journal. The units are written here: `nixacme renew` straight from the checkout, with a state and a CA of the test's own.
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { holderWords, holdSlot } from '../renewal/support/lock-hold.ts'
import { repository } from '../support/process.ts'
import { cert, makeWorld, type World } from '../support/world.ts'
import { ok, show, systemctl, untilTrue, writeUnit } from './machine.ts'

const unit = 'status-test.service'
/** How many runs end at once; journald reads late then. */
const crowd = 24

/** A oneshot that runs `nixacme renew` in this world, as acme's own units do. */
async function writeRenewal(t: TestContext, name: string, world: World, args: string, more = ''): Promise<void> {
  const variables = Object.entries(world.env).map(([key, value]) => `Environment=${key}=${value}\n`)
  const command = `${process.execPath} ${join(repository, 'bin', 'nixacme.js')} renew ${args}`
  const settings = `Type=oneshot\nNotifyAccess=all\n${variables.join('')}${more}`
  await writeUnit(name, `[Service]\n${settings}ExecStart=${command}\n`)
  t.after(() => systemctl('stop', name))
}

type Entry = Readonly<Record<string, string | undefined>>

/** The entries of a unit that match, as `journalctl -u` finds them. */
async function entries(name: string, ...matches: readonly string[]): Promise<Entry[]> {
  await ok('journalctl', '--sync')
  const text = await ok('journalctl', '--quiet', '--output=json', '--unit', name, ...matches)
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}

const itsStatus = (text: string) =>
  untilTrue(`the status is "${text}"`, async () => {
    const found = await show(unit, 'StatusText')
    return found === `${cert}: ${text}` || found
  })

/** The CA answers requests of this kind only when `open` is called. */
function gate(world: World, kind: Parameters<World['ca']['fault']>[0]) {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  world.ca.fault(kind, async ({ next }) => {
    await opened
    return next()
  })
  return { open }
}

test('a run tells in its status what it waits for and does; its end is found in the journal by fields', async (t) => {
  const world = await makeWorld(t)
  await writeRenewal(t, unit, world, cert)
  const slot = holdSlot(t, world.roots)
  const steps = [
    [gate(world, 'newAccount'), 'registering the account'],
    [gate(world, 'newOrder'), 'ordering'],
    [gate(world, 'order'), 'waiting for the CA to validate'],
    [gate(world, 'finalize'), 'waiting for the certificate'],
  ] as const
  await ok('systemctl', 'start', '--no-block', unit)
  await itsStatus(`waiting for slot 1, ${holderWords}`)
  const { stdout } = await systemctl('status', '--no-pager', unit)
  assert.ok(stdout.includes(`Status: "${cert}: waiting for slot 1, held by`), stdout)
  slot.release()
  for (const [step, text] of steps) {
    await itsStatus(text)
    step.open()
  }
  await untilTrue('the run has ended', async () => (await show(unit, 'ActiveState')) === 'inactive')
  assert.equal(await show(unit, 'Result'), 'success')

  const all = await entries(unit, '_TRANSPORT=stdout')
  const waits = all.filter(({ MESSAGE }) => MESSAGE?.includes('waiting for slot'))
  assert.deepEqual(
    waits.map(({ PRIORITY }) => PRIORITY),
    ['6'],
  )
  const [installed, ...others] = await entries(unit, `NIXACME_CERT=${cert}`)
  assert.deepEqual(others, [])
  assert.match(installed?.['MESSAGE'] ?? '', /^example\.com: installed new certificate/)
  assert.deepEqual([installed?.['PRIORITY'], installed?.['NIXACME_ACTION']], ['5', 'run'])
  assert.ok(!all.some(({ MESSAGE }) => MESSAGE?.includes('installed new certificate')), 'said twice')
})

test('nothing due: no status, no entry with fields', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  const name = 'status-skip.service'
  await writeRenewal(t, name, world, cert)
  await ok('systemctl', 'start', name)
  assert.equal(await show(name, 'StatusText'), '')
  assert.deepEqual(await entries(name, `NIXACME_CERT=${cert}`), [])
  assert.equal((await entries(name)).filter(({ MESSAGE }) => MESSAGE?.includes('skipping renewal')).length, 1)
})

test('a refusal is one entry: error, hints, and the word of the CA as a field', async (t) => {
  const world = await makeWorld(t)
  const name = 'status-refused.service'
  await writeRenewal(t, name, world, cert)
  world.ca.fault('newOrder', { do: 'problem', type: 'rejectedIdentifier', status: 400, detail: 'blocked by policy' })
  assert.notEqual((await systemctl('start', name)).status, 0)
  const found = await entries(name, '--priority=err', 'NIXACME_PROBLEM=rejectedIdentifier', `NIXACME_CERT=${cert}`)
  assert.equal(found.length, 1)
  assert.match(found[0]?.['MESSAGE'] ?? '', /^error: example\.com: the CA refused .* blocked by policy(\nhint: .*)*$/)
  assert.equal(found[0]?.['NIXACME_ACTION'], 'run')
  const errors = (await entries(name)).filter(({ MESSAGE }) => MESSAGE?.includes('blocked by policy'))
  assert.equal(errors.length, 1)
})

test(`${crowd} units of a user fail at once: each error is in its unit's journal`, async (t) => {
  const world = await makeWorld(t, { global: { useRoot: false }, defaults: { group: 'nogroup' } })
  holdSlot(t, world.roots)
  await ok('chown', '-R', 'nobody:nogroup', world.dir)
  chmodSync(world.dir, 0o755)
  await writeRenewal(t, 'status-crowd@.service', world, `--no-wait ${cert}`, 'User=nobody\n')
  const names = Array.from({ length: crowd }, (_, i) => `status-crowd@${i}.service`)
  await systemctl('start', ...names)
  for (const name of names) {
    const found = await entries(name, `NIXACME_CERT=${cert}`, 'NIXACME_PROBLEM=later')
    assert.equal(found.length, 1, name)
    assert.match(found[0]?.['MESSAGE'] ?? '', /^error: example\.com: .* is busy\nhint: /)
  }
})
