// `nixacme apply --root`: what it writes into an image, what it says, and what it leaves alone.
import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { test } from 'node:test'
import { readManifest } from '../../src/job/manifest.ts'
import { main } from '../../src/main.ts'
import { fakeHost } from '../support/fake-host.ts'
import { errorsIn, type Said } from '../support/world.ts'
import { type ApplyWorld, makeApplyWorld, program } from './apply-world.ts'

const units = '/etc/systemd/system'
const jobs = '/var/lib/nixacme/jobs'
const list = '/var/lib/nixacme/files'
const unitsOf = (cert: string) => [
  `${units}/acme-${cert}.service`,
  `${units}/acme-${cert}.timer`,
  `${units}/acme-finished-${cert}.target`,
  `${units}/acme-selfsigned-${cert}.service`,
]
/** In byte order, as they are told. */
const machine = [
  `${units}/acme-due.service`,
  `${units}/acme-fixperms.service`,
  `${units}/acme-lockfiles.service`,
  `${units}/acme-poll.service`,
  `${units}/acme-poll.timer`,
  `${units}/acme-selfsigned-ca.service`,
  `${units}/acme.slice`,
  '/etc/sysusers.d/nixacme.conf',
  '/etc/tmpfiles.d/nixacme.conf',
]
/** Standard output of an apply that went well and had nothing else to say. */
async function output(applied: Promise<Said>): Promise<string> {
  const { status, stdout, stderr } = await applied
  assert.deepEqual([status, stderr], [0, ''])
  return stdout
}

const read = (world: ApplyWorld, path: string) => readFileSync(world.in(path), 'utf8')

/** Runs an apply that must refuse with 78 and leave everything as it was, folders' dates included. Returns its errors. */
async function refused(world: ApplyWorld, self = program): Promise<string> {
  const before = world.tree()
  const said = await world.apply([], {}, self)
  assert.equal(said.status, 78, said.stderr)
  assert.equal(said.stdout, '')
  assert.deepEqual(world.changes(before), [])
  return errorsIn(said).join('\n')
}

test('the first run writes jobs, units, both lists, and says so; the second run does nothing', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {}, 'b.example': {} })
  const files = [...machine, ...unitsOf('a.example'), ...unitsOf('b.example')].sort()
  assert.equal(
    await output(world.apply()),
    [
      '+ a.example',
      '+ b.example',
      ...machine.map((path) => `+ ${path}`),
      '2 added, 0 changed, 0 removed, 0 unchanged',
      '',
    ].join('\n'),
  )
  for (const path of files) assert.match(read(world, path), /^# Made by nixacme /, path)
  assert.deepEqual(read(world, list).trimEnd().split('\n'), files)
  for (const cert of ['a.example', 'b.example']) {
    const job = JSON.parse(read(world, `${jobs}/${cert}.json`)) as { cert: string; sources: unknown }
    // The config looks different in the image when that runs.
    assert.deepEqual([job.cert, job.sources], [cert, []])
  }
  assert.ok(readManifest({ state: '', runtime: '', jobs: world.in(jobs) }))
  const first = world.tree()
  assert.equal(await output(world.apply()), '0 added, 0 changed, 0 removed, 2 unchanged\n')
  assert.deepEqual(world.changes(first), [])
})

test('--dry-run says the same and writes nothing', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  const before = world.tree()
  const said = await output(world.apply(['--dry-run']))
  assert.deepEqual(world.changes(before), [])
  assert.match(said, /\nwould be: 1 added, 0 changed, 0 removed, 0 unchanged\n$/)
  assert.equal(await output(world.apply()), said.replace('would be: ', ''))
})

