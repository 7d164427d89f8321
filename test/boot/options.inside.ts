// Options that change how a unit works, on a real machine: group, useRoot, secrets, webroots where the sandbox hides them;
// and what stands when files are gone, or the config was edited and not applied.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import test, { type TestContext } from 'node:test'
import {
  apply,
  configure,
  installed,
  journal,
  nixacme,
  type Options,
  ok,
  reset,
  show,
  stateDir,
  systemctl,
  untilIdle,
  writeUnit,
} from './machine.ts'
import { caDefaults, caRoot, configureNginx, prepareCa, requests, startCa } from './services.ts'

const service = (cert: string) => `acme-${cert}.service`
const order = 'POST /order-plz'

/** A CA that knows nothing yet, and the web server. */
async function prepare(t: TestContext, webroots: Readonly<Record<string, string>> = {}): Promise<void> {
  t.after(reset)
  await prepareCa()
  await startCa()
  configureNginx([], webroots)
  await ok('systemctl', 'restart', 'nginx.service')
}

const result = (cert: string) => show(service(cert), 'Result')
const ownerAndMode = async (path: string) => (await ok('stat', '-L', '-c', '%U:%G %a', path)).trim()

async function applyAndWait(): Promise<void> {
  await apply()
  await untilIdle('acme-*')
}

/** Everything of a certificate, as its user and group may have it: never more. */
async function assertOwner(cert: string, owner: string): Promise<void> {
  const out = `${stateDir}/${cert}`
  assert.equal(await ownerAndMode(out), `${owner} 750`)
  for (const name of ['cert', 'chain', 'fullchain', 'key', 'full'])
    assert.equal(await ownerAndMode(`${out}/${name}.pem`), `${owner} 640`, name)
  const all = await ok('find', out, `${stateDir}/.lego/${cert}`, '!', '-type', 'l', '-printf', '%u:%g %m %p\n')
  const strange = all.split('\n').filter((line) => line !== '' && !new RegExp(`^${owner} [67][0-5]0 `).test(line))
  assert.deepEqual(strange, [])
}

test('group and useRoot', async (t) => {
  await prepare(t)
  const groups: Readonly<Record<string, string>> = { 'games.example': 'games', 'www.example': 'www-data' }
  const certs = Object.keys(groups)
  const want = (useRoot: boolean) =>
    configure({
      global: { useRoot },
      defaults: caDefaults,
      certs: Object.fromEntries(certs.map((cert) => [cert, { group: groups[cert] ?? '' }])),
    })

  await t.test('certificates of two groups and one account: each its group, one registration', async () => {
    want(false)
    await applyAndWait()
    for (const cert of certs) {
      assert.deepEqual([await result(cert), installed(cert).isSelfsigned], ['success', false])
      await assertOwner(cert, `acme:${groups[cert]}`)
    }
    assert.equal(await requests('POST /sign-me-up'), 1)
  })

  await t.test('each can be issued again after the other used the account', async () => {
    for (const cert of certs) {
      await ok('rm', '-rf', `${stateDir}/${cert}`, `${stateDir}/.lego/${cert}`)
      await ok('systemctl', 'start', service(cert))
      await assertOwner(cert, `acme:${groups[cert]}`)
    }
    assert.equal(await requests('POST /sign-me-up'), 1)
  })

  await t.test('useRoot: all is taken over as it is, and issuance goes on as root', async () => {
    const orders = await requests(order)
    want(true)
    await applyAndWait()
    for (const cert of certs) {
      assert.deepEqual([await show(service(cert), 'User'), await result(cert)], ['root', 'success'])
      await assertOwner(cert, `root:${groups[cert]}`)
    }
    assert.equal(await requests(order), orders)
    const [one = ''] = certs
    await ok('rm', '-rf', `${stateDir}/${one}`, `${stateDir}/.lego/${one}`)
    await ok('systemctl', 'start', service(one))
    await assertOwner(one, `root:${groups[one]}`)
    assert.equal(await requests('POST /sign-me-up'), 1)
  })

  await t.test('and back', async () => {
    const orders = await requests(order)
    want(false)
    await applyAndWait()
    for (const cert of certs) {
      assert.equal(await result(cert), 'success')
      await assertOwner(cert, `acme:${groups[cert]}`)
    }
    assert.equal(await requests(order), orders)
  })
})

