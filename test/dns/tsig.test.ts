// Signatures: what is accepted of an answer and what is not, and what a server says in words; keys as people have them.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { rfc2136 } from '../../src/acme/dns/providers/rfc2136.ts'
import { signed, type TsigKey, verify } from '../../src/acme/dns/tsig.ts'
import { tsigKey } from '../../src/acme/dns/tsig-key.ts'
import { decodeMessage, encodeMessage, type WireMessage } from '../../src/acme/dns/wire.ts'
import { NixacmeError } from '../../src/errors.ts'
import { type FakeAnswer, type FakeQuestion, startFakeDns } from './fake-dns.ts'
import { makeHookWorld } from './hook-world.ts'

const secret = Buffer.from('canary '.repeat(5))
const key: TsigKey = { name: 'acme', algorithm: 'hmac-sha256', secret }
const now = new Date('2026-11-22T08:00:00Z')
const empty: WireMessage = { id: 7, flags: 0x8000, questions: [], answers: [], authorities: [], additionals: [] }
const request = signed(encodeMessage({ ...empty, flags: 0 }), key, now)

/** An answer signed as a server does: over the request's MAC, too. */
function answerOf(message = empty, { by = key, at = now, mac = request.mac } = {}): Buffer {
  const bytes = encodeMessage(message)
  const { bytes: whole, mac: plain } = signed(bytes, by, at)
  // The variables are the same; before the message comes the request's MAC with its length.
  const length = Buffer.alloc(2)
  length.writeUInt16BE(mac.length)
  const time = Buffer.alloc(6)
  time.writeUIntBE(at.getTime() / 1000, 0, 6)
  const names = Buffer.from('\x04acme\x00\x00\xff\x00\x00\x00\x00\x0bhmac-sha256\x00', 'latin1')
  const tail = [names, time, Buffer.from([1, 44, 0, 0, 0, 0])]
  const found = createHmac('sha256', by.secret)
    .update(Buffer.concat([length, mac, bytes, ...tail]))
    .digest()
  found.copy(whole, whole.indexOf(plain))
  return whole
}

const judge = (answer: Buffer, at = now) => verify(answer, { key, mac: request.mac, now: at })

test('an answer with our signature is good, under another number, too', () => {
  assert.deepEqual(judge(answerOf()), { kind: 'good' })
  const renumbered = answerOf()
  renumbered.writeUInt16BE(9, 0)
  assert.deepEqual(judge(renumbered), { kind: 'good' }, 'RFC 8945 §4.3.2: the original number is signed')
})

test('what is not signed, or not by our key to our request, is not', () => {
  assert.deepEqual(judge(encodeMessage(empty)), { kind: 'unsigned' })
  assert.deepEqual(judge(Buffer.from('nonsense')), { kind: 'unsigned' })
  const other = Buffer.from('another secret')
  for (const [what, answer] of [
    ['another secret', answerOf(empty, { by: { ...key, secret: other } })],
    ['another request', answerOf(empty, { mac: Buffer.alloc(32) })],
    ['no request', signed(encodeMessage(empty), key, now).bytes],
    ['another key', signed(encodeMessage(empty), { ...key, name: 'other' }, now).bytes],
    ['another algorithm', signed(encodeMessage(empty), { ...key, algorithm: 'hmac-sha512' }, now).bytes],
  ] as const)
    assert.deepEqual(judge(answer), { kind: 'forged' }, what)
})

test('each byte of an answer is signed', () => {
  const whole = answerOf({
    ...empty,
    answers: [{ name: 'a.test', type: 16, class: 1, ttl: 5, data: Buffer.from('\x02ok') }],
  })
  assert.deepEqual(judge(whole), { kind: 'good' })
  for (let at = 2; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
    assert.notEqual(judge(changed).kind, 'good', `byte ${at}`)
  }
})

