// What apply does to a machine that runs: it starts what is to be started and nothing else, is finished by the next one
// when it is killed, and leaves alone who holds a lock or depends on a certificate. The target tells of the first success.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { type RunResult, run, start } from '../support/process.ts'
import {
  apply,
  configure,
  forget,
  hasFailed,
  installed,
  journal,
  nixacme,
  type Options,
  ok,
  reset,
  show,
  systemctl,
  unitsIn,
  untilIdle,
  untilTrue,
  writeUnit,
} from './machine.ts'
import { caDefaults, caRoot, configureNginx, prepareCa, requests, startCa } from './services.ts'

const one = 'one.example'
const other = 'other.example'
const service = (cert: string) => `acme-${cert}.service`
const timer = (cert: string) => `acme-${cert}.timer`
const target = (cert: string) => `acme-finished-${cert}.target`
const order = 'POST /order-plz'

async function prepare(t: TestContext): Promise<void> {
  t.after(reset)
  await prepareCa()
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
}

const configureThese = (certs: Readonly<Record<string, Options>>, global: Options = {}) =>
  configure({ global, defaults: { ...caDefaults, renewJitter: '0' }, certs })

async function applyAndWait(): Promise<void> {
  await apply()
  await untilIdle('acme-*')
}

/** When the renewal was last started. */
const startOf = (cert: string) => show(service(cert), 'ExecMainStartTimestampMonotonic')
const activeState = (unit: string) => show(unit, 'ActiveState')

const namesOfUnits = () =>
  readdirSync('/etc/systemd/system').filter((name) => /^acme-.*\.(service|timer|target)$/.test(name))

/** All is as a finished apply leaves it: what the files say is what systemd knows, does, and does after the next boot. */
async function assertInPlace(certs: readonly string[], slots: number): Promise<void> {
  const stale = await ok('systemctl', 'show', '--property=NeedDaemonReload', '--value', '--', ...namesOfUnits())
  assert.match(stale, /^(no\s+)+$/)
  for (const cert of certs) {
    assert.equal(await activeState(timer(cert)), 'active')
    assert.equal(await activeState(target(cert)), 'active')
    for (const unit of [service(cert), timer(cert), target(cert)])
      assert.equal((await ok('systemctl', 'is-enabled', unit)).trim(), 'enabled', unit)
  }
  const locks = Array.from({ length: slots }, (_, i) => `${i + 1}.lock`)
  assert.deepEqual(
    readdirSync('/run/acme').filter((name) => name.endsWith('.lock')),
    locks,
  )
  assert.deepEqual(await unitsIn('failed', 'acme-*'), [])
  assert.match(await apply(), /0 added, 0 changed, 0 removed/)
}

test('what apply starts', async (t) => {
  await prepare(t)
  configureThese({ [one]: {}, [other]: {} })
  await applyAndWait()
  const nextOf = (cert: string) => show(timer(cert), 'NextElapseUSecRealtime')
  const timerStart = (cert: string) => show(timer(cert), 'ActiveEnterTimestampMonotonic')

  await t.test('only renewInterval changed: the timer is another one, and nothing is started', async () => {
    const before = { starts: await Promise.all([one, other].map(startOf)), next: await nextOf(other) }
    configureThese({ [one]: { renewInterval: '2100-02-03 04:05:06 UTC' }, [other]: {} })
    await applyAndWait()
    assert.match(await nextOf(one), /2100-02-03/)
    assert.match(await ok('systemctl', 'list-timers', '--no-pager', timer(one)), /2100-02-03/)
    assert.deepEqual({ starts: await Promise.all([one, other].map(startOf)), next: await nextOf(other) }, before)
  })

  await t.test('only environmentFile changed: its renewal is started, and no other', async () => {
    writeFileSync('/etc/nixacme/variables', `LEGO_CA_CERTIFICATES=${caRoot}\n`, { mode: 0o600 })
    const before = { one: await startOf(one), other: await startOf(other), timer: await timerStart(other) }
    configureThese({ [one]: { environmentFile: '/etc/nixacme/variables' }, [other]: {} })
    await applyAndWait()
    assert.notEqual(await startOf(one), before.one)
    assert.equal(await show(service(one), 'Result'), 'success')
    const after = { other: await startOf(other), timer: await timerStart(other) }
    assert.deepEqual({ one: before.one, ...after }, before)
  })

  await t.test('taken out and put back: enabled and started as ever', async () => {
    configureThese({ [one]: {} })
    await applyAndWait()
    configureThese({ [one]: {}, [other]: {} })
    await applyAndWait()
    await assertInPlace([one, other], 5)
    assert.equal(await requests(order), 2)
  })

  await t.test('files written with --no-systemctl: the next apply enables and starts', async () => {
    configureThese({ [one]: {} })
    await applyAndWait()
    configureThese({ [one]: {}, [other]: {} })
    await ok('nixacme', 'apply', '--no-systemctl')
    assert.notEqual(await activeState(timer(other)), 'active')
    await applyAndWait()
    await assertInPlace([one, other], 5)
  })
})

