// `nixacme account …` as people run it, and what a registration says and refuses.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { changesBetween } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type Said, type World, type WorldOptions } from '../support/world.ts'

const identity = 'ca.example'
const caaLine = (url: string) => `0 issue "${identity}; accounturi=${url}"`

const make = (t: TestContext, options: WorldOptions = {}) =>
  makeWorld(t, { way: 'in-process', ...options, ca: { caaIdentities: [identity], ...options.ca } })

async function issued(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await make(t, options)
  await world.issueAll()
  return world
}

const urlOf = (world: World, name = cert): string =>
  JSON.parse(readFileSync(world.paths(name).accountJson, 'utf8')).registration.uri

function went({ status, stdout, stderr }: Said): string {
  assert.equal(status, 0, stderr)
  return stdout
}

test('a registration prints the CAA record that names the account', async (t) => {
  const world = await make(t)
  const said = await world.nixacme(['renew', cert])
  went(said)
  assert.ok(said.stderr.includes(`CAA record that lets only this account get certificates: ${caaLine(urlOf(world))}\n`))
})

test('show, offline: each account once, with all that use it, and not a byte or request more', async (t) => {
  const certs = { 'a.example': {}, 'b.example': {}, 'c.example': { email: 'c@example.com' } }
  const world = await make(t, { certs })
  went(await world.nixacme(['renew', 'a.example', 'b.example']))
  world.ca.reset()
  const before = world.tree()
  const said = await world.nixacme(['account', 'show'])
  const { accountKey } = world.paths('a.example')
  assert.equal(
    went(said),
    `${[
      world.ca.directoryUrl,
      `  account  ${urlOf(world, 'a.example')}`,
      '  e-mail   admin@example.com',
      `  key      ${accountKey} (EC P-256)`,
      '  used by  a.example, b.example',
      `  CAA      ${caaLine(urlOf(world, 'a.example'))}`,
      '',
      world.ca.directoryUrl,
      '  account  none is registered',
      '  e-mail   c@example.com',
      `  key      ${world.paths('c.example').accountKey} (not there)`,
      '  used by  c.example',
    ].join('\n')}\n`,
  )
  const [only, ...more] = JSON.parse(went(await world.nixacme(['account', 'show', '--json', 'b.example'])))
  assert.deepEqual(more, [])
  assert.deepEqual(only, {
    server: world.ca.directoryUrl,
    email: 'admin@example.com',
    url: urlOf(world, 'a.example'),
    keyFile: accountKey,
    keyType: 'EC P-256',
    certs: ['a.example', 'b.example'],
    caa: caaLine(urlOf(world, 'a.example')),
  })
  assert.deepEqual([changesBetween(before, world.tree()), world.ca.count()], [[], 0])
})

test('show --online: what the CA says; where it cannot be asked the rest is shown, and the status tells', async (t) => {
  const world = await issued(t)
  const args = ['account', 'show', '--online', '--json']
  const [shown] = JSON.parse(went(await world.nixacme(args)))
  assert.deepEqual([shown.status, shown.contact], ['valid', ['mailto:admin@example.com']])
  world.ca.fault('account', { do: 'problem', type: 'rateLimited', status: 429 })
  const said = await world.nixacme(args)
  assert.equal(said.status, 75)
  const [failed] = JSON.parse(said.stdout)
  assert.deepEqual([failed.url, failed.error.status], [urlOf(world), 75])
  assert.equal(errorsIn(said).length, 1)
})

test('rollover and update: the account goes on, and renewals with it', async (t) => {
  const world = await issued(t)
  const [url, key] = [urlOf(world), readFileSync(world.paths().accountKey, 'utf8')]
  const rolled = await world.nixacme(['account', 'rollover', cert])
  assert.equal(went(rolled), '')
  assert.match(rolled.stderr, /^nixacme: example\.com: account '.*' has a new key, '.*'$/m)
  assert.notEqual(readFileSync(world.paths().accountKey, 'utf8'), key)
  const updated = await world.nixacme(['account', 'update', cert])
  assert.match(updated.stderr, /has the contact 'admin@example\.com' now/)
  went(await world.nixacme(['renew', '--now', cert]))
  assert.deepEqual([urlOf(world), world.ca.stats.accounts], [url, 1])
})