const secretsDir = '/etc/secrets'
const variables = `${secretsDir}/variables`
const dropIn = '/etc/nixacme/config.d/secrets.json'

function write(path: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  chmodSync(path, mode)
}

/** In a drop-in, as secrets often are. */
const credentials = (credentialFiles: Readonly<Record<string, string>>) =>
  write(dropIn, JSON.stringify({ defaults: { credentialFiles } }), 0o644)

/** Until `t` ends, one more command before the renewal: what that sees, the renewal sees. */
async function firstRun(t: TestContext, cert: string, command: string): Promise<void> {
  const dropIns = `${service(cert)}.d`
  t.after(async () => {
    rmSync(`/run/systemd/system/${dropIns}`, { recursive: true })
    await ok('systemctl', 'daemon-reload')
  })
  await writeUnit(`${dropIns}/look.conf`, `[Service]\nExecStartPre=${command}\n`)
}

/** What apply may write: with times, so that a second writing of the same is seen. */
const written = () => ok('find', '/etc/systemd/system', '/var/lib/nixacme', '-printf', '%p %T@ %s\n')

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is systemd's.
const seesToken = '/bin/grep -qx h..h ${TOKEN_FILE}'

test('secrets', async (t) => {
  await prepare(t)
  const cert = 'secret.example'
  t.after(() => rmSync(dropIn, { force: true }))
  const { caCertificates: _, ...defaults } = caDefaults
  const want = (options: Options = {}) =>
    configure({ defaults: { ...defaults, environmentFile: variables }, certs: { [cert]: options } })
  write(variables, `LEGO_CA_CERTIFICATES=${caRoot}\n`)

  await t.test("the CA's root by a variable in a file of root's", async () => {
    want()
    await applyAndWait()
    assert.deepEqual([await result(cert), installed(cert).isSelfsigned], ['success', false])
  })

  await t.test('a credential: the renewal finds a copy by the variable, and nobody else sees a word', async (step) => {
    write(`${secretsDir}/token`, 'hush\n')
    credentials({ TOKEN_FILE: `${secretsDir}/token` })
    // Without the word itself, which is to be found nowhere.
    await firstRun(step, cert, seesToken)
    await applyAndWait()
    await ok('systemctl', 'start', service(cert))
    assert.match(await show(service(cert), 'Environment'), /(^| )TOKEN_FILE=\/run\/credentials\/\S+\/TOKEN( |$)/)
    assert.doesNotMatch(await ok('systemctl', 'show', service(cert)), /hush/)
    assert.doesNotMatch(await ok('grep', '-rh', '', '/etc/systemd/system', '/var/lib/nixacme'), /hush/)
  })

  await t.test('an encrypted one', async (step) => {
    const source = `${secretsDir}/token.cred`
    const encrypt = ['encrypt', '--with-key=host', '--name=TOKEN', `${secretsDir}/token`, source]
    await ok('systemd-creds', 'setup')
    await ok('systemd-creds', ...encrypt)
    await firstRun(step, cert, seesToken)
    credentials({ TOKEN_FILE: source })
    await applyAndWait()
    await ok('systemctl', 'start', service(cert))
    assert.match(await ok('systemctl', 'cat', service(cert)), /^LoadCredentialEncrypted=TOKEN:/m)
  })

  await t.test('one that is gone fails the unit, which says so', async () => {
    rmSync(`${secretsDir}/token`)
    credentials({ TOKEN_FILE: `${secretsDir}/token` })
    await nixacme('apply')
    await untilIdle('acme-*')
    assert.notEqual((await systemctl('start', service(cert))).status, 0)
    assert.equal(await show(service(cert), 'ExecMainStatus'), '243')
    assert.match(await journal(service(cert)), /credentials/i)
    write(`${secretsDir}/token`, 'hush\n')
    await ok('systemctl', 'start', service(cert))
  })

  const refused = async (path: RegExp) => {
    const before = await written()
    const { status, stderr } = await nixacme('apply')
    assert.ok(status === 77 || status === 78, `status ${status}: ${stderr}`)
    assert.match(stderr, path)
    assert.equal(await written(), before)
  }

  await t.test('sources that others than root may write are refused before anything is written', async (step) => {
    step.after(() => rmSync('/srv/open', { recursive: true }))
    credentials({})
    await applyAndWait()
    write('/srv/open/variables', `LEGO_CA_CERTIFICATES=${caRoot}\n`)
    want({ environmentFile: '/srv/open/variables', renewInterval: 'weekly' })
    chmodSync('/srv/open/variables', 0o666)
    await refused(/'\/srv\/open\/variables'/)
    chmodSync('/srv/open/variables', 0o600)
    chmodSync('/srv/open', 0o777)
    await refused(/'\/srv\/open'/)
    chmodSync('/srv/open', 0o755)
    await ok('chown', 'www-data', '/srv/open/variables')
    await refused(/'\/srv\/open\/variables'/)
    want({ renewInterval: 'weekly' })
    credentials({ TOKEN_FILE: '/srv/open/variables' })
    await refused(/'\/srv\/open\/variables'/)
    await ok('chown', 'root', '/srv/open/variables')
    assert.equal((await nixacme('apply')).status, 0)
  })
})

