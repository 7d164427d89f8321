// `revoke` that failed, and is repeated when a renewal has brought another certificate: the one that it was about is
// revoked, never the new one; and no command takes the one for the other.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { keyFingerprint } from '../../src/certificate/fingerprint.ts'
import { generationsDir } from '../../src/renewal/generations.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, day, errorsIn, makeWorld, type World, type WorldOptions } from '../support/world.ts'

const shown = (world: World, name = 'fullchain.pem') => readFileSync(join(world.paths().out, name), 'utf8')
const serial = (pem: string) => new X509Certificate(pem).serialNumber.toLowerCase()
const notes = (world: World) => readdirSync(world.paths().revoked).filter((name) => name.endsWith('.revoke'))
const revoke = (world: World, ...args: readonly string[]) => world.nixacme(['revoke', cert, ...args, '--yes'])

const unfinished = /still to be revoked|not finished/

const down = { do: 'problem', type: 'serverInternal', status: 403 } as const

/** A world in which a revocation failed, and a renewal has brought a new certificate since then. */
async function failed(t: TestContext, reason: string, ca: WorldOptions['ca'] = {}) {
  const world = await makeWorld(t, { way: 'in-process', ca })
  await world.issueAll()
  const old = shown(world)
  const end = world.ca.fault('revokeCert', down)
  const said = await revoke(world, '--reason', reason)
  end()
  assert.equal(said.status, 76, said.stderr)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const fresh = shown(world)
  assert.notEqual(fresh, old)
  return { world, old, fresh, said }
}

for (const [reason, code] of [
  ['keyCompromise', 1],
  ['superseded', 4],
  ['unspecified', 0],
  ['cessationOfOperation', 5],
] as const)
  test(`${reason}: the same command goes on with the certificate that it was about, then with what is in use`, async (t) => {
    const { world, old, fresh, said } = await failed(t, reason)
    assert.match(said.stderr, new RegExp(`warning: example\\.com: certificate ${serial(old)} is still to be revoked`))
    const option = reason === 'unspecified' ? '' : ` --reason ${reason}`
    assert.match(
      said.stderr,
      new RegExp(`hint: the same command goes on .*: nixacme revoke example\\.com${option} --yes`),
    )
    const planned = await world.nixacme(['plan'])
    assert.match(
      planned.stderr,
      new RegExp(`${serial(old)} is still to be revoked \\(${reason}\\)[^]*or forget it: rm '`),
    )

    const again = await revoke(world, '--reason', reason)
    assert.equal(again.status, 0, again.stderr)
    assert.match(again.stderr, new RegExp(`going on with certificate ${serial(old)}`))
    assert.deepEqual([world.ca.revocationOf(old), world.ca.revocationOf(fresh)], [code, undefined])
    assert.deepEqual(notes(world), [])
    assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
    assert.doesNotMatch((await world.nixacme(['plan'])).stderr, unfinished)

    const third = await revoke(world, '--reason', reason)
    assert.equal(third.status, 0, third.stderr)
    assert.doesNotMatch(third.stderr, /going on/)
    assert.equal(world.ca.revocationOf(fresh), code)
  })

test('keyCompromise: the key that a renewal has replaced signs, and the new one stays a good one', async (t) => {
  const { world, old } = await failed(t, 'keyCompromise')
  const key = keyFingerprint(shown(world, 'key.pem'))
  const said = await revoke(world, '--reason', 'keyCompromise')
  assert.match(said.stderr, new RegExp(`${serial(old)} is revoked .*, signed with the certificate's own key`))
  assert.equal(world.ca.requests.findLast(({ kind }) => kind === 'revokeCert')?.kid, undefined)
  assert.ok(
    !readdirSync(world.paths().compromised).some((dir) => {
      return readdirSync(join(world.paths().compromised, dir)).includes(`${key}.pub`)
    }),
  )
})

test('the answer was lost: it was revoked before, and what came meanwhile is not', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const old = shown(world)
  const atRequest: number[] = []
  const end = world.ca.fault('*', async ({ next, kind }) => {
    if (kind === 'revokeCert') atRequest.push(notes(world).length)
    if (world.ca.revocationOf(old) === undefined) {
      const answer = await next()
      if (kind !== 'revokeCert') return answer
    }
    return { status: 0, headers: {}, body: '', bare: true, transport: 'drop' }
  })
  await revoke(world, '--reason', 'superseded')
  end()
  assert.equal(world.ca.revocationOf(old), 4)
  assert.deepEqual([atRequest[0], notes(world).length], [1, 1])
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const said = await revoke(world, '--reason', 'superseded')
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, new RegExp(`certificate ${serial(old)} was revoked before`))
  assert.equal(world.ca.revocationOf(shown(world)), undefined)
})