test('in quick succession', async (t) => {
  await prepare(t)
  await t.test('applies that change the slots and the groups each time succeed', async () => {
    for (let i = 0; i < 8; i++) {
      const isEven = i % 2 === 0
      configureThese({ [one]: { group: isEven ? 'acme' : 'games' } }, { maxConcurrentRenewals: isEven ? 2 : 3 })
      await apply()
    }
    await untilIdle('acme-*')
    await assertInPlace([one], 3)
  })

  await t.test('on a faster machine too: no service has a limit of starts', async () => {
    const services = namesOfUnits().filter((name) => name.endsWith('.service'))
    for (const name of services) assert.equal(await show(name, 'StartLimitIntervalUSec'), '0', name)
  })
})

const fakeDir = '/run/fake'

/** `systemctl`, `systemd-tmpfiles` and `systemd-sysusers` that work, but at the call number `n` kill who called. */
function makeKillers(t: TestContext): void {
  t.after(() => rmSync(fakeDir, { recursive: true, force: true }))
  mkdirSync(fakeDir)
  for (const name of ['systemctl', 'systemd-tmpfiles', 'systemd-sysusers']) {
    const count = `n=$(($(cat ${fakeDir}/left) - 1)); echo $n >${fakeDir}/left`
    const kill = `[ $n != 0 ] || { echo "$0 $*" >>${fakeDir}/killed; kill -KILL $PPID; exit 1; }`
    writeFileSync(`${fakeDir}/${name}`, `#!/bin/sh\n${count}\n${kill}\nexec /usr/bin/${name} "$@"\n`)
    chmodSync(`${fakeDir}/${name}`, 0o755)
  }
}

/** An apply that is killed at its n-th call of systemd's programs, if it makes so many. */
function applyKilledAt(n: number): Promise<RunResult> {
  writeFileSync(`${fakeDir}/left`, `${n}\n`)
  return run('nixacme', ['apply'], { env: { PATH: `${fakeDir}:${process.env['PATH']}` } })
}

test('an apply that is killed is finished by the next', async (t) => {
  await prepare(t)
  makeKillers(t)
  const both = () => configureThese({ [one]: {}, [other]: {} }, { maxConcurrentRenewals: 3 })
  const without = () => configureThese({ [one]: {} }, { maxConcurrentRenewals: 2 })
  both()
  await applyAndWait()

  /** At each of its calls, one after the other, until there is none left to be killed at. */
  const killEverywhere = async (before: () => void, killed: () => void) => {
    for (let n = 1; ; n++) {
      assert.ok(n < 30, 'apply makes ever more calls')
      before()
      await applyAndWait()
      killed()
      const { status, signal, stderr } = await applyKilledAt(n)
      if (signal === undefined) {
        assert.equal(status, 0, stderr)
        return
      }
      both()
      await applyAndWait()
      await assertInPlace([one, other], 3)
    }
  }

  await t.test('killed at any call while it takes a certificate out, which is then put back', () =>
    killEverywhere(both, without),
  )

  await t.test('killed at any call while it puts one back', () => killEverywhere(without, both))

  await t.test('killed at any call, and nothing is wanted any more: the next takes all away', async () => {
    const nothing = () => configure({ certs: {} })
    for (const call of [2, 5]) {
      both()
      await applyAndWait()
      without()
      assert.equal((await applyKilledAt(call)).signal, 'SIGKILL')
      nothing()
      await applyAndWait()
      assert.deepEqual(namesOfUnits(), [])
      assert.deepEqual(await unitsIn('failed', 'acme-*'), [])
      assert.match(await apply(), /0 added, 0 changed, 0 removed/)
    }
  })

  await t.test('each of its steps was one of them', () => {
    const killed = readFileSync(`${fakeDir}/killed`, 'utf8')
    for (const call of [/ disable /, / daemon-reload/, / enable /, /systemctl .*start /, /tmpfiles .*--create/])
      assert.match(killed, call)
  })
})

