// The command against Pebble, the judge of the protocol, with nginx serving the webroot.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { splitPem } from '../../src/certificate/pem.ts'
import type { KeyType } from '../../src/config/config.ts'
import { needs } from '../support/needs.ts'
import { type Pebble, startPebble } from '../support/pebble.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World, type WorldOptions } from '../support/world.ts'
import { startNginx } from './nginx.ts'

let pebble: Pebble | undefined
before(async () => {
  pebble = await startPebble({ domainBlocklist: ['blocked.example'] }).catch(() => undefined)
})
after(() => pebble?.stop())

async function makeScene(
  t: TestContext,
  options: WorldOptions = {},
): Promise<{ world: World; ca: Pebble } | undefined> {
  if (!needs(t, 'pebble', 'nginx')) return undefined
  const ca = pebble
  assert.ok(ca, 'Pebble does not start')
  const defaults = { server: ca.directoryUrl, caCertificates: [ca.tlsRoot], ...options.defaults }
  const world = await makeWorld(t, { ...options, defaults })
  const nginx = await startNginx(join(world.dir, 'nginx'), world.webroot, ca.httpPort)
  t.after(() => nginx.end('SIGQUIT'))
  return { world, ca }
}

const shown = (world: World, name: string) => readFileSync(join(world.paths().out, name), 'utf8')

test("two names: at most 12 requests, the chain leads to Pebble's root, no challenge stays; then a skip", async (t) => {
  const scene = await makeScene(t)
  if (!scene) return
  const { world, ca } = scene
  const handled = '-> calling handler()'
  const [before, downloads] = [ca.count(handled), ca.count('POST /certZ/')]
  const { status, stdout, stderr } = await world.nixacme(['renew', cert])
  assert.deepEqual([status, stdout], [0, ''], stderr)
  await ca.logged('POST /certZ/', downloads + 1)
  const polls = ca.count('POST /my-order/')
  assert.ok(ca.count(handled) - before - Math.max(0, polls - 1) <= 12, ca.log())
  const chain = splitPem(shown(world, 'fullchain.pem')).map((pem) => new X509Certificate(pem))
  assert.equal(chain[0]?.subjectAltName, 'DNS:example.com, DNS:www.example.com')
  const [root = ''] = splitPem(await ca.issuerRoot())
  assert.ok(chain.at(-1)?.verify(new X509Certificate(root).publicKey))
  assert.ok(chain[0]?.checkPrivateKey(createPrivateKey(shown(world, 'key.pem'))))
  assert.equal(shown(world, 'chain.pem'), splitPem(shown(world, 'fullchain.pem')).slice(1).join(''))
  assert.deepEqual(readdirSync(join(world.webroot, '.well-known', 'acme-challenge')), [])

  const [settled, requests] = [world.tree(), ca.count(handled)]
  assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
  assert.deepEqual(changesBetween(settled, world.tree()), [])
  assert.equal(ca.count(handled), requests)
})

test('an internationalised name is ordered as A-label, under the name it was written with', async (t) => {
  const name = 'bücher.example'
  const scene = await makeScene(t, { certs: { [cert]: { domain: name, extraDomainNames: ['münchen.example'] } } })
  if (!scene) return
  const { status, stderr } = await scene.world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  const leaf = new X509Certificate(shown(scene.world, 'fullchain.pem'))
  assert.equal(leaf.subjectAltName, 'DNS:xn--bcher-kva.example, DNS:xn--mnchen-3ya.example')
  assert.ok(readdirSync(scene.world.paths().certificates).includes(`${name}.crt`))
  assert.match((await scene.world.nixacme(['plan'])).stdout, /skip/)
})

test('a private root by NODE_EXTRA_CA_CERTS, which Node itself reads', async (t) => {
  const scene = await makeScene(t, { defaults: { caCertificates: [] } })
  if (!scene) return
  const { world, ca } = scene
  const stranger = await world.nixacme(['renew', '--dry-run', cert])
  assert.equal(stranger.status, 69, stranger.stderr)
  const known = await world.nixacme(['renew', '--dry-run', cert], { env: { NODE_EXTRA_CA_CERTS: ca.tlsRoot } })
  assert.equal(known.status, 0, known.stderr)
})

