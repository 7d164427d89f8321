// `revoke`: who signs, what is said, and that no run takes a revoked certificate for a good one again.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { changesBetween } from '../support/tree.ts'
import { cert, day, errorsIn, makeWorld, type World } from '../support/world.ts'

const way = 'in-process'

const shown = (world: World) => readFileSync(join(world.paths().out, 'fullchain.pem'), 'utf8')
const installedKey = (world: World) => readFileSync(join(world.paths().out, 'key.pem'), 'utf8')
const publicKeyOf = (pem: string) => createPrivateKey(pem).export({ type: 'sec1', format: 'pem' })
const planned = async (world: World): Promise<{ action: string; reason: string }> =>
  JSON.parse((await world.nixacme(['plan', '--json'])).stdout)[0]

test('without --yes it is shown, and nothing is asked or changed: 64', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const before = world.tree()
  const said = await world.nixacme(['revoke', cert, '--reason', '4'])
  assert.equal(said.status, 64, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /^nothing was revoked/)
  assert.match(said.stderr, /--yes/)
  const { serialNumber } = new X509Certificate(shown(world))
  assert.match(said.stdout, /^names +example\.com, www\.example\.com$/m)
  assert.match(said.stdout, new RegExp(`^serial +${serialNumber.toLowerCase()}$`, 'm'))
  assert.match(said.stdout, /^valid until +\d{4}-/m)
  assert.match(said.stdout, /^reason +superseded$/m)
  assert.deepEqual([world.ca.count(), changesBetween(before, world.tree())], [0, []])
})

test('revoked with the account key; services keep it, plan says why a new one comes, renew gets it', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const old = shown(world)
  const said = await world.nixacme(['revoke', cert, '--reason', 'superseded', '--yes'])
  assert.deepEqual([said.status, said.stdout], [0, ''], said.stderr)
  assert.equal(world.ca.revocationOf(old), 4)
  assert.match(said.stderr, /is revoked \(superseded\), signed with the account/)
  assert.match(said.stderr, /services still have the revoked certificate/)
  assert.match(said.stderr, /hint: run 'nixacme renew example\.com'/)
  assert.equal(shown(world), old)
  assert.deepEqual(await planned(world).then(({ action, reason }) => [action, reason]), [
    'run',
    'what is stored cannot be used: the certificate is revoked',
  ])
  const renewed = await world.nixacme(['renew', cert])
  assert.equal(renewed.status, 0, renewed.stderr)
  assert.notEqual(shown(world), old)
  assert.equal(world.ca.revocationOf(shown(world)), undefined)
  assert.equal((await planned(world)).action, 'skip')
})

test('no reason is sent where none is given', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  assert.equal((await world.nixacme(['revoke', cert, '--yes'])).status, 0)
  const payload = world.ca.requests.find(({ kind }) => kind === 'revokeCert')?.payload
  assert.deepEqual(Object.keys(payload as object), ['certificate'])
})

for (const [what, damage, words] of [
  ['the account is gone', (w: World) => rmSync(w.paths().account, { recursive: true }), /own key/],
  ['the account key is damaged', (w: World) => writeFileSync(w.paths().accountKey, 'x'), /own key/],
  [
    'the account is another one',
    (w: World) => {
      rmSync(w.paths().account, { recursive: true })
      return otherAccount(w)
    },
    /own key/,
  ],
] as const)
  test(`${what}: the certificate's own key signs`, async (t) => {
    const world = await makeWorld(t, { way })
    await world.issueAll()
    const old = shown(world)
    await damage(world)
    const said = await world.nixacme(['revoke', cert, '--reason', 'superseded', '--yes'])
    assert.equal(said.status, 0, said.stderr)
    assert.match(said.stderr, words)
    assert.notEqual(world.ca.revocationOf(old), undefined)
  })

