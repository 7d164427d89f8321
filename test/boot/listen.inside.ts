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
import { caDefaults, caLog, mostOrdersAtOnce, prepareCa, startCa } from './services.ts'

const { webroot: _, ...defaults } = caDefaults
const names = ['one', 'two', 'three', 'four', 'five'].map((name) => `${name}.listen.example`)

/** Names of the first certificate, too: the CA comes to these very addresses. */
const addresses = ['127.0.0.1', '::1']
/** As OpenSSL writes them. */
const shownAddresses = ['0:0:0:0:0:0:0:1', '127.0.0.1']

const isOpen = (port: number, address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, address, () => {
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

    await t.test(
      `${option}: five renewals at once, of addresses of IPv4 and IPv6 too, without any capability`,
      async () => {
        const before = (await caLog()).length
        const extra = (name: string) => (name === names[0] ? addresses : [])
        const certs = Object.fromEntries(
          names.map((name) => [name, { domain: `${kind}.${name}`, extraDomainNames: extra(name) }]),
        )
        configure({ global: { preliminarySelfsigned: false }, defaults: { ...defaults, [option]: address }, certs })
        await apply()
        await untilIdle('acme-*', 120)
        for (const name of names) {
          const unit = `acme-${name}.service`
          assert.equal(await show(unit, 'Result'), 'success', await journal(unit))
          assert.deepEqual(installed(name).names, [...(name === names[0] ? shownAddresses : []), `${kind}.${name}`])
          for (const property of capabilities) assert.equal(await show(unit, property), '', property)
        }
        for (const property of capabilities) assert.equal(await show(responder, property), '', property)
        assert.match(await journal(socket), /Listening on/)
        assert.ok((await mostOrdersAtOnce(before)) > 1, 'one after the other')
      },
    )

    await t.test(`${option}: then the port is closed, and the responder gone`, async () => {
      await untilTrue(`${socket} ends`, async () => (await show(socket, 'ActiveState')) === 'inactive')
      await untilTrue(`${responder} ends`, async () => (await show(responder, 'ActiveState')) === 'inactive')
      assert.equal(await show(responder, 'Result'), 'success', await journal(responder))
      for (const at of addresses) assert.equal(await isOpen(port, at), false, at)
      assert.deepEqual(readdirSync(`/run/acme/challenges/${kind}`), [])
    })

    await t.test(`${option}: by hand root listens itself, and acme does the work`, async () => {
      const [name = ''] = names
      const before = installed(name).serial
      const { status, stderr } = await nixacme('renew', '--now', name)
      assert.equal(status, 0, stderr)
      assert.notEqual(installed(name).serial, before)
      for (const at of addresses) assert.equal(await isOpen(port, at), false, at)
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
