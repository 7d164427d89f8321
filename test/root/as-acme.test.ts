// Root starts it, user acme does the work, root runs the hook: owners and modes of every file (contract 1.6), what the
// child may know, and the ways in which a machine has no such user.
import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/needs.ts'
import { nobody } from '../support/other-user.ts'
import { cert, errorsIn } from '../support/world.ts'
import { acme, type Machine, makeMachine, web } from './machine.ts'
import { installed, ownersOf, stateOf } from './owners.ts'

/** The whole state after a first run for a certificate of group web. */
const wholeState = [
  '.lego 755 root:root',
  '.lego/accounts 755 root:root',
  '.lego/accounts/ACCOUNT 750 acme:web',
  '.lego/accounts/ACCOUNT/CA 700 acme:acme',
  '.lego/accounts/ACCOUNT/CA/admin@example.com 700 acme:acme',
  '.lego/accounts/ACCOUNT/CA/admin@example.com/account.json 600 acme:acme',
  '.lego/accounts/ACCOUNT/CA/admin@example.com/keys 700 acme:acme',
  '.lego/accounts/ACCOUNT/CA/admin@example.com/keys/admin@example.com.key 600 acme:acme',
  '.lego/example.com 750 acme:web',
  '.lego/example.com/CERTDIR 750 acme:web',
  '.lego/example.com/CERTDIR/domainhash.txt 640 acme:web',
  '.lego/example.com/CERTDIR/example.com.crt 640 acme:web',
  '.lego/example.com/CERTDIR/example.com.issuer.crt 640 acme:web',
  '.lego/example.com/CERTDIR/example.com.json 640 acme:web',
  '.lego/example.com/CERTDIR/example.com.key 640 acme:web',
  '.lego/example.com/CERTDIR/nixacme.json 640 acme:web',
  '.renewal-info 750 acme:acme',
  '.renewal-info/example.com.json 640 acme:acme',
  ...installed('-> fullchain.pem acme:acme'),
]

/** A hook that tells who and where it is; root's own folder takes its words. */
const tellingHook = (dir: string) => `{ id -un; pwd -P; ls; } >> '${dir}/hook'`

async function machineWithHook(t: TestContext): Promise<Machine> {
  const machine = await makeMachine(t, { defaults: { group: 'web' } })
  machine.world.configure({ defaults: { group: 'web', postRun: tellingHook(machine.world.dir) } })
  // As its package would leave it: the web server's folder, in which acme may put challenges.
  chownSync(machine.world.webroot, acme.uid, acme.gid)
  return machine
}

const hookOf = ({ world }: Machine): string => readFileSync(join(world.dir, 'hook'), 'utf8')

for (const umask of ['0022', '0077', '0000'])
  test(`renew by root, umask ${umask}: acme owns all of it, the hook is root's`, async (t) => {
    if (!needs(t, 'root')) return
    const machine = await machineWithHook(t)
    const { world, program } = machine
    const command = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', process.execPath, program, 'renew', cert]
    const { status, stdout, stderr } = await machine.run(command, { env: world.env })
    assert.deepEqual([status, stdout], [0, ''], stderr)
    assert.deepEqual(stateOf(machine), wholeState)
    const { mode, uid } = lstatSync(world.roots.state)
    assert.deepEqual([mode & 0o777, uid], [0o755, 0])
    const runtime = lstatSync(world.roots.runtime)
    assert.deepEqual([runtime.mode & 0o777, runtime.uid], [0o700, acme.uid])
    const out = join(world.roots.state, cert)
    assert.equal(hookOf(machine), `root\n${out}\ncert.pem\nchain.pem\ncurrent\nfull.pem\nfullchain.pem\nkey.pem\n`)
    const challenges = lstatSync(join(world.webroot, '.well-known', 'acme-challenge'))
    assert.deepEqual([challenges.mode & 0o777, ownersOf(challenges)], [0o755, 'acme:web'])
  })

test('plan before, skip after: root sees the same as acme', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithHook(t)
  assert.match((await machine.nixacme(['plan'])).stdout, /example\.com +run /)
  assert.equal((await machine.nixacme(['apply'])).status, 0)
  assert.equal((await machine.nixacme(['renew', '--all'])).status, 0)
  machine.world.ca.reset()
  const before = hookOf(machine)
  const again = await machine.nixacme(['renew', '--json', '--all'])
  assert.equal(again.status, 0, again.stderr)
  assert.match(again.stdout, /"action": "skip"/)
  assert.match((await machine.nixacme(['plan'])).stdout, /example\.com +skip /)
  assert.deepEqual([machine.world.ca.count(), hookOf(machine)], [0, before])
})