test('a removed certificate: its files go, its state and what is of the others stays', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {}, 'b.example': {}, 'c.example': {} }, { maxConcurrentRenewals: 0 })
  await output(world.apply())
  world.write('/var/lib/acme/c.example/key.pem', 'secret')
  world.write(`${units}/acme-c.example.service.d/mine.conf`, '[Service]\nNice=1\n')
  const [before, timer] = [world.tree(), read(world, `${units}/acme-a.example.timer`)]
  world.configure({ 'a.example': {}, 'b.example': {} }, { maxConcurrentRenewals: 0 })
  assert.equal(
    await output(world.apply()),
    `~ a.example: timer
~ b.example: timer
- c.example (its certificate and keys stay in '/var/lib/acme/c.example')
~ ${units}/acme-fixperms.service
0 added, 2 changed, 1 removed, 0 unchanged
`,
  )
  const folders = ['/etc/nixacme', units, '/var/lib/nixacme', jobs]
  assert.deepEqual(
    world.changes(before).filter((line) => !folders.includes(line.slice(1)) && !line.includes('.wants')),
    [
      '~/etc/nixacme/config.toml',
      `~${units}/acme-a.example.timer`,
      `~${units}/acme-b.example.timer`,
      ...unitsOf('c.example')
        .slice(0, 3)
        .map((path) => `-${path}`),
      `~${units}/acme-fixperms.service`,
      ...unitsOf('c.example')
        .slice(3)
        .map((path) => `-${path}`),
      `~${list}`,
      `-${jobs}/c.example.json`,
      `~${jobs}/manifest`,
    ],
  )
  const spread = (text: string) => text.replace(/^AccuracySec=.*$/m, '')
  assert.equal(spread(read(world, `${units}/acme-a.example.timer`)), spread(timer))
  assert.equal(await output(world.apply()), '0 added, 0 changed, 0 removed, 2 unchanged\n')
})

test('units are enabled in an image, until they are gone; with --no-systemctl they are not', async (t) => {
  const world = makeApplyWorld(t)
  const links = () =>
    ['multi-user.target.wants/acme-a.example.service', 'timers.target.wants/acme-a.example.timer'].map((link) =>
      lstatSync(world.in(`${units}/${link}`), { throwIfNoEntry: false })?.isSymbolicLink(),
    )
  world.configure({ 'a.example': {} })
  await output(world.apply(['--no-systemctl']))
  assert.deepEqual(links(), [undefined, undefined])
  world.configure({})
  await output(world.apply())
  world.configure({ 'a.example': {} })
  await output(world.apply())
  assert.deepEqual(links(), [true, true])
  world.configure({})
  await output(world.apply())
  assert.deepEqual(links(), [undefined, undefined])
})

test('without certificates nothing of it is left but what others made', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  await output(world.apply())
  world.write(`${units}/nginx.service`, '[Service]\n')
  world.configure({})
  assert.match(await output(world.apply()), /\n0 added, 0 changed, 1 removed, 0 unchanged\n$/)
  for (const path of [...machine, ...unitsOf('a.example')]) assert.equal(existsSync(world.in(path)), false, path)
  assert.equal(read(world, `${units}/nginx.service`), '[Service]\n')
  assert.equal(await output(world.apply()), '0 added, 0 changed, 0 removed, 0 unchanged\n')
})

test('one more certificate moves the slots of many: told in few lines', async (t) => {
  const world = makeApplyWorld(t)
  const certs = Array.from({ length: 12 }, (_, i) => [`m${i + 10}.example`, {}])
  world.configure(Object.fromEntries(certs))
  await output(world.apply())
  world.configure(Object.fromEntries([['a.example', {}], ...certs]))
  assert.equal(
    await output(world.apply()),
    `+ a.example
~ 12 certificates: lock slot, timer
~ ${units}/acme-fixperms.service
1 added, 12 changed, 0 removed, 0 unchanged
`,
  )
})

test('what changes of a certificate is named', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {}, 'b.example': {} })
  await output(world.apply())
  world.configure({ 'a.example': { validMinDays: 20 }, 'b.example': {} })
  assert.equal(await output(world.apply()), '~ a.example\n0 added, 1 changed, 0 removed, 1 unchanged\n')
  world.configure({ 'a.example': { validMinDays: 20, renewInterval: 'weekly' }, 'b.example': { group: 'www' } })
  assert.equal(
    await output(world.apply()),
    `~ a.example: timer
~ b.example: certificate, service, self-signed service
~ ${units}/acme-fixperms.service
0 added, 2 changed, 0 removed, 0 unchanged
`,
  )
})

