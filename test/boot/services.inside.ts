// A service and its certificate, as its admin sees them: nginx starts though the CA is down, gets the real certificate when
// it is up, and follows the config, without a connection dropped.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { get } from 'node:https'
import test from 'node:test'
import {
  apply,
  configure,
  hasFailed,
  journal,
  nixacme,
  ok,
  reset,
  type Seen,
  served,
  show,
  systemctl,
  untilTrue,
  writeUnit,
} from './machine.ts'
import { caDefaults, configureNginx, prepareCa, startCa, wwwRoot } from './services.ts'

const cert = 'web.example'
const alias = 'alias.web.example'
const unit = `acme-${cert}.service`
const target = `acme-finished-${cert}.target`
const large = { name: 'large', bytes: 1024 * 1024 }

const want = (extraDomainNames: readonly string[]) =>
  configure({ defaults: { ...caDefaults, reloadServices: ['nginx.service'] }, certs: { [cert]: { extraDomainNames } } })

/** Downloads the large file, which takes some seconds: how many bytes have come when it ended. */
function download(): { readonly started: Promise<void>; readonly bytes: Promise<number> } {
  let begin = () => {}
  const started = new Promise<void>((resolve) => {
    begin = resolve
  })
  const options = { host: '127.0.0.1', servername: cert, path: `/${large.name}`, headers: { host: cert } }
  const bytes = new Promise<number>((resolve, reject) => {
    const request = get({ ...options, rejectUnauthorized: false, timeout: 20_000 }, (response) => {
      let seen = 0
      response.on('data', (chunk: Buffer) => {
        seen += chunk.length
        begin()
      })
      response.on('end', () => resolve(seen)).on('error', reject)
    })
    request.on('error', reject).on('timeout', () => request.destroy(new Error('nothing more came for 20 s')))
  })
  return { started, bytes }
}

/** What is served as soon as it is so. */
async function servedOnce(what: string, isSo: (seen: Seen) => boolean): Promise<Seen> {
  let seen: Seen | undefined
  await untilTrue(what, async () => {
    seen = await served(cert)
    return isSo(seen)
  })
  assert.ok(seen)
  return seen
}

test('nginx and its certificate', async (t) => {
  t.after(reset)
  await prepareCa()
  configureNginx([cert])
  writeFileSync(`${wwwRoot}/${large.name}`, Buffer.alloc(large.bytes, 'x'))
  await writeUnit(
    'nginx.service.d/certificate.conf',
    `[Unit]\nWants=acme-selfsigned-${cert}.service\nAfter=acme-selfsigned-${cert}.service\n`,
  )
  want([])

  await t.test('while the CA is down the renewal fails, and nginx starts on the self-signed certificate', async () => {
    await apply()
    await untilTrue('the renewal has failed', () => hasFailed(unit))
    await ok('systemctl', 'start', 'nginx.service')
    const seen = await served(cert)
    assert.deepEqual([seen.names, seen.isSelfsigned], [[cert], true])
    assert.match(await journal(unit), /cannot reach the CA/)
    assert.notEqual(await show(target, 'ActiveState'), 'active')
  })

  await t.test('a wait for the real certificate is not over then', async () => {
    const { status, stderr } = await nixacme('wait', cert, '--real', '--timeout', '1s')
    assert.equal(status, 75, stderr)
    const any = await nixacme('wait', cert, '--timeout', '1s')
    assert.equal(any.status, 0, any.stderr)
  })

  await t.test(
    'when the CA is up, a run at once brings the real one; nginx reloads and finishes what it serves',
    async () => {
      await startCa()
      const wait = nixacme('wait', cert, '--real', '--timeout', '1m')
      const { started, bytes } = download()
      await started
      const pid = await show('nginx.service', 'MainPID')
      // Else it would wait for the second try that systemd has scheduled.
      await ok('systemctl', 'stop', unit)
      await ok('nixacme', 'renew', '--now', cert)
      await untilTrue('nginx shows the real certificate', async () => !(await served(cert)).isSelfsigned)
      assert.equal(await show('nginx.service', 'MainPID'), pid, 'nginx was restarted, not reloaded')
      assert.equal(await bytes, large.bytes, 'the download was cut')
      const waited = await wait
      assert.equal(waited.status, 0, waited.stderr)
    },
  )

  await t.test('the target tells that it is there', async () => {
    await ok('systemctl', 'start', target)
    assert.equal(await show(target, 'ActiveState'), 'active')
  })

  let before: Seen
  await t.test('an alias in the config: apply has it issued, and nginx shows it', async () => {
    before = await served(cert)
    want([alias])
    await apply()
    // An old worker of nginx may still answer in between.
    const now = await servedOnce('nginx shows the alias', ({ names }) => names.includes(alias))
    assert.deepEqual(now.names, [alias, cert])
    assert.notEqual(now.serial, before.serial)
  })

  await t.test('the alias taken out again: gone from the certificate', async () => {
    want([])
    await apply()
    const now = await servedOnce('nginx shows no alias', ({ names }) => !names.includes(alias))
    assert.deepEqual(now.names, [cert])
  })

  await t.test('with the CA down again, a start goes well and the certificate stays', async () => {
    before = await served(cert)
    await ok('systemctl', 'stop', 'pebble.service')
    const { status, stderr } = await systemctl('start', unit)
    assert.equal(status, 0, stderr)
    assert.equal((await served(cert)).serial, before.serial)
  })
})
