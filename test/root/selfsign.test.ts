// selfsign started by root: user acme does the work, root runs the hook; and as the unit starts it, as user acme.
import assert from 'node:assert/strict'
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { cert, errorsIn } from '../support/world.ts'
import { acme, type Machine, makeMachine } from './machine.ts'
import { installed, stateOf } from './owners.ts'

const wholeState = [
  '.lego 755 root:root',
  '.lego/example.com 750 acme:web',
  '.minica 750 acme:acme',
  '.minica/cert.pem 600 acme:acme',
  '.minica/key.pem 600 acme:acme',
  ...installed('640 acme:web'),
]

async function machineWithHook(t: TestContext, group: string): Promise<Machine> {
  const machine = await makeMachine(t)
  const { world } = machine
  world.configure({ defaults: { group, postRun: `{ id -un; echo "$NIXACME_KIND"; } >> '${world.dir}/hook'` } })
  return machine
}

const hookOf = ({ world }: Machine): string => readFileSync(join(world.dir, 'hook'), 'utf8')

for (const umask of ['0022', '0077'])
  test(`by root, umask ${umask}: acme owns all of it, the hook is root's, once`, async (t) => {
    if (!needs(t, 'root')) return
    const machine = await machineWithHook(t, 'web')
    const { world, program } = machine
    const command = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', process.execPath, program, 'selfsign', cert]
    for (const said of [/installed self-signed certificate/, /no self-signed certificate needed/]) {
      const { status, stdout, stderr } = await machine.run(command, { env: world.env })
      assert.deepEqual([status, stdout], [0, ''], stderr)
      assert.match(stderr, said)
      assert.deepEqual(stateOf(machine), wholeState)
      assert.equal(hookOf(machine), 'root\nselfsigned\n')
    }
  })

test('selfsign-ca by root: the CA is that of user acme', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithHook(t, 'web')
  const { status, stdout, stderr } = await machine.nixacme(['selfsign-ca'])
  assert.deepEqual([status, stdout], [0, ''], stderr)
  const ca = wholeState.filter((line) => line.startsWith('.minica'))
  assert.deepEqual(stateOf(machine), ca)
  const key = readFileSync(join(machine.world.roots.state, '.minica', 'key.pem'), 'utf8')
  assert.equal((await machine.nixacme(['selfsign', cert])).status, 0)
  assert.equal(readFileSync(join(machine.world.roots.state, '.minica', 'key.pem'), 'utf8'), key)
})

test('as user acme, as in the unit: no hook, the marker stays for post-run as root', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithHook(t, 'acme')
  const { roots } = machine.world
  mkdirSync(roots.state)
  chownSync(roots.state, acme.uid, acme.gid)
  assert.equal((await machine.nixacme(['apply', '--no-systemctl'])).status, 0)
  const made = await machine.nixacme(['selfsign', cert], { as: acme })
  assert.equal(made.status, 0, made.stderr)
  assert.deepEqual(
    [existsSync(join(machine.world.dir, 'hook')), existsSync(join(roots.state, cert, 'renewed'))],
    [false, true],
  )
  assert.equal((await machine.nixacme(['post-run', cert])).status, 0)
  assert.equal(hookOf(machine), 'root\nselfsigned\n')
})

test('no user acme: 78, and no file', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t, { users: false })
  for (const args of [['selfsign', cert], ['selfsign-ca']]) {
    const said = await machine.nixacme(args)
    assert.deepEqual([said.status, said.stdout], [78, ''])
    assert.deepEqual(errorsIn(said), ["the user 'acme' does not exist"])
  }
  assert.equal(existsSync(machine.world.roots.state), false)
})
