// A certificate with two CAs, through the whole command: who is asked, what is told, and whose certificate is in use.
import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withSecondCa } from '../support/second-ca.ts'
import { cert, day, makeWorld, type World } from '../support/world.ts'

const planOf = async (world: World, now = new Date()) => {
  const { stdout, stderr, status } = await world.nixacme(['plan', '--json'], { now: () => now })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)[0]
}
const host = (url: string): string => new URL(url).host

test('the second CA is asked when the first refuses; each has its account; then the first is asked again', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', ca: { blocked: [cert] } })
  const second = await withSecondCa(t, world)
  assert.equal((await planOf(world)).asks, host(world.ca.directoryUrl))
  const { status, stdout, stderr } = await world.nixacme(['renew', '--json', cert])
  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout)[0].server, second.directoryUrl)
  assert.match(stderr, /warning: example\.com: the CA refused/)
  assert.match(stderr, new RegExp(`hint: asking the next CA, '${second.directoryUrl}'`))
  assert.deepEqual([world.ca.stats.orders, second.stats.orders], [0, 1])

  const after = await planOf(world)
  assert.deepEqual([after.action, after.server, after.asks], ['skip', second.directoryUrl, null])
  // When it is due, the first has its turn; held back, the second.
  const due = new Date(Date.now() + 61 * day * 1000)
  const then = await planOf(world, due)
  assert.deepEqual([then.action, then.asks], ['renew', host(world.ca.directoryUrl)])
  assert.equal((await world.nixacme(['renew', cert], { now: () => due })).status, 0)
  assert.deepEqual([world.ca.stats.orders, second.stats.orders], [0, 2])
})

test('both refuse: --now asks each once', async (t) => {
  const blocked = { blocked: [cert] }
  const world = await makeWorld(t, { way: 'in-process', ca: blocked })
  const second = await withSecondCa(t, world, blocked)
  for (let i = 1; i <= 3; i++) {
    const { status } = await world.nixacme(['renew', '--now', cert])
    assert.equal(status, 76)
    assert.deepEqual([world.ca.count('newOrder'), second.count('newOrder')], [i, i])
  }
})

test('the plan says in words who would be asked', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await withSecondCa(t, world)
  const { stdout } = await world.nixacme(['plan'])
  assert.match(stdout, new RegExp(`run .*; asks '${host(world.ca.directoryUrl)}'\n`))
})

test('both want an external account binding: each gets its own, by file or by variable', async (t) => {
  const [hmac, other] = [
    'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W',
    'b10lLJs8l1GPIzsLP0s6pMt8O0XV',
  ]
  const world = await makeWorld(t, { way: 'in-process', ca: { externalAccounts: { one: hmac }, blocked: [cert] } })
  const second = await withSecondCa(t, world, { externalAccounts: { two: other } })
  const nameOf = (part: string, url: string) => `LEGO_EAB_${part}_${host(url).toUpperCase().replace(/[.:]/g, '_')}`
  const file = (name: string, text: string) => {
    const path = join(world.dir, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const files = { KID: file('kid', 'one\n'), HMAC: file('hmac', `${hmac}\n`) }
  const lines = Object.entries(files).map(([part, path]) => `${nameOf(part, world.ca.directoryUrl)}_FILE = "${path}"\n`)
  appendFileSync(world.configFile, `[certs."${cert}".credentialFiles]\n${lines.join('')}`)
  const env = {
    LEGO_EAB_KID: 'neither',
    LEGO_EAB_HMAC: 'neither0',
    [nameOf('KID', second.directoryUrl)]: 'two',
    [nameOf('HMAC', second.directoryUrl)]: other,
  }
  const { status, stderr } = await world.nixacme(['renew', cert], { env })
  assert.equal(status, 0, stderr)
  assert.deepEqual([world.ca.stats.accounts, second.stats.accounts, second.stats.orders], [1, 1, 1])
  for (const secret of [hmac, other]) assert.ok(!stderr.includes(secret))
})

test('credentials that name no CA go only to the one that asks for them', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', ca: { blocked: [cert] } })
  const second = await withSecondCa(t, world, { externalAccounts: { two: 'b10lLJs8l1GPIzsLP0s6pMt8O0XV' } })
  const env = { LEGO_EAB_KID: 'two', LEGO_EAB_HMAC: 'b10lLJs8l1GPIzsLP0s6pMt8O0XV' }
  const { status, stderr } = await world.nixacme(['renew', cert], { env })
  assert.equal(status, 0, stderr)
  const [sent, bound] = [world.ca, second].map(({ requests }) => {
    return JSON.stringify(requests.find(({ kind }) => kind === 'newAccount')?.payload)
  })
  assert.doesNotMatch(sent ?? '', /externalAccountBinding/)
  assert.match(bound ?? '', /externalAccountBinding/)
})