test("the child that works knows nothing of root's environment", async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithHook(t)
  // The CA does not answer: the child is there to be looked at.
  const asked = new Promise<void>((resolve) => {
    machine.world.ca.fault('newOrder', () => {
      resolve()
      return { status: 0, headers: {}, body: '', bare: true, transport: 'mute' }
    })
  })
  const running = machine.nixacme(['renew', cert], {
    env: { CANARY: 'tweet', LANG: 'C.UTF-8', SSL_CERT_DIR: '/roots' },
  })
  await asked
  const children = readdirSync('/proc').flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      const isOurs = command.includes(machine.program) && command.includes('work-as-acme')
      return isOurs
        ? [
            {
              pid,
              command,
              env: readFileSync(`/proc/${pid}/environ`, 'utf8'),
              status: readFileSync(`/proc/${pid}/status`, 'utf8'),
            },
          ]
        : []
    } catch {
      return []
    }
  })
  const [child, ...more] = children
  assert.deepEqual(more, [])
  assert.ok(child)
  process.kill(Number(child.pid), 'SIGTERM')
  const { status, stderr } = await running
  assert.equal(status, 75, stderr)
  assert.match(child.env, /LANG=C\.UTF-8/)
  assert.match(child.env, /SSL_CERT_DIR=\/roots/)
  assert.doesNotMatch(child.env, /CANARY|tweet|HOME=/)
  assert.doesNotMatch(child.command, /postRun|id -un/)
  assert.match(child.status, new RegExp(`^Uid:\\t${acme.uid}\\t${acme.uid}\\t${acme.uid}\\t${acme.uid}$`, 'm'))
  assert.match(child.status, new RegExp(`^Gid:\\t${acme.gid}\\t`, 'm'))
  assert.match(child.status, new RegExp(`^Groups:\\t${acme.gid} ${web.gid} $`, 'm'))
  assert.match(child.status, /^CapEff:\t0+$/m)
})

test('no user acme: 78 with the command that makes it, and no file', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t, { users: false })
  const said = await machine.nixacme(['renew', cert])
  assert.deepEqual([said.status, said.stdout], [78, ''])
  assert.deepEqual(errorsIn(said), ["the user 'acme' does not exist"])
  assert.match(said.stderr, /^nixacme: hint: make it: useradd --system /m)
  assert.deepEqual([existsSync(machine.world.roots.state), machine.world.ca.count()], [false, 0])
})

test('a group that does not exist: 78 before the CA is asked', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t, { defaults: { group: 'nosuchgroup' } })
  const said = await machine.nixacme(['renew', cert])
  assert.equal(said.status, 78, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /the group 'nosuchgroup' does not exist/)
  assert.match(said.stderr, /groupadd --system nosuchgroup/)
  assert.equal(machine.world.ca.count(), 0)
})

test('user acme itself: no hook, the marker stays; post-run as root takes it, once', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await machineWithHook(t)
  const { world } = machine
  // As tmpfiles and StateDirectory= would make them.
  mkdirSync(world.roots.runtime)
  chownSync(world.roots.runtime, acme.uid, acme.gid)
  const { account } = world.job().servers[0].hashes
  for (const leaf of [cert, `.lego/${cert}`, `.lego/accounts/${account}`]) {
    mkdirSync(join(world.roots.state, leaf), { recursive: true })
    chownSync(join(world.roots.state, leaf), acme.uid, acme.gid)
  }
  world.configure({ defaults: { group: 'acme', postRun: tellingHook(world.dir) } })
  assert.equal((await machine.nixacme(['apply'])).status, 0)
  const renewed = await machine.nixacme(['renew', cert], { as: acme })
  assert.deepEqual([renewed.status, renewed.stdout], [0, ''], renewed.stderr)
  const marker = join(world.roots.state, cert, 'renewed')
  assert.deepEqual([existsSync(marker), existsSync(join(world.dir, 'hook'))], [true, false])
  const told = await machine.nixacme(['post-run', cert])
  assert.deepEqual([told.status, told.stdout], [0, ''], told.stderr)
  assert.match(hookOf(machine), /^root\n/)
  assert.equal(existsSync(marker), false)
  const again = await machine.nixacme(['post-run', cert])
  assert.deepEqual([again.status, again.stdout, again.stderr], [0, '', ''])
  assert.equal(hookOf(machine).split('root\n').length, 2)
})

test('an unprivileged user in folders of his own, without any user acme: all of it, hooks too', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t, { users: false })
  const { world } = machine
  const own = join(world.dir, 'own')
  mkdirSync(own)
  for (const path of [own, world.webroot]) chownSync(path, nobody.uid, nobody.gid)
  chmodSync(world.configFile, 0o644)
  world.configure({ defaults: { group: 'acme', postRun: `{ id -u; pwd -P; } > '${own}/hook'` } })
  const folders = {
    NIXACME_STATE_DIR: join(own, 'state'),
    NIXACME_RUNTIME_DIR: join(own, 'run'),
    NIXACME_JOBS_DIR: join(own, 'jobs'),
  }
  const as = nobody
  assert.equal((await machine.nixacme(['apply'], { as, env: folders })).status, 0)
  const { status, stdout, stderr } = await machine.nixacme(['renew', '--all'], { as, env: folders })
  assert.deepEqual([status, stdout], [0, ''], stderr)
  const out = join(own, 'state', cert)
  assert.equal(readFileSync(join(own, 'hook'), 'utf8'), `${nobody.uid}\n${out}\n`)
  assert.equal(existsSync(join(out, 'renewed')), false)
  const key = lstatSync(join(out, 'current', 'key.pem'))
  assert.deepEqual([key.mode & 0o777, key.uid, key.gid], [0o640, nobody.uid, nobody.gid])
})
