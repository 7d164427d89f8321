// The codec of DNS messages: what was written is read, and nothing that comes from outside does harm.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeAnswer } from '../../src/acme/dns/message.ts'
import {
  decodeMessage,
  decodeText,
  encodeMessage,
  encodeName,
  encodeText,
  isName,
  type WireMessage,
} from '../../src/acme/dns/wire.ts'

const plain = { noNullPrototype: true }
const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/)
const name = fc.array(label, { maxLength: 6 }).map((labels) => labels.join('.'))
const u16 = fc.nat(0xffff)
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const question = fc.record({ name, type: u16, class: u16 }, plain)
const records = fc.array(fc.record({ name, type: u16, class: u16, ttl: fc.nat(0x7fffffff), data }, plain), {
  maxLength: 4,
})
const message: fc.Arbitrary<WireMessage> = fc.record(
  {
    id: u16,
    flags: u16,
    questions: fc.array(question, { maxLength: 3 }),
    answers: records,
    authorities: records,
    additionals: records,
  },
  plain,
)

test('what was written is read', () => {
  fc.assert(
    fc.property(message, (written) => {
      const { nameIn, lastRecordAt, ...found } = decodeMessage(encodeMessage(written)) ?? assert.fail('unread')
      assert.deepEqual(found, written)
    }),
  )
})

test('texts of any length are read as they were written', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 700 }), (text) =>
      assert.equal(decodeText(encodeText(text)), text),
    ),
  )
  assert.deepEqual(encodeText(''), Buffer.from([0]))
})

test('no bytes make it throw or go on for ever', () => {
  const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(message, change, fc.nat(), (whole, changes, end) => {
      const bytes = encodeMessage(whole)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      const cut = bytes.subarray(0, end % (bytes.length + 1))
      for (const some of [bytes, cut]) {
        const found = decodeMessage(some)
        for (const record of found?.answers ?? []) found?.nameIn(record)
        decodeAnswer(some, { name: 'example.com', type: 'TXT' }, whole.id)
      }
    }),
  )
})

const head = Buffer.from('000080000001000000000000', 'hex')
const asked = (bytes: string) => decodeMessage(Buffer.concat([head, Buffer.from(`${bytes}00010001`, 'hex')]))

test('pointers are followed back only', () => {
  // One label, then a pointer to the identifier of the message, which is 0: the root.
  assert.equal(asked('0161c000')?.questions[0]?.name, 'a')
  for (const [what, bytes] of [
    ['to itself', 'c00c'],
    ['forward', 'c00e00'],
    ['to the start of the same name', '0161c00c'],
    ['a label of 64', `40${'61'.repeat(64)}00`],
    ['longer than 255', `${`3f${'61'.repeat(63)}`.repeat(4)}00`],
  ])
    assert.equal(asked(String(bytes)), undefined, what)
})

test('a label hides no dot, and its letters are small', () => {
  assert.equal(asked('03612e6200')?.questions[0]?.name, 'a\\046b')
  assert.equal(asked('0341ff5c00')?.questions[0]?.name, 'a\\255\\092')
  for (const text of ['a\\046b', 'a b', 'ä', '', '.', 'a.', `${'a.'.repeat(127)}a`]) assert.ok(!isName(text), text)
  for (const text of ['a', '_acme-challenge.example.com', `${'a.'.repeat(126)}a`, 'x'.repeat(63)])
    assert.ok(isName(text), text)
  assert.deepEqual(encodeName('a.bc'), Buffer.from('0161026263' + '00', 'hex'))
})
