// How a run of lego can end other than well, with a real lego and a CA that fails as it is told: what is typed, what is
// remembered, what is left.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { CaOptions } from '../ca/ca.ts'
import { needs } from '../support/needs.ts'
import { changesBetween, filesWith } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World } from '../support/world.ts'

const bySystem = { defaults: { engine: 'lego' } }

/** With a certificate by the native engine, then told to use lego. */
async function legoWorld(
  t: TestContext,
  way: 'in-process' | 'executable' = 'in-process',
  ca: CaOptions = {},
): Promise<World | undefined> {
  if (!needs(t, 'lego')) return undefined
  const world = await makeWorld(t, { way, ca })
  await world.issueAll()
  world.configure(bySystem)
  return world
}

/** PATH as it is here; the rest of the environment is the test's. */
const path = { PATH: process.env['PATH'] ?? '' }

/** The first order is left without an answer; resolves when it is there. */
const hanging = (world: World): Promise<void> =>
  new Promise((arrived) => {
    const end = world.ca.fault('newOrder', () => {
      end()
      arrived()
      return { status: 0, headers: {}, body: '', bare: true, transport: 'mute' }
    })
  })

/** A challenge of a run without lego that was killed; gives its path. */
function leftByNative(world: World): string {
  const folder = join(world.dir, 'old', '.well-known', 'acme-challenge')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'token')
  writeFileSync(path, 'token.thumbprint')
  mkdirSync(world.paths().certificates, { recursive: true })
  const ledger = JSON.stringify({ version: 1, traces: [{ kind: 'file', path }] })
  writeFileSync(world.paths().challenges, ledger, { mode: 0o600 })
  return path
}

const scratch = /\/\.lego\.\d+(-\d+)?\.tmp/