test('webroots that the sandbox hides or protects', async (t) => {
  const webroots = { 'home.example': '/home/web/www', 'srv.example': '/srv/challenges' }
  await prepare(t, webroots)
  mkdirSync('/home/web/www', { recursive: true })
  await ok('chown', '-R', 'www-data:www-data', '/home/web')
  writeFileSync('/home/web/private', '')
  const certs = Object.fromEntries(Object.entries(webroots).map(([cert, webroot]) => [cert, { webroot }]))
  configure({ defaults: caDefaults, certs })
  await firstRun(t, 'home.example', '/bin/sh -c "ls -A /home /home/web >/run/acme/seen"')
  await applyAndWait()
  for (const cert of Object.keys(webroots))
    assert.deepEqual([await result(cert), installed(cert).isSelfsigned], ['success', false], cert)
  // Of the home, the unit sees its webroot and nothing else.
  assert.equal(await ok('cat', '/run/acme/seen'), '/home:\nweb\n\n/home/web:\nwww\n')
  assert.equal((await ok('stat', '-c', '%U', '/home/web/www')).trim(), 'www-data')
})

test('files gone, config edited', async (t) => {
  await prepare(t)
  const cert = 'kept.example'
  const config = (options: Options = {}) => configure({ defaults: caDefaults, certs: { [cert]: options } })
  config()
  await applyAndWait()

  await t.test("out/ emptied while lego's certificate is there: the self-signed unit gives a usable one", async () => {
    const out = `${stateDir}/${cert}`
    const orders = await requests(order)
    for (const name of readdirSync(out)) rmSync(`${out}/${name}`, { recursive: true })
    await ok('systemctl', 'start', `acme-selfsigned-${cert}.service`)
    await ok('nixacme', 'wait', cert, '--timeout', '0s')
    await assertOwner(cert, 'acme:acme')
    await ok('systemctl', 'start', service(cert))
    assert.equal(installed(cert).isSelfsigned, false)
    assert.equal(await requests(order), orders)
  })

  const goesOn = async (name: string, edit: () => void) => {
    await t.test(`a config that was ${name}, and not applied: the unit goes on as compiled, and tells`, async () => {
      config()
      await applyAndWait()
      const orders = await requests(order)
      edit()
      await ok('systemctl', 'start', service(cert))
      const invocation = await show(service(cert), 'InvocationID')
      const said = await journal(service(cert), `_SYSTEMD_INVOCATION_ID=${invocation}`, '--priority=warning')
      assert.match(said, /nixacme apply/)
      assert.equal(await requests(order), orders)
      assert.deepEqual(installed(cert).names, [cert])
    })
  }
  await goesOn('edited', () => config({ extraDomainNames: ['more.example'] }))
  await goesOn('left without the certificate', () => configure({ defaults: caDefaults, certs: {} }))
  await goesOn('spoiled', () => writeFileSync('/etc/nixacme/config.json', '{'))
  await goesOn("made root's alone", () => {
    config({ extraDomainNames: ['more.example'] })
    chmodSync('/etc/nixacme/config.json', 0o600)
  })
  chmodSync('/etc/nixacme/config.json', 0o644)
})
