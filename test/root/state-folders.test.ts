// The folders of the state that root makes before user acme works: shared ones are root's, so that acme can put no link in
// their place; an older state, all of it acme's, is taken over; links and what belongs to others are left alone.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { asUser, nobody } from '../support/other-user.ts'
import { run } from '../support/process.ts'
import { cert } from '../support/world.ts'
import { giveToAcme } from './hostile.ts'
import { acme, type Machine, makeMachine } from './machine.ts'

const shared = ['', '.lego', '.lego/accounts']
const statsOf = (machine: Machine, paths: readonly string[]) =>
  paths.map((path) => {
    const { uid, gid, mode } = fs.lstatSync(join(machine.world.roots.state, path))
    return [uid, gid, mode & 0o7777]
  })
const sharedByRoot = shared.map(() => [0, 0, 0o755])

async function machineWithWebroot(t: TestContext): Promise<Machine> {
  const machine = await makeMachine(t)
  fs.chownSync(machine.world.webroot, acme.uid, acme.gid)
  return machine
}

/** The folders of a certificate, in shared ones. */
const leavesOf = ({ world }: Machine): string[] => [
  cert,
  `.lego/${cert}`,
  `.lego/accounts/${world.job().servers[0].hashes.account}`,
]

async function renewed(machine: Machine): Promise<void> {
  const { status, stdout, stderr } = await machine.nixacme(['renew', '--all'])
  assert.deepEqual([status, stdout], [0, ''], stderr)
  assert.ok(fs.existsSync(join(machine.world.roots.state, cert, 'key.pem')))
  assert.deepEqual(statsOf(machine, shared), sharedByRoot)
}

const states: Readonly<Record<string, (machine: Machine) => void | Promise<void>>> = {
  'that is missing': () => {},
  'of which root has made the root only': ({ world }) => fs.mkdirSync(world.roots.state, { mode: 0o755 }),
  'that is empty and acme’s': async ({ world }) => {
    fs.mkdirSync(world.roots.state)
    await giveToAcme(world.roots.state)
  },
  'whose leaves a killed run has left to root': (machine) => {
    for (const leaf of leavesOf(machine)) fs.mkdirSync(join(machine.world.roots.state, leaf), { recursive: true })
  },
}

for (const [what, prepare] of Object.entries(states))
  test(`a first run by root in a state ${what}`, async (t) => {
    if (!needs(t, 'root')) return
    const machine = await machineWithWebroot(t)
    await prepare(machine)
    await renewed(machine)
    assert.deepEqual(
      statsOf(machine, leavesOf(machine)),
      leavesOf(machine).map(() => [acme.uid, acme.gid, 0o750]),
    )
  })

test('each CA that may be asked has the folder of an account', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithWebroot(t)
  const { world } = machine
  world.configure({ certs: { [cert]: { servers: [world.ca.directoryUrl, 'https://other.test/dir'] } } })
  await renewed(machine)
  const accounts = world.job().servers.map(({ hashes }) => `.lego/accounts/${hashes.account}`)
  assert.equal(new Set(accounts).size, 2)
  assert.deepEqual(
    statsOf(machine, accounts),
    accounts.map(() => [acme.uid, acme.gid, 0o750]),
  )
})

test('an older state, all of it acme’s: renewed, and its shared folders are root’s then', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithWebroot(t)
  const { world } = machine
  await renewed(machine)
  await giveToAcme(world.roots.state)
  const before = world.ca.count()
  world.configure({ certs: { [cert]: { extraDomainNames: ['new.example.com'] } } })
  await renewed(machine)
  assert.ok(world.ca.count() > before, 'a renewal that took place')
})

test('user acme can put nothing in the place of a shared folder, nor of a certificate’s', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithWebroot(t)
  await renewed(machine)
  for (const path of ['.lego', '.lego/accounts', ...leavesOf(machine)]) {
    const at = join(machine.world.roots.state, path)
    const [mv = '', ...args] = asUser(acme, ['mv', at, `${at}.away`])
    const { status, stderr } = await run(mv, args)
    assert.deepEqual([status, /Permission denied/.test(stderr)], [1, true], `${path}: ${stderr}`)
  }
})

test('links of an older state are not followed: nothing is made or given away behind them', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithWebroot(t)
  const { world } = machine
  const { state } = world.roots
  const foreign = join(world.dir, 'foreign')
  const look = () =>
    ['', ...fs.readdirSync(foreign, { recursive: true, encoding: 'utf8' })].map((name) => {
      const { uid, gid, mode, ctimeNs } = fs.lstatSync(join(foreign, name), { bigint: true })
      return [name, uid, gid, mode, ctimeNs]
    })
  for (const link of ['.lego', '.lego/accounts', ...leavesOf(machine)]) {
    fs.rmSync(state, { recursive: true, force: true })
    fs.rmSync(foreign, { recursive: true, force: true })
    fs.mkdirSync(foreign, { mode: 0o755 })
    fs.mkdirSync(join(state, link, '..'), { recursive: true })
    fs.symlinkSync(foreign, join(state, link))
    await giveToAcme(state)
    const before = look()
    const { status } = await machine.nixacme(['renew', cert])
    assert.notEqual(status, 0, link)
    assert.deepEqual(look(), before, link)
    assert.equal(fs.lstatSync(join(state, link)).uid, acme.uid, 'the link itself')
  }
})

test('a folder of somebody else is left to him, and the run tells', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithWebroot(t)
  const { state } = machine.world.roots
  fs.mkdirSync(join(state, cert), { recursive: true, mode: 0o755 })
  fs.chownSync(join(state, cert), nobody.uid, nobody.gid)
  const { status, stderr } = await machine.nixacme(['renew', cert])
  assert.equal(status, 77, stderr)
  assert.match(stderr, /^nixacme: error: example\.com: cannot write '.*\/state\/example\.com': permission denied$/m)
  assert.deepEqual(statsOf(machine, [cert]), [[nobody.uid, nobody.gid, 0o755]])
})

test('a webroot below the state is made for acme', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t)
  const { world } = machine
  const webroot = join(world.roots.state, 'acme-challenge')
  fs.rmSync(world.webroot, { recursive: true })
  fs.symlinkSync(webroot, world.webroot)
  world.configure({ defaults: { group: 'acme', webroot } })
  await renewed(machine)
  assert.deepEqual(statsOf(machine, ['acme-challenge', 'acme-challenge/.well-known/acme-challenge']), [
    [acme.uid, acme.gid, 0o755],
    [acme.uid, acme.gid, 0o755],
  ])
})

test('selfsign makes its own, and selfsign-ca no more than the local CA', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t)
  const { state } = machine.world.roots
  assert.equal((await machine.nixacme(['selfsign-ca'])).status, 0)
  assert.deepEqual(fs.readdirSync(state), ['.minica'])
  assert.equal((await machine.nixacme(['selfsign', cert])).status, 0)
  assert.deepEqual(fs.readdirSync(join(state, '.lego')), [cert])
  assert.deepEqual(statsOf(machine, ['', '.lego', '.minica', cert, `.lego/${cert}`]), [
    [0, 0, 0o755],
    [0, 0, 0o755],
    ...[1, 2, 3].map(() => [acme.uid, acme.gid, 0o750]),
  ])
})
