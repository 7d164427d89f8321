// `revoke` and `compromise` against Pebble, the judge of the protocol.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { type Pebble, startPebble } from '../support/pebble.ts'
import { cert, makeWorld } from '../support/world.ts'
import { startNginx } from './nginx.ts'

let pebble: Pebble | undefined
before(async () => {
  pebble = await startPebble().catch(() => undefined)
})
after(() => pebble?.stop())

/** A world with a certificate from Pebble. */
async function makeScene(t: TestContext, keyType = 'ec256') {
  if (!needs(t, 'pebble', 'nginx')) return undefined
  const ca = pebble
  assert.ok(ca, 'Pebble does not start')
  const defaults = { server: ca.directoryUrl, caCertificates: [ca.tlsRoot], keyType }
  const world = await makeWorld(t, { way: 'in-process', defaults })
  const nginx = await startNginx(join(world.dir, 'nginx'), world.webroot, ca.httpPort)
  t.after(() => nginx.end('SIGQUIT'))
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  const serial = () =>
    new X509Certificate(readFileSync(join(world.paths().out, 'fullchain.pem'))).serialNumber.toLowerCase()
  return { world, ca, serial }
}

test('revoked by the account, with its reason; then again: Pebble says so, and it is no failure', async (t) => {
  const scene = await makeScene(t)
  if (!scene) return
  const { world, ca, serial } = scene
  const first = await world.nixacme(['revoke', cert, '--reason', 'superseded', '--yes'])
  assert.equal(first.status, 0, first.stderr)
  const { Status, Reason } = await ca.statusOf(serial())
  assert.deepEqual([Status, Reason], ['Revoked', 4])
  const again = await world.nixacme(['revoke', cert, '--yes'])
  assert.equal(again.status, 0, again.stderr)
  assert.match(again.stderr, /was revoked before/)
})

for (const keyType of ['ec256', 'ec384', 'rsa2048'])
  test(`revoked by its own ${keyType} key where the account is gone`, async (t) => {
    const scene = await makeScene(t, keyType)
    if (!scene) return
    const { world, ca, serial } = scene
    rmSync(world.paths().accountRoot, { recursive: true })
    const said = await world.nixacme(['revoke', cert, '--reason', 'keyCompromise', '--yes'])
    assert.equal(said.status, 0, said.stderr)
    const { Status, Reason } = await ca.statusOf(serial())
    assert.deepEqual([Status, Reason], ['Revoked', 1])
  })

test('compromise: the old one is revoked, the new one is not', async (t) => {
  const scene = await makeScene(t)
  if (!scene) return
  const { world, ca, serial } = scene
  const old = serial()
  const said = await world.nixacme(['compromise', cert, '--yes'])
  assert.equal(said.status, 0, said.stderr)
  const [before, now] = await Promise.all([ca.statusOf(old), ca.statusOf(serial())])
  assert.deepEqual([before.Status, before.Reason, now.Status], ['Revoked', 1, 'Valid'])
})
