// The units of the poller: what of the machine each of them can see, when they run, and that no mark makes them run in circles.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wakeEvery } from '../../src/renewal/renewal-info.ts'
import { certConfig, config, shownIn } from '../job/support.ts'
import { filesOf, settings } from './matrix.ts'
import { readUnit } from './read-unit.ts'

const certs = [
  certConfig({ name: 'a.example', group: 'www', caCertificates: ['/root/own.pem', '/etc/own.pem'] }),
  certConfig({ name: 'b.example', challenges: shownIn('/srv/www') }),
]

function unitOf(name: string, changes: Parameters<typeof config>[1] = {}) {
  const file = filesOf({ config: config(certs, changes), settings }).find(({ path }) => path.endsWith(`/${name}`))
  return readUnit(file?.text ?? assert.fail(name))
}

test('the poller is no more than user acme, and sees of the state only what the CAs said: no key, no job', () => {
  const unit = unitOf('acme-poll.service')
  for (const [key, value] of Object.entries({ User: 'acme', Group: 'acme', CapabilityBoundingSet: '' }))
    assert.equal(unit.one('Service', key), value)
  assert.deepEqual(unit.words('Service', 'TemporaryFileSystem'), ['/var/lib/acme:ro'])
  assert.deepEqual(unit.words('Service', 'BindPaths'), ['-/var/lib/acme/.renewal-info'])
  assert.deepEqual(unit.words('Service', 'ReadWritePaths'), ['-/run/acme-due'])
  assert.deepEqual(unit.words('Service', 'InaccessiblePaths'), ['-/var/lib/nixacme/jobs'])
  assert.deepEqual(unit.words('Service', 'BindReadOnlyPaths'), ['-/root/own.pem'])
  assert.deepEqual(unit.all('Service', 'StateDirectory'), [])
  assert.deepEqual(unit.all('Service', 'SupplementaryGroups'), [])
  // Whatever is told to root comes from the folder of the marks alone.
  assert.deepEqual(unit.all('Service', 'ExecStartPost'), [])
})

test('marks are looked at after each poll, also when no CA could be reached, and only where there are any', () => {
  const poll = unitOf('acme-poll.service')
  assert.equal(poll.one('Unit', 'OnSuccess'), 'acme-due.service')
  assert.equal(poll.one('Service', 'SuccessExitStatus'), '69')
  const due = unitOf('acme-due.service')
  assert.equal(due.one('Unit', 'ConditionDirectoryNotEmpty'), '/run/acme-due')
  assert.equal(due.one('Unit', 'StartLimitIntervalSec'), '0')
  const names = filesOf({ config: config(certs), settings }).map(({ path }) => path)
  assert.deepEqual(
    names.filter((path) => path.endsWith('.path')),
    [],
    'a path unit starts again and again what cannot remove a mark',
  )
})

test('what starts the renewals is root without capabilities, network or state', () => {
  const unit = unitOf('acme-due.service')
  for (const [key, value] of Object.entries({ User: 'root', CapabilityBoundingSet: '', PrivateNetwork: 'yes' }))
    assert.equal(unit.one('Service', key), value)
  assert.deepEqual(unit.words('Service', 'InaccessiblePaths'), ['-/var/lib/acme'])
  assert.deepEqual(unit.words('Service', 'ReadWritePaths'), ['-/run/acme-due'])
})

test('wake-ups come as often as the renewals count on, each machine at its own minute', () => {
  const unit = unitOf('acme-poll.timer')
  assert.equal(unit.one('Timer', 'OnCalendar'), `*:0/${wakeEvery / 60_000}`)
  assert.equal(unit.one('Timer', 'FixedRandomDelay'), 'yes')
  assert.equal(unit.one('Timer', 'AccuracySec'), '1min')
  assert.deepEqual(unit.all('Install', 'WantedBy'), ['timers.target'])
})

test("folders: the renewal information is acme's; the marks are in a folder of root's, who needs no right to empty it", () => {
  const tmpfiles = (changes: Parameters<typeof config>[1]) =>
    filesOf({ config: config(certs, changes), settings }).find(({ path }) => path.startsWith('/etc/tmpfiles.d/'))?.text
  assert.match(tmpfiles({}) ?? '', /^d \/var\/lib\/acme\/\.renewal-info 0750 acme acme$/m)
  assert.match(tmpfiles({}) ?? '', /^d \/run\/acme-due 0770 root acme$/m)
  assert.match(tmpfiles({ useRoot: true }) ?? '', /^d \/var\/lib\/acme\/\.renewal-info 0750 root root$/m)
  assert.match(tmpfiles({ useRoot: true }) ?? '', /^d \/run\/acme-due 0770 root root$/m)
})

test('with useRoot the poller is root, as all else', () => {
  assert.equal(unitOf('acme-poll.service', { useRoot: true }).one('Service', 'User'), 'root')
})
