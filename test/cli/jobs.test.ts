// From config to jobs and back: `apply`, what a run says when jobs are missing or stale, and a config that breaks later.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { changesBetween } from '../support/tree.ts'
import { cert, day, makeWorld } from '../support/world.ts'

const two = { certs: { 'a.example': {}, 'b.example': {} } }

test('apply adds, changes and removes jobs, and a second run changes nothing', async (t) => {
  const world = await makeWorld(t, two)
  const apply = async () => {
    const { status, stdout, stderr } = await world.nixacme(['apply'])
    assert.deepEqual([status, stderr], [0, ''])
    return stdout
  }
  assert.equal(await apply(), '+ a.example\n+ b.example\n2 added, 0 changed, 0 removed, 0 unchanged\n')
  const first = world.tree()
  assert.equal(await apply(), '0 added, 0 changed, 0 removed, 2 unchanged\n')
  assert.deepEqual(changesBetween(first, world.tree()), [])
  await world.issueAll()
  world.configure({ certs: { 'b.example': { validMinDays: 20 }, 'c.example': {} } })
  const state = join(world.roots.state, 'a.example')
  const before = world.tree()
  const [removed, ...rest] = (await apply()).trimEnd().split('\n')
  assert.equal(removed, `- a.example (its certificate and keys stay in '${state}')`)
  assert.deepEqual(rest, ['~ b.example', '+ c.example', '1 added, 1 changed, 1 removed, 0 unchanged'])
  assert.deepEqual(changesBetween(before, world.tree()), [
    `-${join(world.roots.jobs, 'a.example.json')}`,
    `~${join(world.roots.jobs, 'b.example.json')}`,
    `+${join(world.roots.jobs, 'c.example.json')}`,
    `~${join(world.roots.jobs, 'manifest')}`,
  ])
  assert.ok(existsSync(join(state, 'full.pem')))
  const watched = ['a.example', 'b.example'].map((name) =>
    existsSync(world.paths('b.example').renewalInfo.replace('b.example', name)),
  )
  assert.deepEqual(watched, [false, true], 'nobody asks about it any more')
})

test('apply --dry-run shows the same and writes nothing', async (t) => {
  const world = await makeWorld(t, two)
  const { status, stdout, stderr } = await world.nixacme(['apply', '--dry-run'])
  assert.deepEqual([status, stderr], [0, ''])
  assert.equal(stdout, '+ a.example\n+ b.example\nwould be: 2 added, 0 changed, 0 removed, 0 unchanged\n')
  assert.equal(existsSync(world.roots.jobs), false)
})

test('jobs may hold secrets of hooks: others cannot read them, whatever the umask', async (t) => {
  const world = await makeWorld(t)
  await world.nixacme(['apply'])
  const modes = [world.roots.jobs, join(world.roots.jobs, `${cert}.json`)].map((p) => statSync(p).mode & 0o777)
  assert.deepEqual(modes, [0o750, 0o640])
})

test('no job: compiled in memory, and said so; a fresh one: not a word; a stale one: said which file changed', async (t) => {
  const world = await makeWorld(t)
  await world.issueAll()
  const firstLine = async () => (await world.nixacme(['renew', cert])).stderr.split('\n')[0] ?? ''
  assert.match(await firstLine(), /^nixacme: no job is compiled in '.*jobs': compiling in memory$/)
  await world.nixacme(['apply'])
  assert.match(await firstLine(), /^nixacme: example\.com: skipping renewal: /)
  world.configure({ certs: { [cert]: { extraDomainNames: ['www.example.com'], validMinDays: 3 } } })
  assert.match(
    await firstLine(),
    /^nixacme: '.*config\.toml' changed since the jobs were compiled: compiling in memory$/,
  )
  assert.match((await world.nixacme(['renew', cert])).stderr, /3 days required/)
})

test('a new drop-in makes the jobs stale, and its certificate is known at once', async (t) => {
  const world = await makeWorld(t)
  await world.nixacme(['apply'])
  const dropIns = join(world.configFile, '..', 'config.d')
  mkdirSync(dropIns)
  writeFileSync(join(dropIns, 'b.toml'), '[certs."b.example"]\n')
  const { status, stderr } = await world.nixacme(['renew', '--all'])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /config\.d' changed since/)
  assert.match(stderr, /b\.example: installed new certificate/)
})

