// `revoke` and `compromise` by root: user acme does the work, root runs the hooks before anything is revoked; and what user
// acme may not do alone.
import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { cert, errorsIn } from '../support/world.ts'
import { acme, type Machine, makeMachine } from './machine.ts'

async function started(t: TestContext, group = 'acme'): Promise<Machine> {
  const machine = await makeMachine(t)
  const { world } = machine
  world.configure({ defaults: { group, postRun: `{ id -un; cat fullchain.pem; } > '${world.dir}/hook'` } })
  const { status, stderr } = await machine.run(['chown', `${acme.uid}:${acme.gid}`, world.webroot])
  assert.equal(status, 0, stderr)
  assert.equal((await machine.nixacme(['apply'])).status, 0)
  const renewed = await machine.nixacme(['renew', cert])
  assert.equal(renewed.status, 0, renewed.stderr)
  return machine
}

const shown = ({ world }: Machine) => readFileSync(join(world.roots.state, cert, 'fullchain.pem'), 'utf8')

test("compromise by root: the files are acme's alone, the hook is root's, and comes before the revocation", async (t) => {
  if (!needs(t, 'root')) return
  const machine = await started(t, 'web')
  const { world } = machine
  const old = shown(machine)
  let hookThen = ''
  world.ca.fault('revokeCert', (exchange) => {
    hookThen = readFileSync(join(world.dir, 'hook'), 'utf8')
    return exchange.next()
  })
  const preview = await machine.nixacme(['compromise', cert])
  assert.deepEqual([preview.status, /^replaced, never used again, and revoked/.test(preview.stdout)], [64, true])
  const said = await machine.nixacme(['compromise', cert, '--yes'])
  assert.deepEqual([said.status, said.stdout], [0, ''], said.stderr)
  assert.equal(hookThen, `root\n${shown(machine)}`)
  assert.equal(world.ca.revocationOf(old), 1)
  const { compromised } = world.paths()
  const [batch = ''] = readdirSync(compromised)
  const paths = [compromised, join(compromised, batch)]
  for (const path of [
    ...paths,
    ...readdirSync(join(compromised, batch)).map((name) => join(compromised, batch, name)),
  ]) {
    const { uid, gid, mode } = lstatSync(path)
    assert.deepEqual([path, uid, gid, mode & 0o077], [path, acme.uid, acme.gid, 0])
  }
  assert.equal((await machine.nixacme(['fix-permissions'])).stderr, '')
})

test('revoke by root, and by user acme; its file is read by root', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await started(t)
  const { world } = machine
  const first = shown(machine)
  const file = join(world.dir, 'secret.pem')
  assert.equal((await machine.run(['install', '-m', '600', join(world.paths().out, 'fullchain.pem'), file])).status, 0)
  assert.equal((await machine.nixacme(['renew', '--now', cert])).status, 0)
  const byFile = await machine.nixacme(['revoke', cert, '--reason', 'superseded', '--file', file, '--yes'])
  assert.deepEqual([byFile.status, byFile.stdout], [0, ''], byFile.stderr)
  assert.equal(world.ca.revocationOf(first), 4)
  const second = shown(machine)
  const asked = await machine.nixacme(['revoke', cert])
  assert.equal(asked.status, 64, asked.stderr)
  assert.match(asked.stdout, /^serial /m)
  const byAcme = await machine.nixacme(['revoke', cert, '--yes'], { as: acme })
  assert.equal(byAcme.status, 0, byAcme.stderr)
  assert.equal(world.ca.revocationOf(second), 0)
  assert.match((await machine.nixacme(['plan'])).stdout, /run .*the certificate is revoked/)
})

test('user acme runs no hooks, so it does not revoke what services have not been told of: 77', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await started(t)
  const old = shown(machine)
  const said = await machine.nixacme(['compromise', cert, '--yes'], { as: acme })
  assert.equal(said.status, 77, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /the services have to be told/)
  assert.deepEqual([shown(machine) === old, machine.world.ca.revocationOf(old)], [true, undefined])
})
