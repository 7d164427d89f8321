// What single options of a certificate change in its units: several CAs, a request of one's own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertConfig, Config } from '../../src/config/config.ts'
import { compile } from '../../src/job/compile.ts'
import { certConfig, config } from '../job/support.ts'
import { filesOf, settings } from './matrix.ts'
import { commandOf, pathIn, readUnit } from './read-unit.ts'

const x = 'x.test'

const one = (change: Partial<CertConfig>, global: Partial<Config> = {}): Config =>
  config([certConfig({ name: x, ...change })], global)

function unitOf(of: Config, name: string) {
  const file = filesOf({ config: of, settings }).find(({ path }) => path.endsWith(`/${name}`))
  return readUnit(file?.text ?? assert.fail(`no unit ${name}`))
}

test('several CAs: the folders of each, made and seen, and a certificate of any is a success', () => {
  const servers = ['https://a.test/dir', 'https://b.test/dir', 'https://c.test/dir']
  const of = one({ servers, server: 'https://a.test/dir', orderTimeout: 1000 }, { lockTimeout: 60 })
  const [job] = compile(of)
  assert.ok(job)
  const certificates = job.servers.map(({ hashes }) => `acme/.lego/${x}/${hashes.certDir}`)
  const accounts = job.servers.map(({ hashes }) => `acme/.lego/accounts/${hashes.account}`)
  assert.equal(new Set([...certificates, ...accounts]).size, 6)
  const folders = [`acme/${x}`, `acme/.lego/${x}`, ...certificates]
  const unit = unitOf(of, `acme-${x}.service`)
  assert.deepEqual(unit.words('Service', 'StateDirectory'), [...folders, ...accounts])
  for (const name of [...folders, ...accounts])
    assert.ok(unit.words('Service', 'BindPaths').includes(`/var/lib/${name}`), name)
  assert.deepEqual(commandOf(unit.all('Service', 'ExecStartPost')[0] ?? ''), [
    '/usr/bin/test',
    ...certificates.flatMap((name, i) => [...(i === 0 ? [] : ['-o']), '-e', `/var/lib/${name}/${x}.crt`]),
  ])
  // An order and a registration at each, the hooks, and the wait.
  assert.equal(unit.one('Service', 'TimeoutStartSec'), `${3 * (1000 + 300) + 1200 + 60}s`)
  const selfsigned = unitOf(of, `acme-selfsigned-${x}.service`)
  assert.deepEqual(selfsigned.words('Service', 'StateDirectory'), folders)
})

test('a request of one’s own is shown where the sandbox would hide it, and never to be written', () => {
  const unit = unitOf(one({ csr: { request: '/root/x.csr', key: '/home/u/x.key' } }), `acme-${x}.service`)
  assert.deepEqual(unit.words('Service', 'BindReadOnlyPaths').map(pathIn), ['/root/x.csr', '/home/u/x.key'])
  assert.equal(unit.one('Service', 'ProtectHome'), 'tmpfs')
  for (const key of ['BindPaths', 'ReadWritePaths'])
    assert.ok(!unit.words('Service', key).some((word) => word.includes('x.csr') || word.includes('x.key')), key)
  const inState = unitOf(
    one({ csr: { request: '/var/lib/acme/x.csr', key: '/var/lib/acme/x.key' } }),
    `acme-${x}.service`,
  )
  assert.deepEqual(inState.words('Service', 'BindReadOnlyPaths').map(pathIn), [
    '/var/lib/acme/x.csr',
    '/var/lib/acme/x.key',
  ])
})