test('a config that breaks after apply does not stop renewals', async (t) => {
  const world = await makeWorld(t, { ca: { lifetime: { notBeforeOffsetSeconds: -80 * day } } })
  await world.issueAll()
  await world.nixacme(['apply'])
  writeFileSync(world.configFile, 'acceptTerms = maybe\n')
  for (const args of [
    ['renew', cert],
    ['renew', '--all'],
  ]) {
    const { status, stderr } = await world.nixacme(args)
    assert.equal(status, 0, stderr)
    assert.match(stderr, /^nixacme: warning: '.*config\.toml' changed .*: going on with the jobs compiled before$/m)
    assert.match(stderr, /^nixacme: hint: .*config\.toml:1:\d+: /m)
    assert.match(stderr, /^nixacme: hint: run 'nixacme check', then 'nixacme apply'$/m)
    assert.match(stderr, /installed new certificate/)
  }
  assert.equal((await world.nixacme(['renew', 'new.example'])).status, 78)
})

test('one bad job among others: --all does the others', async (t) => {
  const world = await makeWorld(t, two)
  await world.nixacme(['apply'])
  writeFileSync(join(world.roots.jobs, 'a.example.json'), '{"version": 3}')
  const { status, stdout, stderr } = await world.nixacme(['renew', '--all'])
  assert.deepEqual([status, stdout], [65, ''], stderr)
  assert.match(stderr, /^nixacme: error: a\.example: job file '.*' is not a job/m)
  assert.match(stderr, /b\.example: installed new certificate/)
})

test('names in another order: only domainhash.txt changes, without a request', async (t) => {
  const names = (...extraDomainNames: string[]) => ({ certs: { [cert]: { extraDomainNames } } })
  const world = await makeWorld(t, names('a.example.com', 'b.example.com'))
  await world.issueAll()
  world.configure(names('B.example.com', 'a.example.com'))
  const before = world.tree()
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /skipping renewal/)
  const { domainHash } = world.paths()
  assert.deepEqual(changesBetween(before, world.tree()), [`~${domainHash}`])
  assert.equal(readFileSync(domainHash, 'utf8'), `${world.job().domainHash}\n`)
  assert.equal(world.ca.count(), 0)
  const settled = world.tree()
  assert.equal((await world.nixacme(['renew', cert])).status, 0)
  assert.deepEqual(changesBetween(settled, world.tree()), [])
})

test('apply removes only what it once wrote', async (t) => {
  const world = await makeWorld(t, two)
  mkdirSync(world.roots.jobs, { recursive: true })
  const strangers = [
    ['precious.json', '{"cert":"precious"}'],
    ['config.json', 'no JSON at all'],
  ] as const
  for (const [name, text] of strangers) writeFileSync(join(world.roots.jobs, name), text)
  const { status, stdout } = await world.nixacme(['apply'])
  assert.deepEqual([status, stdout], [0, '+ a.example\n+ b.example\n2 added, 0 changed, 0 removed, 0 unchanged\n'])
  for (const [name, text] of strangers) assert.equal(readFileSync(join(world.roots.jobs, name), 'utf8'), text)
})

test('an apply that was cut short: --all does not take half of the jobs for all', async (t) => {
  for (const lost of ['manifest', 'b.example.json']) {
    const world = await makeWorld(t, two)
    await world.nixacme(['apply'])
    rmSync(join(world.roots.jobs, lost))
    const { status, stdout, stderr } = await world.nixacme(['plan', '--json'])
    assert.equal(status, 0, stderr)
    assert.match(stderr, /job(s are| is) compiled in '.*': compiling in memory/)
    const certs = (JSON.parse(stdout) as { cert: string }[]).map((one) => one.cert)
    assert.deepEqual(certs, ['a.example', 'b.example'])
  }
})

test('JSON comes in byte order of the names, compiled or not, whatever the order asked for', async (t) => {
  const world = await makeWorld(t, { certs: { 'a.example-b': {}, 'a.example': {} } })
  const order = async (...certs: string[]) =>
    (JSON.parse((await world.nixacme(['plan', '--json', ...certs])).stdout) as { cert: string }[]).map(
      (one) => one.cert,
    )
  for (const compiled of [false, true]) {
    if (compiled) await world.nixacme(['apply'])
    assert.deepEqual(await order(), ['a.example', 'a.example-b'])
    assert.deepEqual(await order('a.example-b', 'a.example'), ['a.example', 'a.example-b'])
  }
})

test('an edit that keeps size and time of the config is noticed', async (t) => {
  const world = await makeWorld(t, { certs: { 'a.example': {} } })
  await world.nixacme(['apply'])
  const { atime, mtime } = statSync(world.configFile)
  world.configure({ certs: { 'b.example': {} } })
  utimesSync(world.configFile, atime, mtime)
  assert.match((await world.nixacme(['plan', 'b.example'])).stderr, /compiling in memory/)
  assert.match((await world.nixacme(['plan', '--all'])).stderr, /changed since the jobs were compiled/)
})
