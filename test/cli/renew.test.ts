// `renew`: many certificates in one run, its options, and what it says where.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { changesBetween } from '../support/tree.ts'
import { cert, day, errorsIn, makeWorld, ways } from '../support/world.ts'

type Report = { cert: string; action: string | null; error?: { status: number; message: string; hints: string[] } }

for (const way of ways)
  test(`--all: some skip, one fails, the others are done all the same; the failure's status (${way})`, async (t) => {
    const certs = { 'a.example': {}, 'b.example': {}, 'c.example': {}, 'd.example': {} }
    const world = await makeWorld(t, { way, certs: { 'a.example': {} } })
    await world.issueAll()
    world.configure({ certs })
    world.ca.set({ blocked: ['b.example'] })
    const said = await world.nixacme(['renew', '--all', '--json'])
    assert.equal(said.status, 76, said.stderr)
    const reports = JSON.parse(said.stdout) as Report[]
    assert.deepEqual(
      reports.map((r) => [r.cert, r.action, r.error?.status ?? 0]),
      [
        ['a.example', 'skip', 0],
        ['b.example', 'run', 76],
        ['c.example', 'run', 0],
        ['d.example', 'run', 0],
      ],
    )
    assert.match(reports[1]?.error?.message ?? '', /rejectedIdentifier/)
    assert.deepEqual(errorsIn(said).length, 1)
    assert.match(errorsIn(said)[0] ?? '', /^b\.example: /)
    assert.equal(world.ca.count('newAccount'), 0)
    for (const [name, there] of Object.entries({ 'b.example': false, 'c.example': true, 'd.example': true }))
      assert.equal(existsSync(join(world.roots.state, name, 'full.pem')), there)
  })

test('--all with certificates of one account registers it once', async (t) => {
  const world = await makeWorld(t, { certs: { 'a.example': {}, 'b.example': {}, 'c.example': {} } })
  const { status, stderr } = await world.nixacme(['renew', '--all'])
  assert.equal(status, 0, stderr)
  assert.deepEqual([world.ca.count('newAccount'), world.ca.stats.certificates], [1, 3])
})

test('--all without certificates is no fault', async (t) => {
  const world = await makeWorld(t, { certs: {} })
  const { status, stdout, stderr } = await world.nixacme(['renew', '--all'])
  assert.deepEqual([status, stdout], [0, ''])
  assert.match(stderr, /nixacme: no certificates\n$/)
})

for (const way of ways)
  test(`--dry-run asks for the directory alone, and writes nothing (${way})`, async (t) => {
    const world = await makeWorld(t, { way })
    await world.issueAll()
    const before = world.tree()
    const { status, stdout, stderr } = await world.nixacme(['renew', '--dry-run', '--now', cert])
    assert.deepEqual([status, stdout], [0, ''], stderr)
    assert.match(stderr, /would be renewing: asked for with --now/)
    assert.match(stderr, /dry run: .*stopping before the order/)
    assert.deepEqual(
      world.ca.requests.map((r) => r.kind),
      ['directory'],
    )
    assert.deepEqual(changesBetween(before, world.tree()), [])
  })

test('--dry-run of a first run makes no account and no state', async (t) => {
  const world = await makeWorld(t)
  const { status, stderr } = await world.nixacme(['renew', '--dry-run', cert])
  assert.equal(status, 0, stderr)
  assert.equal(world.ca.stats.accounts, 0)
  assert.equal(existsSync(world.roots.state), false)
})

test('--dry-run tells what would keep the run from going well', async (t) => {
  const world = await makeWorld(t)
  await world.ca.close()
  const said = await world.nixacme(['renew', '--dry-run', cert])
  assert.equal(said.status, 69)
  assert.match(errorsIn(said)[0] ?? '', /cannot reach the CA/)
})

test('--json of a failure: the report on stdout, the error on stderr, both with the same words', async (t) => {
  const world = await makeWorld(t)
  await world.ca.close()
  const said = await world.nixacme(['renew', '--json', cert])
  assert.equal(said.status, 69)
  const [report] = JSON.parse(said.stdout) as Report[]
  assert.deepEqual([report?.action, report?.error?.status], ['run', 69])
  assert.equal(errorsIn(said)[0], `${cert}: ${report?.error?.message}`)
  assert.ok((report?.error?.hints.length ?? 0) > 0)
})