/** Registers an account anew, for a certificate of its own; the old certificate stays. */
async function otherAccount(world: World): Promise<void> {
  world.configure({ certs: { [cert]: { extraDomainNames: ['www.example.com'] }, 'other.example': {} } })
  assert.equal((await world.nixacme(['renew', 'other.example'])).status, 0)
}

test('neither account nor key: 65 with what to restore', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const file = join(world.dir, 'old.pem')
  writeFileSync(file, shown(world))
  for (const dir of [world.paths().account, world.paths().legoCert, world.paths().out]) rmSync(dir, { recursive: true })
  const said = await world.nixacme(['revoke', cert, '--file', file, '--yes'])
  assert.equal(said.status, 65, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /nobody can sign the revocation/)
  assert.equal(world.ca.count('revokeCert'), 0)
})

test('keyCompromise is signed with the key, which no run takes again', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const [old, key] = [shown(world), installedKey(world)]
  const said = await world.nixacme(['revoke', cert, '--reason', 'KEYCOMPROMISE', '--yes'])
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /is revoked \(keyCompromise\), signed with the certificate's own key/)
  assert.equal(world.ca.revocationOf(old), 1)
  assert.equal((await planned(world)).reason, 'what is stored cannot be used: the key is compromised')
  assert.equal((await world.nixacme(['renew', cert])).status, 0)
  assert.notEqual(publicKeyOf(installedKey(world)), publicKeyOf(key))
})

test('cessationOfOperation: no new certificate comes, whatever the CA says then, and it is said what is left to do', async (t) => {
  const world = await makeWorld(t, { way, ca: { renewalInfo: { retryAfter: 3600 } } })
  await world.issueAll()
  const start = Date.now()
  const at = (hours: number) => ({ now: () => new Date(start + hours * 3_600_000) })
  const said = await world.nixacme(['revoke', cert, '--reason', 'cessationOfOperation', '--yes'])
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /take 'example\.com' out of the config/)
  // As CAs do with what is revoked.
  const past = [-2, -1].map((hours) => at(hours).now().toISOString())
  world.ca.reset()
  world.ca.set({ renewalInfo: { window: { start: past[0] ?? '', end: past[1] ?? '' }, retryAfter: 3600 } })
  for (const hours of [2, 30]) {
    for (const command of [['poll'], ['start-due'], ['renew', cert]]) {
      const { status, stderr } = await world.nixacme(command, at(hours))
      assert.equal(status, 0, stderr)
      assert.doesNotMatch(stderr, /at once|renewing/)
    }
    assert.equal(JSON.parse((await world.nixacme(['plan', '--json'], at(hours))).stdout)[0].action, 'skip')
  }
  assert.equal(world.ca.count(), 0)
  assert.equal(JSON.parse((await world.nixacme(['plan', '--json'], at(61 * 24))).stdout)[0].action, 'renew')
  // Got after all: the CA is asked about it as about any.
  assert.equal((await world.nixacme(['renew', '--now', cert], at(30))).status, 0)
  assert.equal(world.ca.count('renewalInfo'), 1)
})

test('cessationOfOperation of an older certificate: the one in use is asked about on', async (t) => {
  const world = await makeWorld(t, { way, ca: { renewalInfo: { retryAfter: 3600 } } })
  await world.issueAll()
  const file = join(world.dir, 'old.pem')
  writeFileSync(file, shown(world))
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const said = await world.nixacme(['revoke', cert, '--reason', '5', '--file', file, '--yes'])
  assert.equal(said.status, 0, said.stderr)
  world.ca.reset()
  await world.nixacme(['poll'], { now: () => new Date(Date.now() + 7_200_000) })
  assert.equal(world.ca.count('renewalInfo'), 1)
})

test('revoked before: success, and said', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const { paths } = world
  assert.equal((await world.nixacme(['revoke', cert, '--yes'])).status, 0)
  rmSync(paths().revoked, { recursive: true })
  const said = await world.nixacme(['revoke', cert, '--yes'])
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /certificate [0-9a-f]+ was revoked before/)
  assert.equal((await planned(world)).action, 'run')
})

