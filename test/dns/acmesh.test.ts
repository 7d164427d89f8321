// The bridge to scripts in acme.sh's style, with two that were written for this test: one for a JSON interface, one for an
// interface of forms with a session and signatures. Credentials are looked for in the arguments of every process, and in the
// folder of the script, meanwhile.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { providerNamed } from '../../src/acme/dns/providers.ts'
import { NixacmeError } from '../../src/errors.ts'
import { needs } from '../support/needs.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'
import { makeHookWorld, record } from './hook-world.ts'

const { name, value } = record
const second = 'gfj9Xq-Rg85nM_0123456789abcdefABCDEF0123456'
const secret = `canary-${process.pid}-"$(x)\\`
const host = 'api.dns.example'

const jsonScript = `#!/usr/bin/env sh
TESTJSON_Api="https://${host}/v1"
dns_testjson_add() {
  fulldomain=$1
  txtvalue=$2
  TESTJSON_Token="\${TESTJSON_Token:-$(_readaccountconf_mutable TESTJSON_Token)}"
  if [ -z "$TESTJSON_Token" ]; then
    _err "You didn't specify a token."
    return 1
  fi
  _saveaccountconf_mutable TESTJSON_Token "$TESTJSON_Token"
  _secure_debug TESTJSON_Token "$TESTJSON_Token"
  _testjson_zone || return 1
  if _testjson_id; then
    _info "This record is there already."
    return 0
  fi
  _testjson_rest POST "zones/$_zone/records" "{\\"name\\":\\"$fulldomain\\",\\"content\\":\\"$txtvalue\\"}" || return 1
  _contains "$response" '"content":"'
}
dns_testjson_rm() {
  fulldomain=$1
  txtvalue=$2
  TESTJSON_Token="\${TESTJSON_Token:-$(_readaccountconf_mutable TESTJSON_Token)}"
  _testjson_zone || return 1
  _testjson_id || return 0
  _testjson_rest DELETE "zones/$_zone/records/$_id"
}
_testjson_zone() {
  i=2
  while true; do
    h=$(printf "%s" "$fulldomain" | cut -d . -f $i-100)
    [ -n "$h" ] || { _err "invalid domain"; return 1; }
    _testjson_rest GET "zones?name=$(printf %s "$h" | _url_encode)" || return 1
    if _contains "$response" "\\"name\\":\\"$h\\""; then
      _zone=$(echo "$response" | _egrep_o '"id":"[^"]*"' | _head_n 1 | cut -d : -f 2 | tr -d '"')
      return 0
    fi
    i=$(_math "$i" + 1)
  done
}
_testjson_id() {
  _testjson_rest GET "zones/$_zone/records" || return 1
  _id=$(echo "$response" | tr '{' '\\n' | grep -- "\\"name\\":\\"$fulldomain\\"" | grep -- "\\"content\\":\\"$txtvalue\\"" |
    _egrep_o '"id":"[^"]*"' | cut -d : -f 2 | tr -d '"')
  [ "$_id" ]
}
_testjson_rest() {
  export _H1="Authorization: Bearer $TESTJSON_Token"
  if [ "$1" = GET ]; then
    response="$(_get "$TESTJSON_Api/$2" | _normalizeJson)"
  else
    response="$(_post "\${3-}" "$TESTJSON_Api/$2" "" "$1" "application/json" | _normalizeJson)"
  fi
  _code="$(grep "^HTTP" "$HTTP_HEADER" | _tail_n 1 | cut -d " " -f 2 | tr -d "\\\\r\\\\n")"
  case $_code in
  2*) return 0 ;;
  *) _err "status $_code: $response"; return 1 ;;
  esac
}
`

const formScript = `#!/usr/bin/env bash
dns_testform_add() { _testform add "$1" "$2"; }
dns_testform_rm() { _testform remove "$1" "$2"; }
_testform() {
  _cookie="$(_readdomainconf TESTFORM_Session)"
  if [ -z "$_cookie" ]; then
    _body="user=$(printf %s "$TESTFORM_User" | _url_encode)&password=$(printf %s "$TESTFORM_Password" | _url_encode)"
    _post "$_body" "https://${host}/login" >/dev/null || return 1
    _cookie="$(grep -i '^set-cookie:' "$HTTP_HEADER" | cut -d : -f 2- | tr -d ' \\r')"
    _savedomainconf TESTFORM_Session "$_cookie"
  fi
  export _H1="Cookie: $_cookie"
  _key=$(printf %s "$TESTFORM_Password" | _hex_dump | tr -d ' ')
  _sig=$(printf '%s\\n%s' "$2" "$3" | _hmac sha256 "$_key" hex)
  response="$(_post "action=$1&name=$2&value=$3&sig=$_sig" "https://${host}/records")"
  _contains "$response" "^OK" || _err "$response"
}
`

