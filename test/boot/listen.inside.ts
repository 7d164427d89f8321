// Ports of challenges in a real machine: systemd listens for all renewals, none of which has a right to a port, and closes them again.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import test from 'node:test'
import {
  apply,
  configure,
  installed,
  journal,
  nixacme,
  ok,
  reset,
  show,
  systemctl,
  untilIdle,
  untilTrue,
} from './machine.ts'
import { caDefaults, prepareCa, startCa } from './services.ts'

const { webroot: _, ...defaults } = caDefaults
const names = ['one', 'two', 'three', 'four', 'five'].map((name) => `${name}.listen.example`)

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

const capabilities = ['CapabilityBoundingSet', 'AmbientCapabilities']

test('challenges by listeners', async (t) => {
  t.after(reset)
  await prepareCa({ tlsPort: 443 })
  await startCa()

  for (const [kind, option, address, port] of [
    ['http', 'listenHTTP', ':80', 80],
    ['tls', 'listenTLS', ':443', 443],
  ] as const) {
    const [socket, responder] = [`acme-${kind}.socket`, `acme-${kind}.service`]

    await t.test(`${option}: five renewals at once, without any capability`, async () => {
      const certs = Object.fromEntries(names.map((name) => [name, { domain: `${kind}.${name}` }]))
      configure({ global: { preliminarySelfsigned: false }, defaults: { ...defaults, [option]: address }, certs })
      await apply()
      await untilIdle('acme-*', 120)
      for (const name of names) {
        const unit = `acme-${name}.service`
        assert.equal(await show(unit, 'Result'), 'success', await journal(unit))
        assert.deepEqual(installed(name).names, [`${kind}.${name}`])
        for (const property of capabilities) assert.equal(await show(unit, property), '', property)
      }
      for (const property of capabilities) assert.equal(await show(responder, property), '', property)
      assert.match(await journal(socket), /Listening on/)
    })

    await t.test(`${option}: then the port is closed, and the responder gone`, async () => {
      await untilTrue(`${socket} ends`, async () => (await show(socket, 'ActiveState')) === 'inactive')
      await untilTrue(`${responder} ends`, async () => (await show(responder, 'ActiveState')) === 'inactive')
      assert.equal(await show(responder, 'Result'), 'success', await journal(responder))
      assert.equal(await isOpen(port), false)
      assert.deepEqual(readdirSync(`/run/acme/challenges/${kind}`), [])
    })

    await t.test(`${option}: by hand root listens itself, and acme does the work`, async () => {
      const [name = ''] = names
      const before = installed(name).serial
      const { status, stderr } = await nixacme('renew', '--now', name)
      assert.equal(status, 0, stderr)
      assert.notEqual(installed(name).serial, before)
      assert.equal(await isOpen(port), false)
    })
  }

  await t.test('a start with nothing due starts no responder', async () => {
    const [name = ''] = names
    const before = await show('acme-tls.service', 'InvocationID')
    await ok('systemctl', 'start', `acme-${name}.service`)
    assert.equal(await show('acme-tls.service', 'InvocationID'), before)
  })

  await t.test('without listeners the units go', async () => {
    configure({ defaults: caDefaults, certs: { 'one.listen.example': { domain: 'tls.one.listen.example' } } })
    await apply()
    assert.ok(!existsSync('/etc/systemd/system/acme-tls.socket'))
    assert.notEqual((await systemctl('start', 'acme-tls.socket')).status, 0)
  })
})
