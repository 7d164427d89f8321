// A CA whose root is among the machine's own and nowhere else: a renewal in its sandbox can read them.
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import test from 'node:test'
import { apply, configure, journal, nixacme, ok, reset, show, untilIdle } from './machine.ts'
import { caDefaults, caRoot, configureNginx, prepareCa, startCa } from './services.ts'

const cert = 'trust.example'
const unit = `acme-${cert}.service`
/** Debian's. */
const store = '/etc/ssl/certs/ca-certificates.crt'

test("a root among the machine's own", async (t) => {
  if (!existsSync(store)) return t.skip(`'${store}' is not there`)
  t.after(reset)
  await prepareCa()
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
  configure({ defaults: { ...caDefaults, caCertificates: [] }, certs: { [cert]: {} } })
  const before = readFileSync(store).length
  const restore = () => truncateSync(store, before)
  t.after(restore)
  appendFileSync(store, readFileSync(caRoot))
  await apply()
  await untilIdle('acme-*')
  assert.equal(await show(unit, 'Result'), 'success', await journal(unit))

  restore()
  const stranger = await nixacme('renew', '--now', '--dry-run', cert)
  assert.equal(stranger.status, 69, stranger.stderr)
  assert.match(stranger.stderr, /its TLS certificate comes from an unknown CA/)
})