/** The text of a file; nothing where it has gone meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Throws when a process of this machine has the secret among its arguments, or a file of a hook holds it. */
function lookForSecret(): void {
  const lines = readdirSync('/proc').flatMap((one) => (/^\d+$/.test(one) ? [`/proc/${one}/cmdline`] : []))
  const folders = readdirSync(tmpdir()).filter((one) => one.startsWith('nixacme-hook-') && !one.includes('test'))
  const files = folders.flatMap((one) => {
    const folder = join(tmpdir(), one)
    return existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : []
  })
  const forms = [`canary-${process.pid}`, ...(['hex', 'base64'] as const).map((as) => Buffer.from(secret).toString(as))]
  for (const path of [...lines, ...files])
    for (const form of forms) assert.ok(!textOf(path).includes(form), `${path}: ${textOf(path).replaceAll('\0', ' ')}`)
}

function makeJsonFake() {
  const records = [{ id: 'r0', name, content: 'of somebody else' }]
  let last = 0
  return {
    records,
    handle({ method, path, query, headers, json }: FakeRequest): FakeReply {
      lookForSecret()
      if (headers.authorization !== `Bearer ${secret}`)
        return { status: 401, json: { error: `not ${headers.authorization}` } }
      if (path === '/v1/zones')
        return {
          text:
            query.get('name') === 'example.com' ? '{ "zones": [\n { "id": "z1", "name": "example.com" } ] }' : '{ }',
        }
      const [, id] = /^\/v1\/zones\/z1\/records(?:\/(r\d+))?$/.exec(path) ?? assert.fail(path)
      if (method === 'POST') {
        const made = { id: `r${++last}`, ...json() }
        records.push(made)
        return { status: 201, json: made }
      }
      if (method === 'DELETE') {
        const at = records.findIndex((one) => one.id === id)
        assert.ok(at > 0, path)
        records.splice(at, 1)
        return { status: 204 }
      }
      assert.equal(method, 'GET')
      return { json: { records } }
    },
  }
}

async function setUp(t: TestContext, handle: (request: FakeRequest) => FakeReply) {
  const api = await startFakeApi(t, [host], handle)
  const world = makeHookWorld(t)
  const put = (code: string, text: string) => writeFileSync(join(world.dir, `${code}.sh`), text)
  put('dns_testjson', jsonScript)
  put('dns_testform', formScript)
  const open = (code: string, variables: Readonly<Record<string, string>>) =>
    world.open(providerNamed(`acmesh:${code}`), { ACMESH_PATH: world.dir, ...api.forCurl, ...variables })
  return { world, put, open, api }
}

const isOf = (kind: string, pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError, String(e))
  assert.equal(e.kind, kind, e.message)
  assert.match(e.message, pattern)
  assert.doesNotMatch(`${e.message} ${e.hints} ${e.stack}`, /canary/)
  return true
}

