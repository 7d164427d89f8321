// A change of the account key whose end was cut off, with the new key at the CA: what is done by hand finds it, as renewals do.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cert, makeWorld, type World } from '../support/world.ts'

const keyFile = (world: World) => world.paths().accountKey

/** A world with a certificate, and the files that a kill leaves between the CA's word and the rename, or `aside` of it. */
async function cutOff(t: TestContext, suffix = 'new') {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const old = readFileSync(keyFile(world))
  assert.equal((await world.nixacme(['account', 'rollover', cert])).status, 0)
  const fresh = readFileSync(keyFile(world), 'utf8')
  writeFileSync(`${keyFile(world)}.${suffix}`, fresh)
  writeFileSync(keyFile(world), old)
  world.ca.reset()
  const certificate = readFileSync(join(world.paths().out, 'fullchain.pem'), 'utf8')
  const assertFinished = () => {
    assert.equal(readFileSync(keyFile(world), 'utf8'), fresh)
    assert.ok(!existsSync(`${keyFile(world)}.${suffix}`))
  }
  return { world, certificate, assertFinished }
}

const revoke = (world: World, reason: string) => world.nixacme(['revoke', cert, '--reason', reason, '--yes'])

test('revoke: the account signs with the new key', async (t) => {
  const { world, certificate, assertFinished } = await cutOff(t)
  const said = await revoke(world, 'superseded')
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /begun earlier, is finished[\s\S]*signed with the account/)
  assert.equal(world.ca.revocationOf(certificate), 4)
  assert.equal(world.ca.count('revokeCert'), 1)
  assertFinished()
})

test('revoke: a change that was made late is found when the CA refuses the old key', async (t) => {
  const { world, certificate, assertFinished } = await cutOff(t, 'unused')
  const said = await revoke(world, 'superseded')
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /signed with the account/)
  assert.equal(world.ca.revocationOf(certificate), 4)
  assertFinished()
})

test("revoke: where the change cannot be finished the certificate's own key signs", async (t) => {
  const { world, certificate } = await cutOff(t)
  for (const kind of ['newAccount', 'account'] as const)
    world.ca.fault(kind, { do: 'problem', type: 'externalAccountRequired', status: 403 })
  const said = await revoke(world, 'superseded')
  assert.equal(said.status, 0, said.stderr)
  assert.match(said.stderr, /signed with the certificate's own key/)
  assert.equal(world.ca.revocationOf(certificate), 1)
  assert.ok(existsSync(`${keyFile(world)}.new`))
})

test('revoke with keyCompromise: the key signs, and the account is not asked about', async (t) => {
  const { world } = await cutOff(t)
  const said = await revoke(world, 'keyCompromise')
  assert.equal(said.status, 0, said.stderr)
  assert.deepEqual([world.ca.count('newAccount'), existsSync(`${keyFile(world)}.new`)], [0, true])
})

for (const suffix of ['new', 'unused'])
  test(`account show --online with the new key in a file '.${suffix}'`, async (t) => {
    const { world, assertFinished } = await cutOff(t, suffix)
    const said = await world.nixacme(['account', 'show', '--online', '--json'])
    assert.equal(said.status, 0, said.stderr)
    assert.equal(JSON.parse(said.stdout)[0].status, 'valid')
    assertFinished()
  })
