// Credentials of a run that root starts: root reads the files, user acme works with them, and nobody else sees a word.
import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { jobPath } from '../../src/job/paths.ts'
import { needs } from '../support/needs.ts'
import { cert, errorsIn } from '../support/world.ts'
import { acme, type Machine, makeMachine } from './machine.ts'

const kid = 'k1d-canary'
const hmac = 'aG1hYy1jYW5hcnktaG1hYy1jYW5hcnktaG1hYy1jYW5hcnk'

async function start(t: TestContext): Promise<Machine> {
  const machine = await makeMachine(t, { ca: { externalAccounts: { [kid]: hmac }, validate: 'always' } })
  const { world } = machine
  chmodSync(world.webroot, 0o777)
  return machine
}

/** A file that only root may read; `mode` for one that others may write. */
function put({ world }: Machine, name: string, text: string, mode = 0o600): string {
  const path = join(world.dir, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

/** `credentialFiles` for all certificates, at the end of the config. */
const withTable = ({ world: { configFile } }: Machine, paths: Readonly<Record<string, string>>) =>
  appendFileSync(
    configFile,
    ['\n[defaults.credentialFiles]', ...Object.entries(paths).map(([name, path]) => `${name} = "${path}"`), ''].join(
      '\n',
    ),
  )

/** All that other users can see of the processes of this run. */
const visible = (): string =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid))
    .flatMap((pid) =>
      ['cmdline', 'environ'].map((file) => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, 'utf8')
        } catch {
          return ''
        }
      }),
    )
    .join('\n')

const sources: Readonly<Record<string, (machine: Machine) => void>> = {
  credentialFiles(machine) {
    withTable(machine, {
      LEGO_EAB_KID_FILE: put(machine, 'kid', `${kid}\n`),
      LEGO_EAB_HMAC_FILE: put(machine, 'hmac', `${hmac}\n`),
    })
  },
  environmentFile(machine) {
    const path = put(machine, 'variables', `# of the CA\nLEGO_EAB_KID=${kid}\nLEGO_EAB_HMAC="${hmac}"\n`)
    machine.world.configure({ defaults: { group: 'acme', environmentFile: path } })
  },
}

for (const [name, configure] of Object.entries(sources))
  test(`${name}: root's run registers with it, and it is in no word, argument, variable or file`, async (t) => {
    if (!needs(t, 'root')) return
    const machine = await start(t)
    const { world } = machine
    configure(machine)
    const applied = await machine.nixacme(['apply'])
    assert.equal(applied.status, 0, applied.stderr)
    let seen = ''
    world.ca.fault('newAccount', ({ next }) => {
      seen = visible()
      return next()
    })
    const { status, stdout, stderr } = await machine.nixacme(['renew', cert])
    assert.equal(status, 0, stderr)
    assert.ok(seen.includes('work-as-acme'))
    const { accountJson } = world.paths()
    const job = readFileSync(jobPath(world.roots, cert), 'utf8')
    for (const text of [stdout, stderr, seen, job, readFileSync(accountJson, 'utf8')])
      for (const secret of [hmac, kid]) assert.ok(!text.includes(secret))
    for (const args of [['show'], ['rollover', cert], ['update', cert]]) {
      const said = await machine.nixacme(['account', ...args])
      assert.equal(said.status, 0, said.stderr)
    }
    const { accountKey } = world.paths()
    for (const path of [accountJson, accountKey]) {
      const { uid, mode } = lstatSync(path)
      assert.deepEqual([uid, mode & 0o777], [acme.uid, 0o600])
    }
  })

test('a file that others may write is not read: 77, told where it is wanted; nothing due, no word of it', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await start(t)
  const { world } = machine
  const kidFile = put(machine, 'kid', kid)
  const hmacFile = put(machine, 'hmac', hmac, 0o622)
  withTable(machine, { LEGO_EAB_KID_FILE: kidFile, LEGO_EAB_HMAC_FILE: hmacFile })
  const refused = await machine.nixacme(['renew', cert])
  assert.equal(refused.status, 77, refused.stderr)
  assert.match(errorsIn(refused)[0] ?? '', /the file of 'LEGO_EAB_HMAC_FILE' '.*' is not to be trusted/)
  assert.equal(world.ca.count('newAccount'), 0)
  chmodSync(hmacFile, 0o600)
  assert.equal((await machine.nixacme(['renew', '--now', cert])).status, 0)
  chmodSync(hmacFile, 0o622)
  const skipped = await machine.nixacme(['renew', cert])
  assert.equal(skipped.status, 0, skipped.stderr)
  assert.match(skipped.stderr, /skipping renewal/)
})
