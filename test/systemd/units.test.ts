// The units in the words of the contract (1.6, 1.8, 1.9, 1.13, 2.4): names, orders, conditions, folders, times.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertConfig, Config } from '../../src/config/config.ts'
import { compile } from '../../src/job/compile.ts'
import { certConfig, config, shownIn } from '../job/support.ts'
import { caseOf, cases, filesOf, settings } from './matrix.ts'
import { commandOf, pathIn, readUnit } from './read-unit.ts'

const x = 'x.test'

const textsOf = (of: Config, systemdVersion?: number): Map<string, string> => {
  const given = { ...settings, systemdVersion: systemdVersion ?? settings.systemdVersion }
  return new Map(filesOf({ config: of, settings: given }).map(({ path, text }) => [path.replace(/^.*\//, ''), text]))
}

const unitOf = (of: Config, name: string, systemdVersion?: number) =>
  readUnit(textsOf(of, systemdVersion).get(name) ?? assert.fail(`no unit ${name}`))

const one = (change: Partial<CertConfig> = {}, global: Partial<Config> = {}): Config =>
  config([certConfig({ name: x, ...change })], global)

const many = (count: number, global: Partial<Config> = {}): Config =>
  config(
    Array.from({ length: count }, (_, i) => certConfig({ name: `c${i}.test` })),
    global,
  )

const sorted = (words: readonly string[]) => [...words].sort()

test('no certificate, no file', () => assert.deepEqual(filesOf({ config: config([]), settings }), []))

test('the files of one certificate', () => {
  assert.deepEqual(
    filesOf({ config: one(), settings }).map(({ path, cert }) => [path, cert]),
    [
      ['/etc/sysusers.d/nixacme.conf', undefined],
      ['/etc/tmpfiles.d/nixacme.conf', undefined],
      ['/etc/systemd/system/acme-fixperms.service', undefined],
      ['/etc/systemd/system/acme.slice', undefined],
      ['/etc/systemd/system/acme-poll.service', undefined],
      ['/etc/systemd/system/acme-poll.timer', undefined],
      ['/etc/systemd/system/acme-due.service', undefined],
      ['/etc/systemd/system/acme-lockfiles.service', undefined],
      ['/etc/systemd/system/acme-selfsigned-ca.service', undefined],
      [`/etc/systemd/system/acme-${x}.service`, x],
      [`/etc/systemd/system/acme-${x}.timer`, x],
      [`/etc/systemd/system/acme-finished-${x}.target`, x],
      [`/etc/systemd/system/acme-selfsigned-${x}.service`, x],
    ],
  )
})

test('renewal: order, wishes, user, folders, hooks', () => {
  const unit = unitOf(one({ group: 'www' }), `acme-${x}.service`)
  const setUp = ['acme-fixperms.service', 'acme-lockfiles.service', `acme-selfsigned-${x}.service`]
  assert.equal(unit.one('Unit', 'Description'), `Renew ACME certificate for ${x}`)
  assert.deepEqual(
    sorted(unit.words('Unit', 'After')),
    sorted(['network.target', 'network-online.target', 'nss-lookup.target', ...setUp]),
  )
  assert.deepEqual(sorted(unit.words('Unit', 'Wants')), sorted(['network-online.target', ...setUp]))
  // Nobody's failure holds up a renewal: no leader, no set-up that must have succeeded.
  for (const key of ['Requires', 'BindsTo', 'Requisite', 'PartOf']) assert.deepEqual(unit.all('Unit', key), [], key)
  assert.deepEqual(unit.all('Install', 'WantedBy'), ['multi-user.target'])
  assert.deepEqual(
    ['Type', 'User', 'Group', 'StateDirectoryMode'].map((key) => unit.one('Service', key)),
    ['oneshot', 'acme', 'www', '0750'],
  )
  const [job] = compile(one())
  assert.ok(job)
  assert.deepEqual(unit.words('Service', 'StateDirectory'), [
    `acme/${x}`,
    `acme/.lego/${x}`,
    `acme/.lego/${x}/${job.servers[0].hashes.certDir}`,
    `acme/.lego/accounts/${job.servers[0].hashes.account}`,
  ])
  assert.deepEqual(commandOf(unit.one('Service', 'ExecStart')), [
    '/usr/bin/node',
    '--jitless',
    '/usr/bin/nixacme',
    'renew',
    x,
  ])
  const [proof = '', hooks = '', announcement = '', ...more] = unit.all('Service', 'ExecStartPost')
  assert.match(
    proof,
    new RegExp(`^/usr/bin/test -e /var/lib/acme/.lego/${x}/${job.servers[0].hashes.certDir}/${x}.crt$`),
  )
  assert.match(hooks, /^\+.* post-run x\.test$/)
  assert.equal(announcement, `-+/usr/bin/systemctl --no-block start -- acme-finished-${x}.target`)
  assert.deepEqual(more, [])
})

test('only what a renewal is for is seen of the state, and only what it needs is writable', () => {
  const unit = unitOf(one({ challenges: shownIn('/srv/www') }), `acme-${x}.service`)
  assert.deepEqual(unit.words('Service', 'TemporaryFileSystem'), ['/var/lib/acme:ro'])
  assert.deepEqual(unit.words('Service', 'BindPaths'), [
    ...unit.words('Service', 'StateDirectory').map((name) => `/var/lib/${name}`),
    '-/var/lib/acme/.renewal-info',
  ])
  assert.deepEqual(unit.words('Service', 'ReadWritePaths').map(pathIn), ['/run/acme', '/srv/www'])
  const preliminary = unitOf(one(), `acme-selfsigned-${x}.service`)
  assert.deepEqual(preliminary.words('Service', 'BindReadOnlyPaths').map(pathIn), ['/var/lib/acme/.minica'])
  assert.deepEqual(preliminary.words('Service', 'ReadWritePaths'), [])
})

test('self-signed stand-in: after the local CA and the owners, only until there is a real certificate', () => {
  const unit = unitOf(one({ domain: '*.x.test', dnsProvider: 'rfc2136' }), `acme-selfsigned-${x}.service`)
  const setUp = ['acme-selfsigned-ca.service', 'acme-fixperms.service']
  assert.deepEqual(unit.words('Unit', 'After'), setUp)
  assert.deepEqual(unit.words('Unit', 'Requires'), ['acme-selfsigned-ca.service'])
  assert.deepEqual(unit.words('Unit', 'Wants'), ['acme-fixperms.service'])
  const [job] = compile(one({ domain: '*.x.test', dnsProvider: 'rfc2136' }))
  assert.equal(job?.keyName, '_.x.test')
  const certificate = `/var/lib/acme/.lego/${x}/${job?.servers[0].hashes.certDir}/_.x.test.crt`
  const installed = `/var/lib/acme/${x}/fullchain.pem`
  assert.deepEqual(unit.all('Unit', 'ConditionPathExists'), [`|!${certificate}`, `|!${installed}`])
  assert.deepEqual(unit.all('Install', 'WantedBy'), [])
  assert.ok(unit.words('Service', 'StateDirectory').includes(`acme/${x}`))
  assert.match(unit.one('Service', 'ExecStartPost'), / post-run x\.test$/)
})

test('local CA: made once', () => {
  const unit = unitOf(one(), 'acme-selfsigned-ca.service')
  assert.equal(unit.one('Unit', 'Description'), 'Generate self-signed certificate authority')
  assert.deepEqual(unit.all('Unit', 'ConditionPathExists'), ['!/var/lib/acme/.minica/key.pem'])
  assert.deepEqual(
    ['StateDirectory', 'StateDirectoryMode', 'UMask'].map((key) => unit.one('Service', key)),
    ['acme/.minica', '0750', '0077'],
  )
})

test('set-up units stay active, where the contract has them work', () => {
  const permissions = unitOf(one(), 'acme-fixperms.service')
  assert.equal(permissions.one('Unit', 'Description'), 'Fix owner and group of all ACME certificates')
  // Folders that systemd would give to acme, who could then put links in them; the state is root's and written below.
  assert.deepEqual(permissions.all('Service', 'StateDirectory'), [])
  assert.deepEqual(permissions.all('Service', 'ReadWritePaths'), ['-/var/lib/acme'])
  for (const key of ['TemporaryFileSystem', 'InaccessiblePaths']) assert.deepEqual(permissions.all('Service', key), [])
  const lockFiles = unitOf(one(), 'acme-lockfiles.service')
  assert.equal(lockFiles.one('Unit', 'Description'), 'Manage lock files for acme services')
  const keys = ['RemainAfterExit', 'WorkingDirectory']
  assert.deepEqual(
    keys.map((key) => permissions.one('Service', key)),
    ['yes', '-/var/lib/acme'],
  )
  assert.deepEqual(
    keys.map((key) => lockFiles.one('Service', key)),
    ['yes', '/run/acme'],
  )
})

test('set-up units change with what they set up, so that apply starts them anew', () => {
  const text = (of: Config, name: string) => textsOf(of).get(name)
  const permissions = 'acme-fixperms.service'
  assert.notEqual(text(one(), permissions), text(one({ group: 'www' }), permissions))
  assert.equal(text(one(), permissions), text(one({ validMinDays: 3 }), permissions))
  const lockFiles = (slots: number) => text(one({}, { maxConcurrentRenewals: slots }), 'acme-lockfiles.service')
  assert.notEqual(lockFiles(1), lockFiles(2))
})

for (const [count, accuracy] of [
  [1, '86400s'],
  [2, '43200s'],
  [7, '12342s'],
] as const)
  test(`timer: ${count} certificates spread over the day by ${accuracy}`, () => {
    for (const [name, text] of textsOf(many(count)))
      if (name.endsWith('.timer') && name !== 'acme-poll.timer')
        assert.equal(readUnit(text).one('Timer', 'AccuracySec'), accuracy)
  })

test('timer: what it starts, when, and that a missed time is made up for', () => {
  const unit = unitOf(one({ renewInterval: 'Mon *-*-* 04:00', renewJitter: '1h 30min' }), `acme-${x}.timer`)
  const wanted = {
    OnCalendar: 'Mon *-*-* 04:00',
    Unit: `acme-${x}.service`,
    Persistent: 'yes',
    AccuracySec: '86400s',
    RandomizedDelaySec: '1h 30min',
    FixedRandomDelay: 'yes',
  }
  assert.deepEqual(Object.fromEntries(unit.keys('Timer').map((key) => [key, unit.one('Timer', key)])), wanted)
  assert.equal(unit.one('Unit', 'Description'), `Renew ACME Certificate for ${x}`)
  assert.deepEqual(unit.all('Install', 'WantedBy'), ['timers.target'])
})

test('finished target: requires the renewal, and follows its stand-in too', () => {
  for (const preliminarySelfsigned of [true, false]) {
    const unit = unitOf(one({}, { preliminarySelfsigned }), `acme-finished-${x}.target`)
    const standIn = preliminarySelfsigned ? [`acme-selfsigned-${x}.service`] : []
    assert.deepEqual(unit.words('Unit', 'Requires'), [`acme-${x}.service`])
    assert.deepEqual(unit.words('Unit', 'Wants'), standIn)
    assert.deepEqual(unit.words('Unit', 'After'), [`acme-${x}.service`, ...standIn])
    assert.deepEqual(unit.all('Install', 'WantedBy'), ['default.target'])
  }
})

test('without bound there is no unit for lock files, and nobody waits for it', () => {
  for (const maxConcurrentRenewals of [0, -1]) {
    const texts = textsOf(many(3, { maxConcurrentRenewals }))
    assert.ok(!texts.has('acme-lockfiles.service'))
    for (const [name, text] of texts) assert.doesNotMatch(text, /lockfiles/, name)
    assert.match(texts.get('nixacme.conf') ?? '', /^d \/run\/acme 0700 acme acme$/m)
  }
})

test('nothing self-signed: no unit of it, and nobody waits for it', () => {
  for (const [name, text] of textsOf(one({}, { preliminarySelfsigned: false }))) {
    assert.doesNotMatch(name, /selfsigned/)
    assert.doesNotMatch(text, /selfsigned|minica/, name)
  }
})

test('certificates of one account have no order among themselves', () => {
  for (const [name, text] of textsOf(many(2))) if (name.includes('c0.test')) assert.doesNotMatch(text, /c1\.test/, name)
})

test('a wait for a slot ends before the unit is given up', () => {
  const seconds = (of: Config) =>
    Number(/^(\d+)s$/.exec(unitOf(of, `acme-${x}.service`).one('Service', 'TimeoutStartSec'))?.[1])
  assert.ok(seconds(one()) > 86_400)
  assert.equal(seconds(one({}, { lockTimeout: 600 })) - seconds(one({}, { lockTimeout: 0 })), 600)
})

test('with useRoot every service is root’s', () => {
  for (const [name, text] of textsOf(one({ group: 'www' }, { useRoot: true })))
    if (name.endsWith('.service')) assert.equal(readUnit(text).one('Service', 'User'), 'root', name)
})

test('owners are set by a member of all groups, without a privilege', () => {
  const of = config(['nginx', 'acme', 'www', 'nginx'].map((group, i) => certConfig({ name: `c${i}.test`, group })))
  const unit = unitOf(of, 'acme-fixperms.service')
  assert.deepEqual(unit.words('Service', 'SupplementaryGroups'), ['nginx', 'www'])
  assert.ok(unit.words('Service', 'SystemCallFilter').includes('@chown'))
  assert.deepEqual(unit.all('Service', 'PrivateUsers'), [])
})

test('credentials: copies under short names, encrypted ones by their own setting', () => {
  const { config: of } = caseOf('credentials')
  const a = unitOf(of, 'acme-a.example.service')
  assert.deepEqual(a.words('Service', 'LoadCredential'), ['CF_API_KEY:/etc/secrets/key'])
  assert.deepEqual(a.words('Service', 'LoadCredentialEncrypted'), ['CF_TOKEN:/etc/credstore.encrypted/token'])
  assert.deepEqual(a.words('Service', 'Environment'), [
    'CF_API_KEY_FILE=/run/credentials/CF_API_KEY',
    'CF_TOKEN_FILE=/run/credentials/CF_TOKEN',
  ])
  const b = unitOf(of, 'acme-b.example.service')
  assert.deepEqual(b.words('Service', 'LoadCredential'), ['A_FILE:/etc/secrets/a', 'A_PATH:/etc/secrets/b'])
  assert.deepEqual(b.words('Service', 'LoadCredentialEncrypted'), ['B:/etc/secrets/100%.cred'])
  // The stand-in needs none of them.
  for (const [name, text] of textsOf(of)) {
    const mayRead = /^acme-[ab]\.example\.service$/.test(name)
    assert.equal(/\/etc\/(secrets|credstore)/.test(text), mayRead, name)
  }
})

test('homes are hidden but for what the config names there', () => {
  const home = (of: Partial<CertConfig>) => unitOf(one(of), `acme-${x}.service`).one('Service', 'ProtectHome')
  assert.equal(home({}), 'yes')
  assert.equal(home({ challenges: shownIn('/homepage') }), 'yes')
  assert.equal(home({ challenges: shownIn('/home/u/www') }), 'tmpfs')
  const unit = unitOf(one({ caCertificates: ['/root/ca.pem', '/etc/ca.pem'] }), `acme-${x}.service`)
  assert.equal(unit.one('Service', 'ProtectHome'), 'tmpfs')
  assert.deepEqual(unit.words('Service', 'BindReadOnlyPaths').map(pathIn), ['/root/ca.pem'])
  const temporary = unitOf(one({ challenges: shownIn('/tmp/www') }), `acme-${x}.service`)
  assert.ok(temporary.words('Service', 'BindPaths').map(pathIn).includes('/tmp/www'))
})

test('the slice bounds what is started where systemd can, and nowhere else', () => {
  const limit = (slots: number, version: number) =>
    unitOf(many(3, { maxConcurrentRenewals: slots }), 'acme.slice', version).all('Slice', 'ConcurrencySoftMax')
  assert.deepEqual(limit(2, 258), ['4'])
  assert.deepEqual(limit(2, 257), [])
  assert.deepEqual(limit(0, 258), [])
  for (const [name, text] of textsOf(one()))
    if (name.endsWith(`${x}.service`)) assert.equal(readUnit(text).one('Service', 'Slice'), 'acme.slice', name)
})

test('another config file is told to the units, the usual one is not', () => {
  for (const of of cases)
    for (const { path, text } of filesOf(of))
      assert.equal(
        text.includes('NIXACME_CONFIG='),
        of.name === 'another config file' && path.endsWith('.service'),
        path,
      )
})
