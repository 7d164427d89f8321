// The helpers for acme.sh's scripts: each is called, in dash and bash, and gives what scripts count on.
import assert from 'node:assert/strict'
import { createHash, createHmac, createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { repository, run, temporaryDir } from '../support/process.ts'

const file = join(repository, 'libexec/acmesh-helpers.sh')
const source = readFileSync(file, 'utf8')
const defined = [...source.matchAll(/^(_\w+)\(\)/gm)].map(([, name = '']) => name)

const hmac = (algorithm: string, key: string, text: string) => createHmac(algorithm, key).update(text)
const hex = (text: string) => Buffer.from(text).toString('hex')
const digest = (algorithm: string, text: string) => createHash(algorithm).update(text)
const odd = `a "b" \\c\td\ne'f $g`

/** A call, its output, and its status (0 unless told). `$ODD` is a text with all that has to be escaped. */
const cases: readonly (readonly [call: string, output: string | RegExp, status?: number])[] = [
  ['_info words', ''],
  ['_info a b', ''],
  ['_err words', '', 1],
  ['_usage words', ''],
  ...['_debug', '_debug2', '_debug3', '_secure_debug', '_secure_debug2', '_secure_debug3'].map(
    (name) => [`${name} name value`, ''] as const,
  ),
  ['_printargs name value', "name='value'\n"],
  ['__green word; __red word', 'wordword'],
  ['_contains abc b', ''],
  ['_contains abc "^b"', '', 1],
  [`_contains '{"id":1}' '"id"'`, ''],
  ['_contains "$ODD" -x', '', 1],
  [`_startswith '[1]' '\\['`, ''],
  ['_startswith xa a', '', 1],
  ['_endswith xa a', ''],
  ['_endswith ax a', '', 1],
  ['echo "a1 b22" | _egrep_o "[0-9]+"', '1\n22\n'],
  ['printf "1\\n2\\n3\\n" | _head_n 2', '1\n2\n'],
  ['printf "1\\n2\\n3\\n" | _tail_n 1', '3\n'],
  ['echo a:b | _cut -d : -f 2', 'b\n'],
  ['echo aBc | _lower_case', 'abc\n'],
  ['echo aBc | _upper_case', 'ABC\n'],
  ['_getfield a,b,c 2', 'b\n'],
  ['_getfield a.b.c 3 .', 'c\n'],
  ['echo abc >"$HOME/e"; _sed_i s/b/X/ "$HOME/e"; cat "$HOME/e"', 'aXc\n'],
  ['_math 1 + 2; _math "3" - 1', '32'],
  ['_isIPv4 192.0.2.1', ''],
  ['_isIPv4 a.example', '', 1],
  ['_is_idn example.com', '', 1],
  ['_is_idn exämple.com', ''],
  ['_idn xn--exmple-cua.com', 'xn--exmple-cua.com'],
  [`printf '{ "a" : "b c" ,\\n  "d": [1, 2],\\n  "e" : 3 }' | _normalizeJson`, '{ "a":"b c" ,"d":[1, 2],"e" : 3 }'],
  ['printf %s "$ODD" | _json_encode', JSON.stringify(odd).slice(1, -1)],
  ['printf "ab\\n" | _hex_dump', ' 61 62 0a'],
  ['printf "0123456789abcdefXY" | _hex_dump | tr -d " "', hex('0123456789abcdefXY')],
  ['printf ab | _ascii_hex', ' 61 62'],
  ['printf "41 4220 25 5c" | _h2b', 'AB %\\'],
  ['_escapes_of "00 ff" 0x0f; printf %s "$_octal"', '\\017\\360'],
  ['printf 000a | _h2b | _hex_dump', ' 00 0a'],
  ['printf %s "$ODD$ODD$ODD" | _base64', Buffer.from(odd + odd + odd).toString('base64')],
  ['printf %070d 0 | _base64 multiline | wc -l | tr -d " "', '2\n'],
  ['printf YWI= | _dbase64', 'ab'],
  ['printf "YWI=\\n" | _dbase64 multiline', 'ab'],
  ['printf "a+/=" | _url_replace', 'a-_'],
  ['printf "YWI" | _durl_replace_base64', 'YWI='],
  [
    'printf %s "$ODD" | _url_encode',
    encodeURIComponent(odd)
      .replaceAll("'", '%27')
      .replaceAll(/%../g, (one) => one.toLowerCase()),
  ],
  ['printf "é/~" | _url_encode upper-hex', '%C3%A9%2F~'],
  ['printf abc | _digest sha256 hex', digest('sha256', 'abc').digest('hex')],
  ['printf abc | _digest sha1', digest('sha1', 'abc').digest('base64')],
  ['printf abc | _digest md5 hex', digest('md5', 'abc').digest('hex')],
  ...(['md5', 'sha1', 'sha256', 'sha512'] as const).map(
    (name) => [`printf abc | _hmac ${name} ${hex('key')} hex`, hmac(name, 'key', 'abc').digest('hex')] as const,
  ),
  [`printf abc | _hmac sha256 ${hex('k'.repeat(65))}`, hmac('sha256', 'k'.repeat(65), 'abc').digest('base64')],
  [`printf abc | _hmac sha512 ${hex('k'.repeat(100))} hex`, hmac('sha512', 'k'.repeat(100), 'abc').digest('hex')],
  ['printf abc | _sign "$KEY" sha256 >"$HOME/signature"', ''],
  ['_exists sh', ''],
  ['_exists no-such-command || exit 1', '', 1],
  ['_exists _exists', ''],
  ['f=$(_mktemp); [ -f "$f" ] && case $f in "$HOME"/*) ;; *) exit 1 ;; esac', ''],
  ['_sleep 0', ''],
  ['_time', /^17\d{8}\n$|^[2-9]\d{9}\n$/],
  ['_utc_date', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$/],
  ['_date2time 2026-01-02T03:04:05Z', '1767323045\n'],
  ['_time2str 1767323045', '2026-01-02T03:04:05Z\n'],
  ['_saveaccountconf a "$ODD"; _readaccountconf a', odd],
  ['_saveaccountconf_mutable b 1; _saveaccountconf_mutable b 2; _readaccountconf_mutable b', '2'],
  ['_saveaccountconf c 1; _clearaccountconf c; _readaccountconf c', ''],
  ['_saveaccountconf c 1; _clearaccountconf_mutable c; _readaccountconf c', ''],
  ['_savedomainconf d 1; _readdomainconf d; _readaccountconf d', '1'],
  ['_savedomainconf e 1; _cleardomainconf e; _readdomainconf e', ''],
  ['_savedomainconf f 1; _migratedomainconf f g; _readdomainconf f; _readdomainconf g', '1'],
  ['_save_conf "$HOME/x" k v; _read_conf "$HOME/x" k; _clear_conf "$HOME/x" k; _read_conf "$HOME/x" k', 'v'],
  // What came by the environment is there anyhow, and is not written down.
  [
    '_saveaccountconf_mutable CANARY "$CANARY"; _readaccountconf_mutable CANARY; cat "$ACCOUNT_CONF_PATH"',
    /^canary(\w+=[\w+/=]+\n)*$/,
  ],
  ['_inithttp; _resethttp; cat "$HTTP_HEADER"', ''],
  ['_setting header "$ODD"', 'header = "a \\"b\\" \\\\c\td\\ne\'f $g"\n'],
  ['_setting data-raw "$(printf "a\\r\\nb")"', 'data-raw = "a\\r\\nb"\n'],
]

test('each helper is called by a case', () => {
  assert.ok(defined.length >= 60, String(defined.length))
  const called = cases.map(([call]) => call).join('\n')
  // Those that speak to a server have their own tests, with scripts (acmesh.test.ts).
  const overHttp = ['_curl', '_get', '_post']
  const missed = defined.filter(
    (name) => !overHttp.includes(name) && !new RegExp(`(?<!\\w)${name}(?!\\w)`).test(called),
  )
  assert.deepEqual(missed, [])
})

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

test('busybox, too, takes the helpers for a script', async (t) => {
  if (!needs(t, 'busybox')) return
  const { status, stderr } = await run('busybox', ['sh', '-n', file])
  assert.deepEqual([status, stderr], [0, ''])
})

for (const shell of ['dash', 'bash'])
  test(`${shell}: every helper does what scripts count on`, async (t) => {
    if (!needs(t, 'openssl')) return
    const dir = temporaryDir(t)
    const home = join(dir, 'home')
    mkdirSync(home)
    writeFileSync(join(dir, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const calls = cases.map(([call], i) => `( ${call}\n) >out.${i} 2>err.${i}; echo $? >status.${i}`)
    writeFileSync(join(dir, 'calls.sh'), `. '${file}'\ncd '${dir}'\n${calls.join('\n')}\n`)
    const env = { HOME: home, ODD: odd, KEY: join(dir, 'key.pem'), CANARY: 'canary' }
    const { status, stderr } = await run(shell, [join(dir, 'calls.sh')], { env })
    assert.deepEqual([status, stderr], [0, ''])
    const read = (name: string, i: number) => readFileSync(join(dir, `${name}.${i}`), 'utf8')
    for (const [i, [call, output, wanted = 0]] of cases.entries()) {
      if (typeof output === 'string') assert.equal(read('out', i), output, call)
      else assert.match(read('out', i), output, call)
      assert.equal(read('status', i), `${wanted}\n`, `${call}: ${read('err', i)}`)
      const words = /^_(info|err|usage) (words|a b)$/.exec(call)?.[2]
      assert.equal(read('err', i), words === undefined ? '' : words === 'words' ? 'words\n' : "a='b'\n", call)
    }
    const signature = readFileSync(join(home, 'signature'), 'utf8')
    assert.ok(createVerify('sha256').update('abc').verify(publicKey, signature, 'base64'))
    const kept = readdirSync(home).map((name) => readFileSync(join(home, name), 'utf8'))
    const canary = Buffer.from('canary').toString('base64')
    assert.ok(kept.every((text) => !text.includes('canary') && !text.includes(canary)))
  })