test('killed while Pebble makes the certificate: the next run downloads it', async (t) => {
  const scene = await makeScene(t, { certs: { [cert]: {} } })
  if (!scene) return
  const { world, ca } = scene
  const counts = () => ['/order-plz', '/finalize-order/', '/certZ/'].map((path) => ca.count(`POST ${path}`))
  const [orders = 0, finals = 0, downloads = 0] = counts()
  const running = world.spawn(['renew', cert])
  // Pebble asks for a pause of a second after this one.
  await ca.logged('POST /finalize-order/', finals + 1)
  await running.end('SIGKILL')
  assert.deepEqual(counts(), [orders + 1, finals + 1, downloads], 'the kill came before the download')
  const { status, stderr } = await world.nixacme(['renew', '--now', cert])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /taking up the order of .*, which is '(processing|valid)' at the CA/)
  await ca.logged('POST /certZ/', downloads + 1)
  assert.deepEqual(counts(), [orders + 1, finals + 1, downloads + 1])
  const leaf = new X509Certificate(shown(world, 'fullchain.pem'))
  assert.ok(leaf.checkPrivateKey(createPrivateKey(shown(world, 'key.pem'))))
})

test('killed while Pebble validates: the next run goes on with the same order', async (t) => {
  const scene = await makeScene(t, { certs: { [cert]: {} } })
  if (!scene) return
  const { world, ca } = scene
  const [orders, answers, downloads] = ['/order-plz', '/chalZ/', '/certZ/'].map((path) => ca.count(`POST ${path}`))
  assert.ok(orders !== undefined && answers !== undefined && downloads !== undefined)
  const running = world.spawn(['renew', cert])
  await ca.logged('POST /chalZ/', answers + 1)
  await running.end('SIGKILL')
  const { status, stderr } = await world.nixacme(['renew', '--now', cert])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /taking up the order of/)
  await ca.logged('POST /certZ/', downloads + 1)
  assert.equal(ca.count('POST /order-plz'), orders + 1)
  assert.deepEqual(readdirSync(join(world.webroot, '.well-known', 'acme-challenge')), [])
})

const keys: Partial<Record<KeyType, string>> = {
  ec384: 'ec secp384r1',
  rsa2048: 'rsa 2048',
  rsa3072: 'rsa 3072',
  rsa4096: 'rsa 4096',
}

test('every key type, all in one run', async (t) => {
  const certs = Object.fromEntries(Object.keys(keys).map((keyType) => [`${keyType}.example`, { keyType }]))
  const scene = await makeScene(t, { certs })
  if (!scene) return
  const { world } = scene
  const { status, stderr } = await world.nixacme(['renew', '--all'])
  assert.equal(status, 0, stderr)
  for (const [keyType, expected] of Object.entries(keys)) {
    const key = createPrivateKey(readFileSync(join(world.roots.state, `${keyType}.example`, 'key.pem')))
    const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
    assert.equal(`${key.asymmetricKeyType} ${namedCurve ?? modulusLength}`, expected)
  }
})

test("a blocked name: 76 with Pebble's own words, and nothing is there", async (t) => {
  const scene = await makeScene(t, { certs: { [cert]: { extraDomainNames: ['blocked.example'] } } })
  if (!scene) return
  const said = await scene.world.nixacme(['renew', cert])
  assert.equal(said.status, 76)
  assert.match(errorsIn(said)[0] ?? '', /^example\.com: the CA refused the order of .*: rejectedIdentifier: /)
  assert.deepEqual(readdirSync(scene.world.paths().out), [])
})

test('a wildcard is refused by check, before any CA is asked', async (t) => {
  const scene = await makeScene(t, { certs: { [cert]: { domain: '*.example.com' } } })
  if (!scene) return
  const said = await scene.world.nixacme(['check'])
  assert.deepEqual([said.status, said.stdout], [78, ''])
  assert.match(errorsIn(said)[0] ?? '', /wildcard '\*\.example\.com' cannot be proven with 'webroot'/)
})

test('addresses beside a name: all in the certificate, stored as lego names them, and the next run skips', async (t) => {
  const scene = await makeScene(t, { certs: { [cert]: { domain: '127.0.0.1', extraDomainNames: ['a.example'] } } })
  if (!scene) return
  const { world } = scene
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.equal(new X509Certificate(shown(world, 'fullchain.pem')).subjectAltName, 'DNS:a.example, IP Address:127.0.0.1')
  assert.ok(readdirSync(world.paths().certificates).includes('127.0.0.1.crt'))
  assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
})