test('an answer may be five minutes old, not more', () => {
  assert.deepEqual(judge(answerOf(), new Date(now.getTime() + 300_000)), { kind: 'good' })
  assert.deepEqual(judge(answerOf(), new Date(now.getTime() + 301_000)), { kind: 'old', seconds: 301 })
  assert.deepEqual(judge(answerOf(), new Date(now.getTime() - 301_000)), { kind: 'old', seconds: 301 })
})

const variables = { RFC2136_TSIG_KEY: 'acme', RFC2136_TSIG_SECRET: secret.toString('base64'), RFC2136_DNS_TIMEOUT: '1' }

/** A provider at a server that answers updates so. */
async function playing(t: TestContext, answer: (question: FakeQuestion) => FakeAnswer | undefined) {
  const server = await startFakeDns(t, (question) => {
    const isUpdate = (question.message.flags & 0x7800) !== 0
    return isUpdate ? answer(question) : { answers: [[question.name, 'SOA', 'ns.test']] }
  })
  const provider = makeHookWorld(t).open(rfc2136, { ...variables, RFC2136_NAMESERVER: server.text })
  return { server, present: () => provider.present({ name: '_acme-challenge.a.test', value: 'value' }) }
}

const isOf = (kind: string, pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError, String(e))
  assert.match(e.message, pattern)
  assert.equal(e.kind, kind)
  return true
}

test('a success that nobody signed is none; a refusal needs no signature', async (t) => {
  const fine = await playing(t, () => ({}))
  await assert.rejects(fine.present(), isOf('unavailable', /does not sign its answers, though the update was signed$/))
  const refusing = await playing(t, () => ({ rcode: 5 }))
  await assert.rejects(refusing.present(), isOf('refused', /: REFUSED$/))
})

test('forged answers are passed over, by UDP and TCP', async (t) => {
  const forge = (answer: Buffer) => [signed(answer, { ...key, algorithm: 'hmac-sha1' }, new Date()).bytes]
  const { server, present } = await playing(t, () => ({ bytes: forge }))
  await assert.rejects(present(), isOf('unavailable', /gives no answer to an update: it answers nonsense$/))
  assert.deepEqual(server.log.slice(-2), ['udp SOA _acme-challenge.a.test', 'tcp SOA _acme-challenge.a.test'])
})

test('by TCP where UDP brings nothing, or too little', async (t) => {
  for (const first of [undefined, { truncated: true, rcode: 5 }]) {
    const { server, present } = await playing(t, ({ over }) => (over === 'udp' ? first : { rcode: 10 }))
    await assert.rejects(present(), isOf('refused', /: NOTZONE$/))
    assert.ok(server.log.at(-1)?.startsWith('tcp '))
  }
})

for (const [what, negative, questions] of [
  ['named with a no', { authorities: [['a.test', 'SOA', 'ns.a.test']] }, ['_acme-challenge.a.test']],
  ['not named', {}, ['_acme-challenge.a.test', 'a.test']],
  [
    'named by who only passes it on',
    { authorities: [['test', 'SOA', 'ns']], authoritative: false },
    ['_acme-challenge.a.test', 'a.test'],
  ],
  ['another one named', { authorities: [['b.test', 'SOA', 'ns.b.test']] }, ['_acme-challenge.a.test', 'a.test']],
] as const)
  test(`the zone is asked for no further than needed: ${what}`, async (t) => {
    const server = await startFakeDns(t, ({ name, message }) => {
      if ((message.flags & 0x7800) !== 0) return { rcode: 5 }
      return name === 'a.test' ? { answers: [[name, 'SOA', 'ns.a.test']] } : { rcode: 3, ...negative }
    })
    const provider = makeHookWorld(t).open(rfc2136, { RFC2136_NAMESERVER: server.text })
    const done = provider.present({ name: '_acme-challenge.a.test', value: 'value' })
    await assert.rejects(done, isOf('refused', /in zone 'a\.test': REFUSED$/))
    assert.deepEqual(
      server.log,
      [...questions, 'a.test'].map((name) => `udp SOA ${name}`),
      'the update comes last',
    )
  })