test('preliminarySelfsigned turned off: the self-signed units go, and who needs the certificate stays', async (t) => {
  await prepare(t)
  configureThese({ [one]: {} })
  await applyAndWait()
  const dependant = 'dependant.service'
  t.after(() => systemctl('stop', dependant))
  const needs = `[Unit]\nRequires=${target(one)}\nAfter=${target(one)}\n`
  await writeUnit(dependant, `${needs}[Service]\nExecStart=/bin/sleep infinity\n`)
  await ok('systemctl', 'start', dependant)
  const before = await show(dependant, 'InvocationID')
  configureThese({ [one]: {} }, { preliminarySelfsigned: false })
  await applyAndWait()
  for (const unit of [`acme-selfsigned-${one}.service`, 'acme-selfsigned-ca.service']) {
    assert.equal(existsSync(`/etc/systemd/system/${unit}`), false)
    assert.equal(await show(unit, 'LoadState'), 'not-found')
  }
  assert.deepEqual([await activeState(dependant), await show(dependant, 'InvocationID')], ['active', before])
  await assertInPlace([one], 5)
})

test('the finished target tells of the first success', async (t) => {
  await prepare(t)
  await ok('systemctl', 'stop', 'pebble.service')
  configureThese({ [one]: {} })
  await applyAndWait()
  assert.ok(await hasFailed(service(one)))
  assert.notEqual(await activeState(target(one)), 'active')

  await t.test('SIGTERM to the process in the middle of an order is no success', async () => {
    await prepareCa({ retryAfter: 60 })
    await startCa()
    await forget(one)
    const started = systemctl('start', service(one))
    await untilTrue('an order is made', async () => (await requests(order)) > 0)
    await ok('systemctl', 'kill', '--kill-whom=main', '--signal=SIGTERM', service(one))
    assert.notEqual((await started).status, 0)
    assert.notEqual(await show(service(one), 'Result'), 'success')
    await untilIdle('acme-*')
    assert.notEqual(await activeState(target(one)), 'active')
    assert.equal(installed(one).isSelfsigned, true)
  })

  await t.test('a start that gets the certificate brings the target by itself', async () => {
    await prepareCa()
    await startCa()
    await ok('systemctl', 'restart', service(one))
    assert.equal(installed(one).isSelfsigned, false)
    await untilTrue('the target is active', async () => (await activeState(target(one))) === 'active')
  })
})

test('slots are taken away and given back while one is held: never two holders', async (t) => {
  await prepare(t)
  const want = (maxConcurrentRenewals: number) => configureThese({ [one]: {}, [other]: {} }, { maxConcurrentRenewals })
  want(2)
  await applyAndWait()
  const lock = '/run/acme/2.lock'
  const ids = ['-u', '-g'].map(async (option) => (await ok('id', option, 'acme')).trim())
  const [uid = '', gid = ''] = await Promise.all(ids)
  const asAcme = ['--reuid', uid, '--regid', gid, '--clear-groups', '--']
  const holder = start('setpriv', [...asAcme, 'flock', '--no-fork', lock, 'sleep', '100'], { timeoutMs: 100_000 })
  t.after(() => holder.end('SIGKILL'))
  const isHeld = async () => (await run('flock', ['--nonblock', lock, 'true'])).status === 1
  await untilTrue('slot 2 is held', isHeld)
  const { ino } = statSync(lock)

  for (const slots of [1, 2]) {
    want(slots)
    await applyAndWait()
    assert.deepEqual([statSync(lock).ino, await isHeld()], [ino, true], `${slots} slots`)
  }
  const orders = await requests(order)
  await ok('systemctl', 'clean', '--what=state', service(other))
  await ok('systemctl', 'start', '--no-block', service(other))
  await untilTrue('it waits', async () => /waiting for slot 2/.test(await journal(service(other), '--lines=3')))
  assert.equal(await requests(order), orders)
  await holder.end('SIGKILL')
  await untilIdle('acme-*')
  assert.equal(await show(service(other), 'Result'), 'success')
  assert.equal(await requests(order), orders + 1)

  want(1)
  await applyAndWait()
  assert.deepEqual(readdirSync('/run/acme'), ['1.lock'])
  assert.equal((await nixacme('plan')).status, 0)
})
