// What lego is started with, and what of its words may be shown.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type OutfitSources, outfitOf } from '../../src/acme/lego/environment.ts'
import { NixacmeError } from '../../src/errors.ts'
import { noSecrets } from '../../src/job/variables.ts'
import { temporaryDir } from '../support/process.ts'

const canary = 'canary+4711/x'

function outfit(t: TestContext, change: Partial<OutfitSources>) {
  const folder = join(temporaryDir(t, 'nixacme-lego'), 'secrets')
  mkdirSync(folder)
  return { folder, ...outfitOf({ env: {}, secrets: noSecrets, caCertificates: [], folder, ...change }) }
}

test('by hand: what the files say, and of the caller only the way to the CA', (t) => {
  const secrets = { variables: { DUCKDNS_TOKEN: canary, NODE_OPTIONS: '--x' }, files: { X_TOKEN_FILE: `${canary}\n` } }
  const env = {
    PATH: '/bin',
    https_proxy: 'http://p',
    HOME: '/root',
    SECRET: 'x',
    LEGO_PATH: '/x',
    NIXACME_CONFIG: '/c',
  }
  const { folder, env: made } = outfit(t, { env, secrets })
  const file = join(folder, 'X_TOKEN_FILE')
  assert.deepEqual(made, { PATH: '/bin', https_proxy: 'http://p', DUCKDNS_TOKEN: canary, X_TOKEN_FILE: file })
  assert.equal(readFileSync(file, 'utf8'), `${canary}\n`)
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('in a unit: its environment, but for what is the manager’s and ours', (t) => {
  const kept = { PATH: '/bin', HOME: '/var/lib/acme', DUCKDNS_TOKEN: canary, X_FILE: '/run/credentials/x' }
  const ours = { NOTIFY_SOCKET: '/n', INVOCATION_ID: 'i', NIXACME_CONFIG: '/c', LEGO_EAB_HMAC: 'h', LEGO_SERVER: 's' }
  const { env } = outfit(t, { env: { ...kept, ...ours, STATE_DIRECTORY: '/var/lib/acme/x', LISTEN_FDS: '1' } })
  assert.deepEqual(env, kept)
})

test('all private roots are one file, beside the machine’s own', (t) => {
  const dir = temporaryDir(t, 'nixacme-roots')
  const paths = ['a', 'b'].map((name) => join(dir, name))
  for (const path of paths) writeFileSync(path, `root ${path}\n`)
  const [one = '', other = ''] = paths
  const { env } = outfit(t, { env: { LEGO_CA_CERTIFICATES: other }, caCertificates: [one] })
  assert.match(readFileSync(env['LEGO_CA_CERTIFICATES'] ?? '', 'utf8'), /root .*\/a\n+root .*\/b\n/)
  assert.equal(env['LEGO_CA_SYSTEM_CERT_POOL'], 'true')
  assert.throws(
    () => outfit(t, { caCertificates: ['/nonexistent'] }),
    (e) => e instanceof NixacmeError && e.kind === 'config',
  )
})

test('what credentials hold is in no line, however it is written', (t) => {
  const secrets = {
    variables: { DUCKDNS_TOKEN: canary, DUCKDNS_TTL: '1234', DUCKDNS_ZONE: 'example.com' },
    files: { X_TOKEN_FILE: 'first-secret\nsecond-secret\n' },
  }
  const { redacted } = outfit(t, { secrets })
  const line = `token=${canary} ${encodeURIComponent(canary)} ${Buffer.from(canary).toString('base64')} second-secret`
  assert.equal(redacted(`${line} 1234 example.com`), 'token=*** *** *** *** 1234 example.com')
  assert.equal(redacted('x'.repeat(5000)).length, 1000)
  assert.equal(redacted('a\u001b[31mb').includes('\u001b'), false)
})

test('secrets that cannot be read are told as what they are', (t) => {
  const fault = { kind: 'permission', message: 'cannot read it', hints: [] } as const
  assert.throws(() => outfit(t, { secrets: { fault } }), { kind: 'permission', message: 'cannot read it' })
})