test('a file that somebody else made is not replaced, and nothing else is written', async (t) => {
  for (const path of [`${units}/acme-b.example.timer`, '/etc/tmpfiles.d/nixacme.conf']) {
    const world = makeApplyWorld(t)
    world.configure({ 'a.example': {}, 'b.example': {} })
    world.write(path, '[Timer]\nOnCalendar=hourly\n')
    assert.equal(await refused(world), `'${world.in(path)}' is there already, and nixacme did not make it`)
  }
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  mkdirSync(world.in(units), { recursive: true })
  // As `systemctl mask` leaves it.
  symlinkSync('/dev/null', world.in(`${units}/acme-a.example.service`))
  assert.match(await refused(world), /did not make it/)
})

test('a file of ours that was edited is made anew', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  await output(world.apply())
  const path = `${units}/acme-a.example.service`
  const text = read(world, path)
  world.write(path, `${text}# mine\n`)
  unlinkSync(world.in(`${units}/acme.slice`))
  assert.equal(
    await output(world.apply()),
    `~ a.example: service\n+ ${units}/acme.slice\n0 added, 1 changed, 0 removed, 0 unchanged\n`,
  )
  assert.equal(read(world, path), text)
})

test('a config with faults: nothing is written', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  await output(world.apply())
  world.configure({ 'a.example': {}, 'b.example': { renewJitter: 'soon' } })
  assert.match(await refused(world), /'soon' is not a time span/)
})

test('a path that a unit cannot be shown: nothing is written', async (t) => {
  const world = makeApplyWorld(t)
  for (const webroot of ['/home/u/a:b', '/tmp/a"b', '/var/lib/acme/a\\b']) {
    world.configure({ 'a.example': { webroot } })
    assert.match(await refused(world), /^the units cannot be shown '/)
  }
  const csr = { csr: '/etc/x.csr', csrKey: '/root/a:b.key', webroot: '/srv/w' }
  world.configure({ 'a.example': csr })
  assert.match(await refused(world), /^the units cannot be shown '\/root\/a:b.key'/)
  world.configure({ 'a.example': { webroot: '/srv/a:"b\\c' } })
  await output(world.apply())
})

test('a program that the units could not start: nothing is written', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  assert.match(
    await refused(world, ['/usr/bin/node', '/opt/nixacme']),
    /would start '\/opt\/nixacme', which is not there/,
  )
  for (const path of ['/home/u/nixacme', '/root/nixacme', '/tmp/nixacme']) {
    world.write(path, '')
    assert.match(await refused(world, ['/usr/bin/node', path]), /their sandbox hides homes and \/tmp$/)
  }
})

test('an apply that cannot write in the middle is finished by the next', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {}, 'b.example': {} })
  // A file stands where a folder must be: the units are written by then, the jobs are not.
  world.write(jobs, '')
  const { status, stderr } = await world.apply()
  assert.equal(status, 73, stderr)
  for (const path of unitsOf('b.example')) assert.ok(existsSync(world.in(path)))
  rmSync(world.in(jobs))
  await output(world.apply())
  const whole = makeApplyWorld(t)
  whole.configure({ 'a.example': {}, 'b.example': {} })
  await output(whole.apply())
  const names = (one: ApplyWorld) => [...one.tree().keys()].map((path) => path.replace(one.root, ''))
  assert.deepEqual(names(world), names(whole))
})

test('without root, --root and a state of one’s own: 77, nothing written', async (t) => {
  const world = makeApplyWorld(t)
  world.configure({ 'a.example': {} })
  const before = world.tree()
  const host = fakeHost({ identity: { uid: 1000, gid: 1000 } as never })
  const config = world.in('/etc/nixacme/config.toml')
  const status = await main(['--config', config, 'apply', '--no-systemctl'], Object.assign(host, { self: program }))
  assert.deepEqual([status, host.said.stdout], [77, ''])
  assert.match(host.said.stderr, /only root can apply the config to the machine/)
  assert.deepEqual(world.changes(before), [])
})