test('the first run, in words: what is done, the new account, what is installed, all on stderr', async (t) => {
  const world = await makeWorld(t)
  await world.nixacme(['apply'])
  const { status, stdout, stderr } = await world.nixacme(['renew', cert])
  assert.deepEqual([status, stdout], [0, ''], stderr)
  const expected = [
    /^nixacme: example\.com: getting a certificate: no certificate and key yet$/,
    /^nixacme: example\.com: account 'https:.*' is registered, agreeing to 'https:.*'$/,
    /^nixacme: example\.com: ordering a certificate for 'example\.com', 'www\.example\.com' from '127\.0\.0\.1:\d+'$/,
    /^nixacme: example\.com: installed new certificate, valid until \d{4}-\d\d-\d\dT\d\d:\d\dZ$/,
  ]
  const lines = stderr.trimEnd().split('\n')
  assert.equal(lines.length, expected.length, stderr)
  for (const [i, pattern] of expected.entries()) assert.match(lines[i] ?? '', pattern)
})

test('--quiet says what changed, and nothing at all when nothing did', async (t) => {
  const world = await makeWorld(t)
  const first = await world.nixacme(['--quiet', 'renew', '--all'])
  assert.deepEqual([first.status, first.stdout], [0, ''], first.stderr)
  assert.deepEqual(
    first.stderr
      .replaceAll(/'.*?'/g, '…')
      .replace(/until .*/, 'until …')
      .trimEnd()
      .split('\n'),
    [
      'nixacme: example.com: account … is registered, agreeing to …',
      'nixacme: example.com: installed new certificate, valid until …',
    ],
  )
  assert.deepEqual(
    await world.nixacme(['--quiet', 'renew', '--all']).then(({ status, stdout, stderr }) => [status, stdout, stderr]),
    [0, '', ''],
  )
})

test('postRun runs once for a new certificate, in its folder, and again only after a failure', async (t) => {
  const log = 'hook.log'
  const world = await makeWorld(t, {
    defaults: { postRun: `pwd -P >> ../../${log}; env | grep ^NIXACME_ | sort >> ../../${log}; test -e ../../allowed` },
  })
  const out = () => world.paths().out
  const hookLog = () => readFileSync(join(world.dir, log), 'utf8')
  const failed = await world.nixacme(['renew', cert])
  assert.equal(failed.status, 1, failed.stderr)
  assert.match(errorsIn(failed)[0] ?? '', /^example\.com: postRun ended with status 1$/)
  assert.ok(existsSync(join(out(), 'full.pem')))
  assert.equal(
    hookLog(),
    `${out()}\nNIXACME_CERT=${cert}\nNIXACME_DIRECTORY=${out()}\nNIXACME_DOMAIN=${cert}\nNIXACME_KIND=acme\nNIXACME_NAMES=${cert} www.${cert}\n`,
  )
  writeFileSync(join(world.dir, 'allowed'), '')
  const retried = await world.nixacme(['renew', cert])
  assert.equal(retried.status, 0, retried.stderr)
  assert.match(retried.stderr, /skipping renewal[\s\S]*example\.com: ran postRun/)
  const twice = hookLog()
  assert.equal((await world.nixacme(['renew', cert])).status, 0)
  assert.equal(hookLog(), twice)
})

test('a certificate that is due is renewed over the old one, and the previous generation stays', async (t) => {
  const world = await makeWorld(t, { ca: { lifetime: { notBeforeOffsetSeconds: -80 * day } } })
  await world.issueAll()
  const { out } = world.paths()
  const old = readFileSync(join(out, 'full.pem'), 'utf8')
  world.ca.set({ lifetime: { notBeforeOffsetSeconds: 0, seconds: 90 * day } })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.notEqual(readFileSync(join(out, 'full.pem'), 'utf8'), old)
  assert.equal(world.ca.count('newAccount'), 0)
  const generations = readdirSync(join(out, '.generations'))
  assert.equal(generations.length, 2)
  assert.ok(generations.some((g) => readFileSync(join(out, '.generations', g, 'full.pem'), 'utf8') === old))
})