test('--file: an older certificate; the one in use stays a good one', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const old = shown(world)
  const file = join(world.dir, 'old.pem')
  writeFileSync(file, old)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const said = await world.nixacme(['revoke', cert, '--file', file, '--yes'])
  assert.equal(said.status, 0, said.stderr)
  assert.deepEqual([world.ca.revocationOf(old), world.ca.revocationOf(shown(world))], [0, undefined])
  assert.doesNotMatch(said.stderr, /services still have/)
  assert.equal((await planned(world)).action, 'skip')
})

test('what cannot be revoked is said before the CA is asked', async (t) => {
  const world = await makeWorld(t, { way, ca: { lifetime: { notBeforeOffsetSeconds: -91 * day } } })
  const empty = await world.nixacme(['revoke', cert, '--yes'])
  assert.equal(empty.status, 65)
  assert.match(errorsIn(empty)[0] ?? '', /^there is no certificate of 'example\.com' to revoke/)
  const key = join(world.dir, 'key.pem')
  writeFileSync(key, 'no certificate')
  for (const [args, status, words] of [
    [['--reason', 'certificateHold', '--yes'], 64, /^reason 'certificateHold' is for/],
    [['--reason', '9', '--yes'], 64, /^reason 'privilegeWithdrawn' is for the CA to say/],
    [['--reason', 'spite', '--yes'], 64, /^'spite' is no reason/],
    [['--reason', '7', '--yes'], 64, /^'7' is no reason/],
    [['--file', key, '--yes'], 65, /does not begin with a certificate in PEM/],
    [['--file', join(world.dir, 'missing'), '--yes'], 65, /^cannot read .*no such file/],
  ] as const) {
    const said = await world.nixacme(['revoke', cert, ...args])
    assert.equal(said.status, status, said.stderr)
    assert.match(errorsIn(said)[0] ?? '', words)
  }
  assert.equal(world.ca.count(), 0)
  assert.ok(!existsSync(world.roots.state))
})

test('a certificate that has ended: nothing to revoke', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const now = () => new Date(Date.now() + 91 * day * 1000)
  const said = await world.nixacme(['revoke', cert, '--yes'], { now })
  assert.equal(said.status, 64, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /^certificate [0-9a-f]+ has ended at/)
  assert.equal(world.ca.count(), 0)
})

test('a CA that cannot be asked, refuses the reason, or offers no revocation: its words, and nothing is marked', async (t) => {
  const world = await makeWorld(t, { way })
  await world.issueAll()
  const refusing = async (status: number, words: RegExp, end: () => void) => {
    const said = await world.nixacme(['revoke', cert, '--reason', 'superseded', '--yes'])
    end()
    assert.equal(said.status, status, said.stderr)
    assert.match(errorsIn(said)[0] ?? '', words)
    assert.equal((await planned(world)).action, 'skip')
    // What is still to be revoked is noted, and that is all.
    assert.deepEqual(readdirSync(world.paths().legoCert).length, 2)
    assert.deepEqual(
      readdirSync(world.paths().revoked).map((name) => name.slice(64)),
      ['.revoke'],
    )
  }
  const { ca } = world
  await refusing(
    76,
    /the CA refused the revocation of certificate [0-9a-f]+: badRevocationReason: only 0, 1$/,
    ca.fault('revokeCert', { do: 'problem', type: 'badRevocationReason', detail: 'only 0, 1' }),
  )
  await refusing(
    75,
    /rateLimited/,
    ca.fault('revokeCert', { do: 'problem', type: 'rateLimited', status: 429, retryAfter: 60 }),
  )
  await refusing(76, /offers no revocation/, ca.fault('directory', { do: 'patch', json: { revokeCert: null } }))
  await refusing(69, /makes no sense/, ca.fault('directory', { do: 'html' }))
})