const silent = { log: makeLog() }
function makeLog() {
  const nothing = () => assert.fail('not said here')
  const log = {
    error: nothing,
    warning: nothing,
    notice: nothing,
    info: nothing,
    about: () => log,
    waiting: nothing,
    progress: nothing,
  }
  return log
}
const keyOf = (given: Readonly<Record<string, string>>) =>
  tsigKey({ ...silent, variable: (name) => given[name] }, 'RFC2136_TSIG')

test('algorithms are named as servers and lego name them; hmac-sha1 unless told', () => {
  const of = (name: string) => keyOf({ ...variables, RFC2136_TSIG_ALGORITHM: name })?.algorithm
  for (const name of ['hmac-md5', 'HMAC-MD5.SIG-ALG.REG.INT.', 'hmac-md5.sig-alg.reg.int'])
    assert.equal(of(name), 'hmac-md5.sig-alg.reg.int')
  assert.equal(of('hmac-sha512.'), 'hmac-sha512')
  assert.equal(of('hmac-SHA256'), 'hmac-sha256')
  assert.equal(of(''), 'hmac-sha1')
  assert.deepEqual(keyOf({ ...variables, RFC2136_TSIG_KEY: 'ACME.' })?.name, 'acme')
})

test('no key is no fault', () => assert.equal(keyOf({}), undefined))

for (const [what, given, pattern] of [
  ['Kerberos', { RFC2136_TSIG_ALGORITHM: 'gss-tsig.' }, /'gss-tsig' needs Kerberos, which nixacme does not speak$/],
  ['an unknown algorithm', { ...variables, RFC2136_TSIG_ALGORITHM: 'toString' }, /'tostring' is not known$/],
  ['a secret that is no base64', { ...variables, RFC2136_TSIG_SECRET: 'canary!' }, /no base64 text$/],
  ['a name that is none', { ...variables, RFC2136_TSIG_KEY: 'a..b' }, /'a\.\.b', is no name in the DNS$/],
  [
    'a file without a key',
    { RFC2136_TSIG: 'canary' },
    /the file of 'RFC2136_TSIG_FILE' has no key with a name and a secret$/,
  ],
  [
    'a file with half a key',
    { RFC2136_TSIG: 'key a { algorithm hmac-sha256; };' },
    /has no key with a name and a secret$/,
  ],
] as const)
  test(`${what}: config`, () =>
    assert.throws(
      () => keyOf(given),
      (e) => {
        assert.ok(e instanceof NixacmeError && !e.message.includes('canary'))
        return isOf('config', pattern)(e)
      },
    ))

test('files of named.conf(5), whatever their style', () => {
  const wanted = { name: 'acme', algorithm: 'hmac-sha256', secret }
  const text = secret.toString('base64')
  for (const file of [
    `key "acme" {\n\talgorithm hmac-sha256;\n\tsecret "${text}";\n};\n`,
    `# a key\nkey acme. { secret ${text}; algorithm "hmac-sha256"; };`,
    `/* key "old" { secret "x"; }; */ // more\nkey "acme" { algorithm hmac-sha256; # why\n secret "${text}"; };\nkey "b" {};`,
  ])
    assert.deepEqual(keyOf({ RFC2136_TSIG: file }), wanted)
})

test('a number of seconds that is none', (t) => {
  const open = () =>
    makeHookWorld(t).open(rfc2136, { ...variables, RFC2136_NAMESERVER: 'ns.test', RFC2136_DNS_TIMEOUT: '10s' })
  assert.throws(open, isOf('config', /^'RFC2136_DNS_TIMEOUT' is '10s': expected seconds, 1 to 999$/))
})

test('a message keeps what it had when it is signed', () => {
  const message = decodeMessage(request.bytes)
  assert.deepEqual([message?.id, message?.flags, message?.additionals.length], [7, 0, 1])
  assert.ok(!request.bytes.includes(secret))
})
