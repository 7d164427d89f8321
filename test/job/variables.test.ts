// Where credentials come from: which source goes first, what is refused, and that no value gets into a message.
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { credentialsOf, type Secrets, secretReader, variablesOf } from '../../src/job/variables.ts'
import { fakeHost } from '../support/fake-host.ts'
import { needs } from '../support/needs.ts'
import { run, temporaryDir } from '../support/process.ts'

const canary = 'c4nary-v4lue'

interface Given {
  readonly variables?: string
  /** Contents by variable. */
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

function given(t: TestContext, { variables, files = {}, env = {} }: Given) {
  const dir = temporaryDir(t)
  const put = (name: string, text: string) => {
    const path = join(dir, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const job = {
    environmentFile: variables === undefined ? null : put('variables', variables),
    credentialFiles: Object.fromEntries(Object.entries(files).map(([key, text]) => [key, put(key, text)])),
  }
  const host = fakeHost({ env: { PATH: process.env['PATH'], ...env } })
  return { dir, put, job, host }
}

async function lookUp(t: TestContext, all: Given, name: string): Promise<string | undefined> {
  const { job, host } = given(t, all)
  return variablesOf(await secretReader(host)(job), host)(name)
}

function faultOf(secrets: Secrets): string {
  assert.ok('fault' in secrets)
  const e = assertThrows(() => variablesOf(secrets, fakeHost())('X'))
  assert.deepEqual([e.kind, e.message, e.hints], [secrets.fault.kind, secrets.fault.message, secrets.fault.hints])
  assert.ok(!JSON.stringify(secrets).includes(canary))
  return `${e.exitStatus} ${e.message}`
}

function assertThrows(action: () => unknown): NixacmeError {
  try {
    action()
  } catch (e) {
    assert.ok(e instanceof NixacmeError)
    return e
  }
  return assert.fail('nothing was thrown')
}

for (const [name, all, wanted] of [
  ['nothing', {}, undefined],
  ['the environment', { env: { X: 'env' } }, 'env'],
  ['an empty variable is none', { env: { X: '' } }, undefined],
  ['environmentFile', { variables: 'X=file' }, 'file'],
  ['credentialFiles, trimmed', { files: { X_FILE: '\n credential \n\n' } }, 'credential'],
  ['the config goes before the environment', { variables: 'X=file', env: { X: 'env' } }, 'file'],
  ['a credential goes before the environment', { files: { X_FILE: 'credential' }, env: { X: 'env' } }, 'credential'],
  ['NAME goes before NAME_FILE', { variables: 'X=file', files: { X_FILE: 'credential' } }, 'file'],
  ['an empty NAME leaves it to NAME_FILE', { variables: 'X=', files: { X_FILE: 'credential' } }, 'credential'],
] as const)
  test(`a variable: ${name}`, async (t) => assert.equal(await lookUp(t, all, 'X'), wanted))

test('a variable that names a file, from the environment and from environmentFile', async (t) => {
  const { put, host, job } = given(t, {})
  const path = put('secret', ` ${canary}\n`)
  const fromEnv = fakeHost({ env: { X_FILE: path } })
  assert.equal(variablesOf(await secretReader(fromEnv)(job), fromEnv)('X'), canary)
  const named = { ...job, environmentFile: put('variables', `X_FILE=${path}\n`) }
  assert.equal(variablesOf(await secretReader(host)(named), host)('X'), canary)
})

test('in a unit systemd has done it: the files are not touched', async (t) => {
  const { job, host } = given(t, { env: { X: 'env', STATE_DIRECTORY: '/var/lib/acme/x' }, variables: 'X=file' })
  const gone = { ...job, credentialFiles: { Y_FILE: '/nonexistent' } }
  assert.equal(variablesOf(await secretReader(host)(gone), host)('X'), 'env')
})

for (const [what, spoil, words] of [
  ['missing', () => '/nonexistent/x', /^78 cannot read the file of 'X_FILE', '.*': no such file or directory$/],
  ['a folder', (dir: string) => dir, /^78 the file of 'X_FILE', '.*', is not a regular file$/],
  [
    'a pipe',
    async (dir: string) => {
      await run('mkfifo', [join(dir, 'pipe')])
      return join(dir, 'pipe')
    },
    /^78 .* is not a regular file$/,
  ],
  [
    'too large',
    (dir: string) => {
      writeFileSync(join(dir, 'large'), canary.repeat(100_000))
      return join(dir, 'large')
    },
    /^78 .* has more than 1048576 bytes$/,
  ],
] as const)
  test(`a credential that is ${what}: a fault that is told when it is wanted`, async (t) => {
    const { dir, host, job } = given(t, {})
    const secrets = await secretReader(host)({ ...job, credentialFiles: { X_FILE: await spoil(dir) } })
    assert.match(faultOf(secrets), words)
  })

test('a file that others may bend is not read', async (t) => {
  if (!needs(t, 'root')) return
  const { dir, host, job, put } = given(t, {})
  const open = put('open', canary)
  chmodSync(open, 0o666)
  const theirs = join(dir, 'theirs')
  mkdirSync(theirs)
  writeFileSync(join(theirs, 'secret'), canary)
  chownSync(theirs, 64_001, 64_001)
  const read = secretReader(host)
  for (const path of [open, join(theirs, 'secret')]) {
    assert.match(faultOf(await read({ ...job, credentialFiles: { X_FILE: path } })), /^77 .* is not to be trusted/)
    assert.match(faultOf(await read({ ...job, environmentFile: path })), /^77 .* is not to be trusted/)
  }
})

test('an encrypted credential is decrypted under the name that the unit has for it, once for all jobs', async (t) => {
  const { dir, put, job } = given(t, {})
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  const calls = join(dir, 'calls')
  const decrypts = `#!/bin/sh\necho "$@" >> '${calls}'\nread x < "$3"; echo "$x decrypted"\n`
  writeFileSync(join(bin, 'systemd-creds'), decrypts, { mode: 0o755 })
  const host = fakeHost({ env: { PATH: `${bin}:${process.env['PATH']}` } })
  const path = put('x.cred', 'sealed\n')
  const read = secretReader(host)
  const encrypted = { ...job, credentialFiles: { X_FILE: path } }
  for (const secrets of [await read(encrypted), await read(encrypted)])
    assert.equal(variablesOf(secrets, host)('X'), 'sealed decrypted')
  assert.equal((await run('cat', [calls])).stdout, `decrypt --name=X ${path} -\n`)
})

test('an encrypted credential that cannot be decrypted: the command that tries it', async (t) => {
  const { dir, put, job } = given(t, {})
  const path = put('x.cred', canary)
  const encrypted = { ...job, credentialFiles: { X_FILE: path } }
  const without = await secretReader(fakeHost({ env: { PATH: dir } }))(encrypted)
  assert.match(
    faultOf(without),
    /^78 .* cannot be decrypted: systemd-creds could not be started: no such file or directory$/,
  )
  writeFileSync(join(dir, 'systemd-creds'), '#!/bin/sh\nexit 3\n', { mode: 0o755 })
  const failing = await secretReader(fakeHost({ env: { PATH: `${dir}:${process.env['PATH']}` } }))(encrypted)
  assert.match(faultOf(failing), /^78 .* cannot be decrypted: systemd-creds ended with status 3$/)
  assert.ok('fault' in failing && failing.fault.hints[0] === `try it: systemd-creds decrypt --name=X '${path}' -`)
})

test('for programs: what the files set, and in a unit what systemd made of them, without its own', (t) => {
  const dir = temporaryDir(t)
  writeFileSync(join(dir, 'TOKEN_FILE'), 'from file\n')
  const secrets = { variables: { A: '1', LOG_FILE: '/nowhere/log' }, files: { KEY_FILE: 'content\n' } }
  const byHand = { env: { PATH: '/bin', B: '2' } }
  assert.deepEqual(credentialsOf(secrets, byHand), { A: '1', LOG_FILE: '/nowhere/log', KEY: 'content' })
  const unit = {
    env: {
      PATH: '/bin',
      STATE_DIRECTORY: '/var/lib/acme',
      CREDENTIALS_DIRECTORY: dir,
      INVOCATION_ID: 'x',
      NODE_OPTIONS: '--jitless',
      B: '2',
      LOG_FILE: '/nowhere/log',
      TOKEN_FILE: join(dir, 'TOKEN_FILE'),
    },
  }
  assert.deepEqual(credentialsOf({ variables: {}, files: {} }, unit), {
    B: '2',
    LOG_FILE: '/nowhere/log',
    TOKEN: 'from file',
  })
  const fault = { kind: 'permission', message: 'cannot read it', hints: [] } as const
  assert.throws(() => credentialsOf({ fault }, byHand), /cannot read it/)
})
