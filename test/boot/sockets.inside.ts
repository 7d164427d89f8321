// Challenges by systemd's sockets, short, on a newer systemd than listen.inside.ts has: nginx passes on to the path of one
// what comes to port 80, TLS comes straight to another; for renewals of user acme, and of root where the config says so.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import {
  apply,
  configure,
  forget,
  installed,
  journal,
  nixacme,
  ok,
  reset,
  show,
  untilIdle,
  untilTrue,
} from './machine.ts'
import { caDefaults, prepareCa, startCa } from './services.ts'

const { webroot: _, ...defaults } = caDefaults
const path = '/run/acme-http.sock'
const certs = { 'path.sockets.example': { listenHTTP: path }, 'tls.sockets.example': { listenTLS: ':443' } }
const names = Object.keys(certs)

/** The web server of an operator who keeps port 80. */
const passingOn = `user www-data;
pid /run/nginx.pid;
events {}
http {
  access_log off;
  server {
    listen 80;
    location /.well-known/acme-challenge/ { proxy_pass http://unix:${path}; }
  }
}
`

test('challenges by sockets', async (t) => {
  t.after(reset)
  await prepareCa({ tlsPort: 443 })
  mkdirSync('/etc/nginx', { recursive: true })
  writeFileSync('/etc/nginx/nginx.conf', passingOn)
  await Promise.all([startCa(), ok('systemctl', 'restart', 'nginx.service')])

  for (const useRoot of [false, true])
    await t.test(`useRoot = ${useRoot}: by a path behind nginx, and by TLS`, async () => {
      if (useRoot) for (const name of names) await forget(name)
      configure({ global: { preliminarySelfsigned: false, useRoot }, defaults, certs })
      await apply()
      if (useRoot) await ok('systemctl', 'start', ...names.map((name) => `acme-${name}.service`))
      await untilIdle('acme-*', 120)
      for (const name of names) {
        const unit = `acme-${name}.service`
        assert.equal(await show(unit, 'Result'), 'success', await journal(unit))
        assert.equal(await show(unit, 'User'), useRoot ? 'root' : 'acme')
        assert.deepEqual(installed(name).names, [name])
      }
      for (const kind of ['http', 'tls']) {
        const service = `acme-${kind}.service`
        await untilTrue(`${service} ends`, async () => (await show(service, 'ActiveState')) === 'inactive')
        assert.equal(await show(service, 'Result'), 'success', await journal(service))
      }
      await untilTrue(`'${path}' goes`, () => !existsSync(path))
    })

  await t.test('by hand root makes the socket itself, and takes it away', async () => {
    const [name = ''] = names
    const before = installed(name).serial
    const { status, stderr } = await nixacme('renew', '--now', name)
    assert.equal(status, 0, stderr)
    assert.notEqual(installed(name).serial, before)
    assert.equal(existsSync(path), false)
  })
})