test('without --yes it is shown which one is meant, and nothing changes', async (t) => {
  const { world, old } = await failed(t, 'superseded')
  const before = world.tree()
  const said = await world.nixacme(['revoke', cert, '--reason', 'superseded'])
  assert.equal(said.status, 64)
  assert.match(said.stdout, new RegExp(`^serial +${serial(old)}$`, 'm'))
  assert.match(said.stderr, /hint: to revoke the one that is in use, name it: --file '.*\/fullchain\.pem'/)
  assert.deepEqual(changesBetween(before, world.tree()), [])
})

test('another reason: of the certificate in use it is the new one, else it is asked which is meant', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const end = world.ca.fault('revokeCert', down)
  assert.equal((await revoke(world, '--reason', 'superseded')).status, 76)
  assert.equal((await revoke(world, '--reason', 'affiliationChanged')).status, 76)
  end()
  assert.equal(notes(world).length, 1)
  const old = shown(world)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  world.ca.reset()
  const said = await revoke(world, '--reason', 'keyCompromise')
  assert.equal(said.status, 64, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', new RegExp(`${serial(old)} is still to be revoked \\(affiliationChanged\\)`))
  assert.match(said.stderr, /hint: .*: nixacme revoke example\.com --reason affiliationChanged --yes\n.*--file '/)
  assert.equal(world.ca.count(), 0)
  const named = await revoke(world, '--reason', 'keyCompromise', '--file', join(world.paths().out, 'fullchain.pem'))
  assert.equal(named.status, 0, named.stderr)
  assert.deepEqual([world.ca.revocationOf(shown(world)), world.ca.revocationOf(old)], [1, undefined])
  assert.equal((await revoke(world, '--reason', 'affiliationChanged')).status, 0)
  assert.equal(world.ca.revocationOf(old), 3)
})

test('a certificate that has ended meanwhile: the note goes, and what is in use is meant', async (t) => {
  const { world, old } = await failed(t, 'superseded', { lifetime: { seconds: 2 * day } })
  world.ca.set({ lifetime: { seconds: 90 * day } })
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const now = () => new Date(Date.now() + 3 * day * 1000)
  assert.doesNotMatch((await world.nixacme(['plan'], { now })).stderr, unfinished)
  const said = await world.nixacme(['revoke', cert, '--reason', 'superseded', '--yes'], { now })
  assert.equal(said.status, 0, said.stderr)
  assert.deepEqual([world.ca.revocationOf(old), world.ca.revocationOf(shown(world))], [undefined, 4])
  assert.deepEqual(notes(world), [])
})

test('a file that is not the one in use leaves no note; a damaged note is told', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const file = join(world.dir, 'old.pem')
  writeFileSync(file, shown(world))
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const end = world.ca.fault('revokeCert', down)
  const said = await revoke(world, '--file', file)
  assert.equal(said.status, 76)
  assert.doesNotMatch(said.stderr, /still to be revoked/)
  assert.doesNotMatch((await world.nixacme(['plan'])).stderr, unfinished)
  assert.equal((await revoke(world)).status, 76)
  end()
  writeFileSync(join(world.paths().revoked, notes(world)[0] ?? ''), 'reason: spite\n')
  assert.equal((await revoke(world)).status, 65)
})

test('compromise takes over what revoke began, also when a renewal has taken it off the disk', async (t) => {
  const { world, old, fresh } = await failed(t, 'keyCompromise')
  const { out } = world.paths()
  for (const name of readdirSync(join(out, generationsDir)))
    if (readFileSync(join(out, generationsDir, name, 'fullchain.pem'), 'utf8') === old)
      rmSync(join(out, generationsDir, name), { recursive: true })
  const said = await world.nixacme(['compromise', cert, '--yes'])
  assert.equal(said.status, 0, said.stderr)
  assert.doesNotMatch(said.stderr, /going on/)
  const revoked = [old, fresh, shown(world)].map((one) => world.ca.revocationOf(one))
  assert.deepEqual([revoked, notes(world)], [[1, 1, undefined], []])
})

test('a compromise that a renewal has overtaken: revoke means the old certificate, and compromise goes on after it', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const old = shown(world)
  const end = world.ca.fault('newOrder', down)
  assert.equal((await world.nixacme(['compromise', cert, '--yes'])).status, 76)
  end()
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  const fresh = shown(world)
  assert.match((await world.nixacme(['plan'])).stderr, /its compromise is not finished/)
  const said = await revoke(world, '--reason', 'keyCompromise')
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, new RegExp(`going on with certificate ${serial(old)}`))
  assert.deepEqual([world.ca.revocationOf(old), world.ca.revocationOf(fresh)], [1, undefined])
  assert.equal((await world.nixacme(['compromise', cert, '--yes'])).status, 0)
  assert.deepEqual([shown(world), world.ca.revocationOf(fresh)], [fresh, undefined])
})