test('acmesh: a script for a JSON interface puts and takes away, beside what others have', async (t) => {
  if (!needs(t, 'curl', 'openssl')) return
  const fake = makeJsonFake()
  const { world, open } = await setUp(t, fake.handle)
  const values = () => fake.records.map(({ content }) => content)
  const variables = { TESTJSON_Token: secret }
  await open('dns_testjson', variables).present({ name, value })
  await open('dns_testjson', variables).present({ name, value })
  await open('dns_testjson', variables).present({ name, value: second })
  assert.deepEqual(values(), ['of somebody else', value, second])
  assert.deepEqual(world.told, ["the script 'dns_testjson': This record is there already."])
  for (const one of [value, value, second]) await open('dns_testjson', variables).cleanUp({ name, value: one })
  assert.deepEqual(values(), ['of somebody else'])

  const wrong = open('dns_testjson', { TESTJSON_Token: `canary-${process.pid}-"wrong\\` })
  fake.records.length = 1
  await assert.rejects(
    wrong.present({ name, value }),
    isOf('refused', /^the script 'dns_testjson' ended with status 1: status 401: .*"not Bearer …"/),
  )
  await assert.rejects(open('dns_testjson', {}).present({ name, value }), isOf('refused', /You didn't specify a token/))
  assert.match(world.told.join('\n'), /"not Bearer …"/)
  assert.doesNotMatch(world.told.join('\n'), /canary/)
})

test('acmesh: a script for forms, with a session that it keeps from one call to the next', async (t) => {
  if (!needs(t, 'curl', 'openssl')) return
  const values: string[] = []
  let logins = 0
  const { open, world } = await setUp(t, ({ path, headers, form }) => {
    lookForSecret()
    const fields = Object.fromEntries(form())
    if (path === '/login') {
      assert.deepEqual(fields, { user: 'me & you', password: secret })
      return { headers: { 'set-cookie': `sid=${++logins}` }, text: 'OK' }
    }
    assert.equal(path, '/records')
    const { action, sig, ...rest } = fields
    assert.deepEqual([headers['cookie'], rest], ['sid=1', { name, value: rest['value'] }])
    assert.equal(sig, createHmac('sha256', secret).update(`${name}\n${rest['value']}`).digest('hex'))
    if (action === 'add') values.push(rest['value'] ?? '')
    else assert.equal(values.splice(values.indexOf(rest['value'] ?? ''), 1).length, 1)
    return { text: 'OK' }
  })
  const provider = open('dns_testform', { TESTFORM_User: 'me & you', TESTFORM_Password: secret })
  await provider.present({ name, value })
  await provider.present({ name, value: second })
  await provider.cleanUp({ name, value })
  assert.deepEqual([values, logins], [[second], 1])
  assert.deepEqual(world.told, [])
})

test('acmesh: what a script has saved is for the same run; after a kill its removal is told by nothing else', async (t) => {
  const { world, put, open } = await setUp(t, () => assert.fail('nothing may be asked'))
  const out = join(world.dir, 'removed')
  put(
    'dns_keeps',
    `dns_keeps_add() { _savedomainconf KEEPS_Id 7; }
dns_keeps_rm() {
  _id="$(_readdomainconf KEEPS_Id)"
  [ -n "$_id" ] || { _err "no id is known"; return 1; }
  echo "removed $_id" >>'${out}'
}
`,
  )
  const killed = open('dns_keeps', {})
  await killed.present({ name, value })
  await assert.rejects(open('dns_keeps', {}).cleanUp({ name, value }), isOf('refused', /'dns_keeps'/))
  assert.match(world.told.join('\n'), /no id is known/)
  assert.equal(existsSync(out), false)
  await killed.cleanUp({ name, value })
  assert.equal(readFileSync(out, 'utf8'), 'removed 7\n')
})

test('acmesh: a script sees the variables that it names, and no others', async (t) => {
  const { world, put, open } = await setUp(t, () => assert.fail('nothing may be asked'))
  const out = join(world.dir, 'out')
  put('dns_env', `dns_env_add() {\n: "$ENV_Key \${ENV_Other:-}"\n{ env; pwd; ls -A; } >>'${out}'\n}\n`)
  const variables = {
    ENV_Key: 'canary-1',
    OTHER_Key: 'canary-2',
    EXTRA: '3',
    STATE_DIRECTORY: '/x',
    LEGO_EAB_HMAC: 'canary-4',
  }
  const provider = open('dns_env', { ...variables, ACMESH_VARIABLES: 'EXTRA LEGO_EAB_HMAC' })
  await provider.present({ name, value })
  const seen = readFileSync(out, 'utf8')
  const names = [...seen.matchAll(/^(\w+)=/gm)].map(([, one]) => one)
  assert.deepEqual(names.filter((one) => !/^(LANG|PWD|OLDPWD|SHLVL|_)$/.test(one ?? '')).sort(), [
    'CURL_CA_BUNDLE',
    'ENV_Key',
    'EXTRA',
    'HOME',
    'HTTPS_PROXY',
    'PATH',
  ])
  const [home] = /(?<=^HOME=).*/m.exec(seen) ?? []
  assert.ok(seen.endsWith(`\n${home}\n`), 'it starts in its home, which is empty')
  assert.ok(!existsSync(home ?? ''), 'and goes away')
  await provider.cleanUp({ name, value })
  assert.deepEqual(world.told, ["the script 'dns_env': the script has no function 'dns_env_rm'"])
})

test('acmesh: where scripts are looked for, and what is none', async (t) => {
  const { world, put, open } = await setUp(t, () => assert.fail('nothing may be asked'))
  put('dns_ok', 'dns_ok_add() { :; }\n')
  put('dns_none', 'echo no function\n')
  await open('dns_ok', {}).present({ name, value })
  await open('dns_ok', { ACMESH_PATH: join(world.dir, 'dns_ok.sh') }).present({ name, value })
  for (const [code, path, pattern] of [
    ['dns_none', world.dir, /'.*dns_none\.sh' has no function 'dns_none_add'$/],
    ['dns_missing', world.dir, /there is no script 'dns_missing\.sh' in '/],
    ['dns_ok', 'dns_ok.sh', /'ACMESH_PATH' is 'dns_ok\.sh': expected an absolute path/],
  ] as const)
    assert.throws(() => open(code, { ACMESH_PATH: path }), isOf('config', pattern))
  for (const code of ['cf', 'dns_', 'dns_../x', 'dns_a b'])
    assert.throws(() => providerNamed(`acmesh:${code}`), isOf('config', /expected 'dns_' and what follows it/))
})
