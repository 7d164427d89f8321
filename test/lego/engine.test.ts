// `engine = "lego"` end to end with Pebble: the system's lego and a newer one get, renew and widen a certificate, in whose
// state nothing else changes than with the native engine; failures are told by what lego says.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { type Pebble, serve, startPebble, type WebServer } from '../support/pebble.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, makeWorld, type Said, type World } from '../support/world.ts'
import { accountUrl, type Lego, legos, needsLego } from './nixos.ts'

const hmac = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'

let ca: Pebble
let web: WebServer
/** Pebble looks for the challenges of all at one port, so all share a webroot. */
const webroot = mkdtempSync(join(tmpdir(), 'nixacme-lego-www-'))
before(async () => {
  // lego looks every five seconds whether a name is valid: once is enough.
  ca = await startPebble({ externalAccounts: { 'kid-1': hmac }, authzReuse: 100 })
  web = await serve(webroot, ca.httpPort)
})
after(async () => {
  await Promise.all([web?.stop(), ca?.stop()])
  rmSync(webroot, { recursive: true, force: true })
})

interface Scene {
  readonly world: World
  readonly env: Readonly<Record<string, string>>
  renew(...args: readonly string[]): Promise<Said>
}

async function makeScene(
  t: TestContext,
  lego: Lego,
  options: Readonly<Record<string, string | readonly string[]>> = {},
): Promise<Scene | undefined> {
  if (!needsLego(t, lego)) return undefined
  const server = { server: ca.directoryUrl, caCertificates: [ca.tlsRoot], webroot }
  const own = lego.command === 'lego' ? {} : { legoPath: lego.command }
  const world = await makeWorld(t, {
    way: 'in-process',
    defaults: { ...server, ...own, engine: 'lego', ...options },
    certs: { [cert]: {} },
  })
  const env = { LEGO_EAB_KID: 'kid-1', LEGO_EAB_HMAC: hmac }
  return { world, env, renew: (...args) => world.nixacme(['renew', ...args, cert], { env }) }
}

function went(well: Said): Said {
  assert.equal(well.status, 0, well.stderr + well.stdout)
  return well
}

const stored = (world: World) => readFileSync(world.paths().certificate, 'utf8')
const namesIn = (pem: string) => new X509Certificate(pem).subjectAltName
/** Folders of lego's own. */
const left = (world: World) =>
  readdirSync(world.paths().certificates).filter((name) => name.startsWith('.lego') || name.endsWith('.tmp'))

describe('both', { concurrency: 8 }, () => {
  for (const [i, lego] of legos.entries()) {
    for (const kind of ['http', 'tls'] as const)
      test(`${lego.name}: listens by itself for ${kind}, where the config says`, async (t) => {
        const scene = await makeScene(t, lego)
        if (!scene) return
        // Each by an address of its own: at 127.0.0.1 the web server of the others listens.
        const [domain, address] = [`${kind}${i}.example.com`, `127.0.0.${i + 2}`]
        await ca.tell('add-a', { host: domain, addresses: [address] })
        const way =
          kind === 'http' ? { listenHTTP: `${address}:${ca.httpPort}` } : { listenTLS: `${address}:${ca.tlsPort}` }
        scene.world.configure({ certs: { [cert]: { domain, webroot: '', ...way } } })
        const { stderr } = went(await scene.renew())
        assert.match(stderr, kind === 'http' ? /lego: .*solve HTTP-01/ : /lego: .*solve TLS-ALPN-01/)
        assert.equal(namesIn(stored(scene.world)), `DNS:${domain}`)
      })

    test(`${lego.name}: run, skip, renew, other names; one account, and nothing of lego left`, async (t) => {
      const scene = await makeScene(t, lego)
      if (!scene) return
      const { world, renew } = scene
      const first = went(await renew())
      assert.match(first.stderr, /lego: .*acme: Obtaining[\s\S]*installed new certificate/)
      assert.equal(first.stderr.includes(hmac), false)
      const [account, old] = [accountUrl(world), stored(world)]
      assert.equal(namesIn(old), 'DNS:example.com')

      const settled = world.tree()
      assert.match(went(await renew()).stderr, /skipping renewal/)
      assert.deepEqual(changesBetween(settled, world.tree()), [])

      const renewed = went(await renew('--now'))
      assert.match(renewed.stderr, /lego: .*Trying renewal/)
      assert.notEqual(stored(world), old)
      assert.notDeepEqual(
        new X509Certificate(stored(world)).publicKey.export({ format: 'jwk' }),
        new X509Certificate(old).publicKey.export({ format: 'jwk' }),
      )

      world.configure({ certs: { [cert]: { domain: 'www.example.com' } } })
      went(await renew())
      assert.equal(namesIn(stored(world)), 'DNS:www.example.com')
      assert.equal(readFileSync(join(world.paths().out, 'fullchain.pem'), 'utf8'), stored(world))
      assert.equal(accountUrl(world), account)
      assert.deepEqual(left(world), [])
    })

    test(`${lego.name}: a request of one's own, and a key that is kept`, async (t) => {
      const scene = await makeScene(t, lego)
      if (!scene) return
      const { world, renew } = scene
      const [csr, csrKey] = ['own.csr', 'own.key'].map((file) => join(world.dir, file))
      const subject = ['-subj', '/CN=own.example.com', '-addext', 'subjectAltName=DNS:own.example.com']
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', csrKey ?? '']
      execFileSync('openssl', ['req', '-new', ...key, ...subject, '-out', csr ?? ''], { stdio: 'ignore' })
      const own = { domain: 'own.example.com', csr: csr ?? '', csrKey: csrKey ?? '' }
      world.configure({ certs: { [cert]: own } })
      went(await renew())
      const isOf = (pem: string) => new X509Certificate(stored(world)).checkPrivateKey(createPrivateKey(pem))
      assert.ok(isOf(readFileSync(csrKey ?? '', 'utf8')))

      world.configure({ certs: { [cert]: { domain: 'own.example.com', keyReuse: true } } })
      went(await renew())
      const [kept, old] = [readFileSync(world.paths().key, 'utf8'), stored(world)]
      went(await renew('--now'))
      assert.notEqual(stored(world), old)
      assert.ok(isOf(kept))
      assert.deepEqual(left(world), [])
    })
  }
})
