// Programs and hooks of the operator's: what they are called with, what they see, and what becomes of their words.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { exec } from '../../src/acme/dns/providers/exec.ts'
import { providerNamed } from '../../src/acme/dns/providers.ts'
import { NixacmeError } from '../../src/errors.ts'
import { makeHookWorld, record } from './hook-world.ts'

const { name, value } = record
const isOf = (kind: string, pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError, String(e))
  assert.equal(e.kind, kind)
  assert.match(e.message, pattern)
  assert.doesNotMatch(`${e.message} ${e.hints} ${e.stack}`, /canary/)
  return true
}

test('exec: the record, as lego has it; the environment holds what it is promised and nothing else', async (t) => {
  const world = makeHookWorld(t)
  const file = world.script('dns', `echo "$#" "$@" >>"$OUT"; env >>"$OUT"; ls -A >>"$OUT"; echo done it\n`)
  const provider = world.open(
    exec,
    { EXEC_PATH: file, DNS_KEY: 'canary-1' },
    { env: { PATH: process.env['PATH'], X: 'no' } },
  )
  await provider.present(record)
  await provider.cleanUp(record)
  const lines = world.seen().split('\n').filter(Boolean)
  assert.deepEqual(
    lines.filter((line) => /^3 /.test(line)),
    [`3 present ${name}. ${value}`, `3 cleanup ${name}. ${value}`],
  )
  const names = lines.flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? [])
  assert.deepEqual([...new Set(names)].sort(), ['DNS_KEY', 'EXEC_PATH', 'HOME', 'PATH', 'PWD'])
  assert.match(world.seen(), /^DNS_KEY=canary-1$/m)
  assert.equal(lines.length, 12, 'the folder is empty')
  assert.deepEqual(world.told, [`'${file}': done it`, `'${file}': done it`])
  const home = /^HOME=(.*)$/m.exec(world.seen())?.[1] ?? ''
  assert.ok(home.startsWith(tmpdir()) && !existsSync(home), home)
})

test('exec: mode RAW', async (t) => {
  const world = makeHookWorld(t)
  const file = world.script('dns', `echo "$#" "$@" >>"$OUT"\n`)
  const provider = world.open(exec, { EXEC_PATH: file, EXEC_MODE: 'RAW' })
  await provider.present(record)
  await provider.cleanUp(record)
  const rest = '-- www.example.com -token_1 -token_1.thumbprint'
  assert.equal(world.seen(), `5 present ${rest}\n5 cleanup ${rest}\n`)
  assert.throws(() => world.open(exec, { EXEC_PATH: file, EXEC_MODE: 'raw' }), isOf('config', /EXEC_MODE.*'raw'/))
})

test('exec: a failure is told with its last words, without credentials', async (t) => {
  const world = makeHookWorld(t)
  const file = world.script('dns', `echo first; echo "the zone is locked for $DNS_KEY" >&2; exit 3\n`)
  const provider = world.open(exec, { EXEC_PATH: file, DNS_KEY: 'canary-1' })
  await assert.rejects(provider.present(record), isOf('refused', /dns' ended with status 3: the zone is locked for …$/))
  assert.deepEqual(world.told, [`'${file}': first`, `'${file}': the zone is locked for …`])
})

test('exec: what cannot be run is told before anything starts', (t) => {
  const world = makeHookWorld(t)
  for (const [path, pattern] of [
    [`${world.dir}/none`, /'EXEC_PATH'.*no such file/],
    ['./dns', /'EXEC_PATH'.*absolute/],
    ['a/b', /'EXEC_PATH'.*absolute/],
  ] as const)
    assert.throws(() => world.open(exec, { EXEC_PATH: path }), isOf('config', pattern))
  assert.throws(() => world.open(exec, {}), isOf('config', /'EXEC_PATH' is not set/))
})

test('exec: a program that dies has failed, and is called again; it is not one that cannot be run', async (t) => {
  const world = makeHookWorld(t)
  const file = world.script('dns', 'kill -KILL $$\n')
  await assert.rejects(world.open(exec, { EXEC_PATH: file }).cleanUp(record), isOf('refused', /was ended by SIGKILL/))
})

test('exec: what a program leaves running does not hold the run; a signal ends it', async (t) => {
  const world = makeHookWorld(t)
  const file = world.script('dns', `sleep 50 & echo $! >>"$OUT"; echo started\n`)
  const begin = Date.now()
  await world.open(exec, { EXEC_PATH: file }).present(record)
  process.kill(Number(world.seen()), 'SIGKILL')
  assert.ok(Date.now() - begin < 40_000)
  assert.deepEqual(world.told, [`'${file}': started`])

  const stop = new AbortController()
  // One that ends well when it is told to end has not done its work either.
  const slow = world.script('slow', `trap 'exit 0' TERM; echo up >>"$OUT"; sleep 50 & wait\n`)
  const running = world.open(exec, { EXEC_PATH: slow }, { signal: stop.signal }).present(record)
  while (!world.seen().includes('up')) await new Promise((resolve) => setTimeout(resolve, 10))
  stop.abort(new Error('stopped by the test'))
  await assert.rejects(running, /stopped by the test/)
})

test('dehydrated: a hook is called as dehydrated calls it', async (t) => {
  const world = makeHookWorld(t)
  const file = world.script('hook', `echo "$#" "$@" "$DNS_KEY" >>"$OUT"\n`)
  const provider = world.open(providerNamed(`dehydrated:${file}`), { DNS_KEY: 'canary' })
  await provider.present(record)
  await provider.cleanUp(record)
  assert.equal(
    world.seen(),
    `4 deploy_challenge www.example.com -token_1 ${value} canary\n4 clean_challenge www.example.com -token_1 ${value} canary\n`,
  )
})

test('certbot: hooks are told by variables, the cleanup what the first has said', async (t) => {
  const world = makeHookWorld(t)
  const show = `echo "$0 $CERTBOT_DOMAIN $CERTBOT_TOKEN $CERTBOT_VALIDATION $CERTBOT_AUTH_OUTPUT" >>"$OUT"\n`
  const auth = world.script('auth', `${show}echo record 17; echo words >&2\n`)
  const clean = world.script('clean', show)
  const provider = world.open(providerNamed(`certbot:${auth},${clean}`), {})
  await provider.present(record)
  await provider.cleanUp(record)
  const told = `www.example.com -token_1 ${value}`
  assert.equal(world.seen(), `${auth} ${told} \n${clean} ${told} record 17\n`)
  await world.open(providerNamed(`certbot:${auth}`), {}).cleanUp(record)
  assert.equal(world.seen().split('\n').length, 3, 'no cleanup hook, no call')
})

test('bridges: names that make no sense', () => {
  assert.equal(providerNamed('nonesuch:/x'), undefined)
  for (const code of ['dehydrated:hook', 'dehydrated:', 'certbot:/a,b', 'certbot:'])
    assert.throws(() => providerNamed(code), isOf('config', /expected an absolute path/))
})
