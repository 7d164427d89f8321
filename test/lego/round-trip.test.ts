// lego and nixacme on one state, in both directions and on a tree as NixOS leaves it: the account stays the same, nobody
// registers again, and each goes on with what the other wrote.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { KeyType } from '../../src/config/config.ts'
import { type Pebble, serve, startPebble } from '../support/pebble.ts'
import { changesBetween, treeOf } from '../support/tree.ts'
import { cert, makeWorld, type Said, type World } from '../support/world.ts'
import {
  accountUrl,
  copyToOut,
  type Lego,
  legoFirst,
  legoRenew,
  legos,
  needsLego,
  nixosDump,
  stateDirectories,
} from './nixos.ts'

interface Scene {
  readonly world: World
  /** Of this scene alone, so that its requests can be counted. */
  readonly ca: Pebble
  /** Resolves when Pebble has told of two downloads: registrations so far, and processes that talked to it (each asks
   * for the directory once). */
  counted(): Promise<[registrations: number, talks: number]>
}

async function makeScene(t: TestContext, lego: Lego, keyType: KeyType): Promise<Scene | undefined> {
  if (!needsLego(t, lego)) return undefined
  const ca = await startPebble()
  t.after(() => ca.stop())
  const defaults = { server: ca.directoryUrl, caCertificates: [ca.tlsRoot], keyType }
  const world = await makeWorld(t, { defaults })
  const web = await serve(world.webroot, ca.httpPort)
  t.after(() => web.stop())
  return {
    world,
    ca,
    async counted() {
      await ca.logged('POST /certZ/', 2)
      return [ca.count('POST /sign-me-up'), ca.count('GET /dir ')]
    },
  }
}

function went(well: Said): Said {
  assert.equal(well.status, 0, well.stderr + well.stdout)
  return well
}

const shown = (world: World, name: string) => readFileSync(join(world.paths().out, name), 'utf8')
const stored = (world: World) => readFileSync(world.paths().certificate, 'utf8')

async function planned(world: World): Promise<{ action: string; caRequests: number }> {
  const [report] = JSON.parse(went(await world.nixacme(['plan', '--json'])).stdout)
  return report
}

for (const lego of legos)
  describe(lego.name, { concurrency: 3 }, () => {
    for (const keyType of ['ec256', 'rsa2048'] as const) {
      test(`${keyType}: nixacme first, lego renews, nixacme installs what lego got`, async (t) => {
        const scene = await makeScene(t, lego, keyType)
        if (!scene) return
        const { world, ca } = scene
        went(await world.nixacme(['renew', cert]))
        const [account, first] = [accountUrl(world), stored(world)]
        const said = went(await legoRenew(world, lego, ca.tlsRoot))
        assert.notEqual(stored(world), first, said.stderr)
        assert.equal(accountUrl(world), account)

        const { stderr } = went(await world.nixacme(['renew', cert]))
        assert.match(stderr, /skipping renewal: [\s\S]*installed new certificate/)
        assert.equal(shown(world, 'fullchain.pem'), stored(world))
        assert.equal(shown(world, 'full.pem'), readFileSync(world.paths().key, 'utf8') + stored(world))
        assert.equal((await planned(world)).action, 'skip')
        assert.deepEqual(await scene.counted(), [1, 2])
      })

      test(`${keyType}: lego first, nixacme finds it fresh, then renews it with the same account`, async (t) => {
        const scene = await makeScene(t, lego, keyType)
        if (!scene) return
        const { world, ca } = scene
        went(await legoFirst(world, lego, ca.tlsRoot))
        const [account, first] = [accountUrl(world), stored(world)]
        const plan = await planned(world)
        assert.deepEqual([plan.action, plan.caRequests], ['skip', 0])
        went(await world.nixacme(['renew', '--now', cert]))
        assert.notEqual(stored(world), first)
        assert.equal(accountUrl(world), account)
        assert.equal(new X509Certificate(stored(world)).subjectAltName, 'DNS:example.com, DNS:www.example.com')
        assert.deepEqual(await scene.counted(), [1, 2])
      })
    }

    test('a tree as NixOS leaves it, with its own config as JSON: no request, the same files for services', async (t) => {
      const scene = await makeScene(t, lego, 'ec256')
      if (!scene) return
      const { world, ca } = scene
      stateDirectories(world)
      went(await legoFirst(world, lego, ca.tlsRoot))
      copyToOut(world)
      const account = accountUrl(world)
      const config = join(world.dir, 'etc', 'config.json')
      writeFileSync(config, nixosDump(world))
      const host = { env: { NIXACME_CONFIG: config, LEGO_CA_CERTIFICATES: ca.tlsRoot } }
      went(await world.nixacme(['check'], host))

      const names = ['cert.pem', 'chain.pem', 'full.pem', 'fullchain.pem', 'key.pem']
      const whatServicesRead = () => names.map((name) => shown(world, name))
      const [files, untouched] = [whatServicesRead(), treeOf([world.paths().lego])]
      const skipped = went(await world.nixacme(['renew', cert], host))
      assert.match(skipped.stderr, /skipping renewal/)
      assert.deepEqual(whatServicesRead(), files)
      assert.deepEqual(changesBetween(untouched, treeOf([world.paths().lego])), [])
      const settled = world.tree()
      went(await world.nixacme(['renew', cert], host))
      assert.deepEqual(changesBetween(settled, world.tree()), [])

      const old = shown(world, 'full.pem')
      const renewed = went(await world.nixacme(['renew', '--now', cert], host))
      assert.match(renewed.stderr, /installed new certificate/)
      assert.notEqual(shown(world, 'full.pem'), old)
      assert.equal(shown(world, 'fullchain.pem'), stored(world))
      assert.equal(accountUrl(world), account)
      assert.deepEqual(await scene.counted(), [1, 2])
    })
  })