describe('ends', { concurrency: 3 }, () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    test(`${signal} while lego waits for the CA: all is as it was, and the next run needs no repair`, async (t) => {
      const world = await legoWorld(t, 'executable')
      if (!world) return
      const canary = 'canary/4711'
      const file = join(world.dir, 'password')
      writeFileSync(file, canary, { mode: 0o600 })
      const names = { extraDomainNames: ['www.example.com'] }
      world.configure({ ...bySystem, certs: { [cert]: { ...names, 'credentialFiles.HTTPREQ_PASSWORD_FILE': file } } })
      const before = world.tree()
      const asked = hanging(world)
      const running = world.spawn(['renew', '--now', cert], { env: path })
      await asked
      const { status, stderr } = await running.end(signal)
      if (signal === 'SIGTERM') {
        assert.equal(status, 75, stderr)
        assert.match(stderr, /stopped by SIGTERM/)
        assert.deepEqual(changesBetween(before, world.tree()), [])
      }
      const left = changesBetween(before, world.tree()).filter((change) => !scratch.test(change))
      assert.deepEqual(left, [])
      const folders = Object.values(world.roots)
      if (signal === 'SIGKILL') {
        const [found = '', ...more] = filesWith(canary, folders)
        assert.match(found, /\/\.lego\/example\.com\/\.lego\.[\d-]+\.tmp\/secrets\/HTTPREQ_PASSWORD_FILE$/)
        assert.deepEqual([more, statSync(found).mode & 0o077, statSync(dirname(found)).mode & 0o077], [[], 0, 0])
        const { status, stderr } = await world.nixacme(['renew', cert], { env: path })
        assert.equal(status, 0, stderr)
        assert.match(stderr, /skipping renewal/)
        assert.deepEqual(world.ca.count('newOrder'), 1)
      }
      assert.deepEqual(filesWith(canary, folders), [])
      assert.equal(
        readdirSync(world.paths().legoCert).some((name) => scratch.test(`/${name}`)),
        false,
      )

      // The other engine goes on with the same folder.
      world.configure({})
      const again = await world.nixacme(['renew', '--now', cert])
      assert.equal(again.status, 0, again.stderr)
    })

  test('a limit of the CA is told as one, and remembered', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    world.ca.fault('newOrder', { do: 'problem', type: 'rateLimited', status: 429, detail: 'too many of them' })
    const before = world.tree()
    const said = await world.nixacme(['renew', '--now', cert])
    assert.equal(said.status, 75, said.stderr)
    assert.match(errorsIn(said).join(), /the CA refused lego's order of .*: rateLimited: too many of them/)
    assert.deepEqual(changesBetween(before, world.tree()), [])
    const [plan] = JSON.parse((await world.nixacme(['plan', '--json'])).stdout)
    assert.equal(plan.engine, 'lego')
  })

  test('a refusal of the CA is told with its type', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    world.ca.fault('newOrder', { do: 'problem', type: 'rejectedIdentifier', status: 400, detail: 'not this one' })
    const said = await world.nixacme(['renew', '--now', cert])
    assert.equal(said.status, 76, said.stderr)
    assert.match(errorsIn(said).join(), /rejectedIdentifier: not this one/)
  })

  test('an order that replaces what is replaced already does not count: the one without takes its place', async (t) => {
    // Of 160 hours, so that each order that counts holds the next one back; lego, whose clock is the machine's, would
    // wait for a window to come.
    const [start, end] = [-2, -1].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString())
    const window = { start: String(start), end: String(end) }
    const ca = { renewalInfo: { window, retryAfter: 21_600 }, lifetime: { seconds: 160 * 3600 } }
    const world = await legoWorld(t, 'in-process', ca)
    if (!world) return
    // Older ones send no 'replaces': the first order is refused whatever is in it.
    world.ca.fault('newOrder', { do: 'problem', type: 'alreadyReplaced', status: 409, times: 1 })
    const later = () => new Date(Date.now() + 130 * 3_600_000)
    const said = await world.nixacme(['renew', cert], { now: later })
    assert.equal(said.status, 0, said.stderr)
    assert.match(said.stderr, /alreadyReplaced/)
    assert.match(said.stderr, /installed new certificate/)
    const { orders } = JSON.parse(readFileSync(world.paths().memory, 'utf8'))
    // The one without lego, and this one.
    assert.deepEqual([world.ca.count('newOrder'), world.ca.stats.orders, orders.length], [2, 2, 2])
  })

  test('an account that the CA has lost is registered again, once', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    const end = world.ca.fault('newOrder', () => {
      end()
      const problem = { type: 'urn:ietf:params:acme:error:accountDoesNotExist', status: 400, detail: 'who' }
      const headers = { 'content-type': 'application/problem+json' }
      return { status: 400, headers, body: JSON.stringify(problem) }
    })
    world.ca.fault('finalize', { do: 'problem', type: 'badCSR', status: 400, detail: 'so far' })
    const { stderr } = await world.nixacme(['renew', '--now', cert])
    assert.match(stderr, /the CA does not know account '.*' any more, registering again/)
    assert.match(stderr, /badCSR: so far/)
  })

  test('credentials that the DNS provider refuses are told, and not shown', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    const seen: (string | undefined)[] = []
    const provider = createServer((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(401).end('wrong password')
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    t.after(() => provider.close())
    const { port } = provider.address() as AddressInfo
    const canary = 'canary/4711'
    const environmentFile = join(world.dir, 'credentials')
    const variables = { HTTPREQ_ENDPOINT: `http://127.0.0.1:${port}`, HTTPREQ_USERNAME: 'me', HTTPREQ_PASSWORD: canary }
    const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(environmentFile, text.join(''), { mode: 0o600 })
    world.configure({ defaults: { engine: 'lego', dnsProvider: 'httpreq', webroot: '', environmentFile } })
    const left = leftByNative(world)
    const said = await world.nixacme(['renew', '--now', cert])
    assert.equal(said.status, 76, said.stderr)
    assert.match(said.stderr, /lego: .*Preparing to solve DNS-01/)
    assert.match(errorsIn(said).join(), /401/)
    assert.equal(seen[0], `Basic ${Buffer.from(`me:${canary}`).toString('base64')}`)
    assert.equal(said.stderr.includes(canary), false)
    assert.deepEqual(readdirSync(world.paths().certificates), ['nixacme.json'])
    assert.deepEqual([existsSync(left), existsSync(world.paths().challenges)], [false, false])
  })

  test('what lego lacks before it orders is no order', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    const ordersBefore = world.ca.requests.filter(({ kind }) => kind === 'newOrder').length
    world.configure({ defaults: { engine: 'lego', dnsProvider: 'httpreq', webroot: '' } })
    const said = await world.nixacme(['renew', '--now', cert])
    assert.equal(said.status, 78, said.stderr)
    assert.match(errorsIn(said).join(), /httpreq: some credentials information are missing/)
    assert.equal(world.ca.requests.filter(({ kind }) => kind === 'newOrder').length, ordersBefore)
    const { orders, failure } = JSON.parse(readFileSync(world.paths().memory, 'utf8'))
    assert.deepEqual([orders, failure.kind], [[], 'local'])
  })

  test('an order that was placed counts, however much lego says of it before it finds what it lacks', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    const talking = join(world.dir, 'lego')
    const script = [
      '#!/bin/sh',
      'case $1 in --help | help | migrate) exec lego "$@" ;; esac',
      'echo "[INFO] [example.com] acme: Obtaining bundled SAN certificate"',
      'seq -f "[INFO] %g" 300',
      'echo "open /etc/hook: permission denied"',
      'exit 1',
    ]
    writeFileSync(talking, script.map((line) => `${line}\n`).join(''), { mode: 0o755 })
    world.configure({ defaults: { engine: 'lego', legoPath: talking } })
    const said = await world.nixacme(['renew', '--now', cert])
    assert.equal(said.status, 78, said.stderr)
    const { orders } = JSON.parse(readFileSync(world.paths().memory, 'utf8'))
    // The one without lego, and this one.
    assert.equal(orders.length, 2)
  })

  test('no order is placed where the installed lego cannot do what is wanted', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    world.configure({ defaults: { engine: 'lego', legoPath: '/bin/true' } })
    const said = await world.nixacme(['renew', '--now', cert])
    assert.equal(said.status, 78, said.stderr)
    assert.match(errorsIn(said).join(), /'\/bin\/true' is no lego of version 4 or 5/)
    assert.equal(world.ca.requests.length, 0)
  })

  test('a dry run starts nothing at the CA', async (t) => {
    const world = await legoWorld(t)
    if (!world) return
    const said = await world.nixacme(['renew', '--now', '--dry-run', cert])
    assert.equal(said.status, 0, said.stderr)
    assert.match(said.stderr, /dry run: lego .* at '.*' and the CA answer/)
    assert.deepEqual(
      world.ca.requests.filter(({ kind }) => kind !== 'directory'),
      [],
    )
  })
})

test('a missing lego is told by check, and by a run that has something to do', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', ...bySystem })
  const nowhere = { env: { PATH: '/nonexistent' } }
  const checked = await world.nixacme(['check'], nowhere)
  assert.deepEqual(
    [checked.status, /warning: engine = "lego" needs the program 'lego'/.test(checked.stderr)],
    [0, true],
  )
  assert.match(checked.stdout, /, by lego$/m)
  const said = await world.nixacme(['renew', cert], nowhere)
  assert.equal(said.status, 78)
  assert.match(errorsIn(said).join(), /needs the program 'lego', which is not in PATH/)

  const notExecutable = join(world.dir, 'lego')
  writeFileSync(notExecutable, '')
  world.configure({ defaults: { engine: 'lego', legoPath: notExecutable } })
  assert.match((await world.nixacme(['check'])).stderr, /option 'legoPath' is no program that can be run/)
})
