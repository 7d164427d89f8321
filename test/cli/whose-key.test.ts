// Whose key a certificate is for, through the whole command: a new one, the present one, or that of the operator's own
// request; and that a request which is not for this certificate never reaches the CA.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { buildCsr } from '../../src/certificate/csr.ts'
import { generateKey, isOfType } from '../../src/certificate/keys.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World } from '../support/world.ts'

const names = [cert, 'www.example.com']
const shownKey = (world: World) => readFileSync(join(world.paths().out, 'key.pem'), 'utf8')

/** Writes a request and its key, and a config that names them. */
async function withOwn(world: World, forNames: readonly string[] = names): Promise<{ key: string; keyFile: string }> {
  const [csr, csrKey] = [join(world.dir, 'own', 'own.csr'), join(world.dir, 'own', 'own.key')]
  mkdirSync(dirname(csr), { recursive: true })
  const key = await generateKey('ec256')
  writeFileSync(csr, await buildCsr(key, forNames))
  writeFileSync(csrKey, key)
  world.configure({ certs: { [cert]: { extraDomainNames: ['www.example.com'], csr, csrKey } } })
  return { key, keyFile: csrKey }
}

test('a request of one’s own: certificate and installed key are for its key, renewals too; plan then skips', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const { key } = await withOwn(world)
  for (const args of [
    ['renew', cert],
    ['renew', '--now', cert],
  ]) {
    const { status, stderr } = await world.nixacme(args)
    assert.equal(status, 0, stderr)
    assert.equal(shownKey(world), key)
    assert.equal(readFileSync(world.paths().key, 'utf8'), key)
  }
  assert.match((await world.nixacme(['plan', cert])).stdout, / skip /)
  assert.equal(world.ca.stats.certificates, 2)
})

test('a request for other names: 78, the CA is not asked for an order, nothing changes', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  await withOwn(world, [cert])
  const before = world.tree()
  const said = await world.nixacme(['renew', '--now', cert])
  assert.equal(said.status, 78, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /option 'csr' cannot be used: it lacks 'www\.example\.com'/)
  assert.equal(world.ca.count('newOrder'), 0)
  const changed = changesBetween(before, world.tree()).map(String).join('\n')
  assert.doesNotMatch(changed, /\.(pem|key|crt)/)
})

test('a request that is not there: 78, naming it', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  const [csr, csrKey] = [join(world.dir, 'none.csr'), join(world.dir, 'none.key')]
  world.configure({ certs: { [cert]: { csr, csrKey } } })
  const said = await world.nixacme(['renew', cert])
  assert.equal(said.status, 78, said.stderr)
  assert.ok(errorsIn(said)[0]?.includes(`cannot read '${csr}' of option 'csr': no such file or directory`), said.stderr)
  assert.equal(world.ca.count(), 0)
})

test('keyReuse: the renewal keeps the key, and has a new one where the type is another', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', certs: { [cert]: { keyReuse: true } } })
  await world.issueAll()
  const first = shownKey(world)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  assert.equal(shownKey(world), first)
  world.configure({ certs: { [cert]: { keyReuse: true, keyType: 'ec384' } } })
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  assert.ok(isOfType(shownKey(world), 'ec384'))
})

test('without keyReuse each certificate has a new key', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const first = shownKey(world)
  assert.equal((await world.nixacme(['renew', '--now', cert])).status, 0)
  assert.notEqual(shownKey(world), first)
})

test('a key that is compromised is taken neither again nor from a request', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', certs: { [cert]: { keyReuse: true } } })
  await world.issueAll()
  const first = shownKey(world)
  const { status, stderr } = await world.nixacme(['compromise', cert, '--yes'])
  assert.notEqual(shownKey(world), first, `${status} ${stderr}`)
  world.ca.reset()
  const { keyFile } = await withOwn(world, [cert])
  writeFileSync(keyFile, first)
  writeFileSync(join(dirname(keyFile), 'own.csr'), await buildCsr(first, names))
  const said = await world.nixacme(['renew', '--now', cert])
  assert.equal(said.status, 65, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /the key is compromised/)
  assert.equal(world.ca.count('newOrder'), 0)
})