test('deactivate: without --yes 64, who uses it, and no request; with it the next renewal registers anew', async (t) => {
  const world = await issued(t, { certs: { 'a.example': {}, 'b.example': {} } })
  const url = urlOf(world, 'a.example')
  const before = world.tree()
  const asked = await world.nixacme(['account', 'deactivate', 'a.example'])
  assert.deepEqual([asked.status, world.ca.count(), changesBetween(before, world.tree())], [64, 0, []])
  assert.deepEqual(errorsIn(asked), [`deactivating account '${url}' cannot be undone: confirm it with --yes`])
  assert.match(asked.stderr, /it is used by 'a\.example', 'b\.example'/)
  went(await world.nixacme(['account', 'deactivate', '--yes', 'a.example']))
  const { accountKey, accountJson } = world.paths('a.example')
  assert.deepEqual([accountKey, accountJson].map(existsSync), [false, false])
  assert.deepEqual([`${accountKey}.deactivated`, `${accountJson}.deactivated`].map(existsSync), [true, true])
  went(await world.nixacme(['renew', '--all']))
  assert.notEqual(urlOf(world, 'a.example'), url)
  assert.equal(world.ca.stats.accounts, 2)
})

test('recover: the URL from the key, then nothing is due', async (t) => {
  const world = await issued(t)
  const url = urlOf(world)
  rmSync(world.paths().accountJson)
  went(await world.nixacme(['account', 'recover', cert]))
  assert.equal(urlOf(world), url)
  const { stderr } = await world.nixacme(['renew', cert])
  assert.match(stderr, /skipping renewal/)
  assert.equal(world.ca.stats.accounts, 1)
})

test('an account key that is the key of the certificate is refused before the CA hears of it', async (t) => {
  const world = await issued(t)
  rmSync(world.paths().accountJson)
  copyFileSync(world.paths().key, world.paths().accountKey)
  const said = await world.nixacme(['renew', cert])
  assert.equal(said.status, 65)
  assert.match(errorsIn(said)[0] ?? '', /account key '.*' is the key of a certificate, too: '.*'$/)
  assert.equal(world.ca.count('newAccount'), 0)
})

for (const [what, args, status, words] of [
  ['another CA', ['rollover', '--server', 'https://ca.example/', cert], 64, /is no CA of the certificate/],
  ['no such certificate', ['show', 'nobody.example'], 64, /there is no certificate 'nobody\.example'/],
  ['no such certificate to deactivate', ['deactivate', '--yes', 'nobody.example'], 64, /there is no certificate/],
  ['nothing registered', ['rollover', cert], 65, /^no account is registered here: there is no account key '/],
  ['no key', ['recover', cert], 65, /^there is no account key '.*' to find an account by$/],
] as const)
  test(`${what}: ${status}, and no request`, async (t) => {
    const world = await make(t)
    const said = await world.nixacme(['account', ...args])
    assert.deepEqual([said.status, said.stdout, world.ca.count()], [status, '', 0], said.stderr)
    assert.match((errorsIn(said)[0] ?? '').replace(/^example\.com: /, ''), words)
  })

test('a damaged key is told by show, and the others are shown', async (t) => {
  const world = await issued(t, { certs: { 'a.example': {}, 'b.example': { email: 'b@example.com' } } })
  writeFileSync(world.paths('a.example').accountKey, 'garbage')
  const said = await world.nixacme(['account', 'show'])
  assert.equal(said.status, 65)
  assert.ok(said.stdout.includes(urlOf(world, 'b.example')))
  assert.match(errorsIn(said)[0] ?? '', /cannot be read as a private key/)
})
