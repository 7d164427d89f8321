// The file of an order under way: what is written is read back, and nothing that could be somebody else's is believed.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  endsOrder,
  type OrderFile,
  OrderRecord,
  type PendingOrder,
  readPendingOrder,
  removePendingOrder,
} from '../../src/acme/pending-order.ts'
import { generateKey } from '../../src/certificate/keys.ts'
import { NixacmeError } from '../../src/errors.ts'
import { needs } from '../support/needs.ts'
import { folder } from './request.ts'

const uid = process.getuid?.() ?? 0

const order = async (): Promise<PendingOrder> => ({
  directoryUrl: 'https://ca.example/dir',
  accountUrl: 'https://ca.example/account/1',
  orderUrl: 'https://ca.example/order/1',
  names: ['a.example', '*.b.example', '2001:db8::1'],
  profile: 'shortlived',
  notAfter: 86_400,
  replaces: 'a.b',
  keySource: 'new',
  placedAt: new Date('2026-11-02T10:00:00Z'),
  expires: new Date('2026-11-09T10:00:00Z'),
  missedAt: new Date('2026-11-02T11:00:00Z'),
  failedAt: new Date('2026-11-02T11:30:00Z'),
  keyPem: await generateKey('ec256'),
})

function fileIn(t: TestContext): OrderFile {
  return { path: join(folder(t), '.order.json'), uid, gid: undefined }
}

test('what is written is read back, whole and with as little as there can be', async (t) => {
  const file = fileIn(t)
  assert.equal(readPendingOrder(file, false), undefined)
  const whole = await order()
  const least = {
    ...whole,
    profile: null,
    notAfter: null,
    replaces: null,
    expires: undefined,
    missedAt: undefined,
    keyPem: undefined,
  }
  for (const content of [whole, least]) {
    new OrderRecord(file, content).write()
    assert.deepEqual(readPendingOrder(file, false), content)
  }
  assert.equal(statSync(file.path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(file.path, '..')), ['.order.json'])
  removePendingOrder(file)
  assert.equal(readPendingOrder(file, false), undefined)
  removePendingOrder(file)
})

test('changes are added, and on disk at once', async (t) => {
  const file = fileIn(t)
  const record = new OrderRecord(file, { ...(await order()), keyPem: undefined })
  record.write({ orderUrl: 'https://ca.example/order/2' })
  const keyPem = await generateKey('rsa2048')
  record.write({ keyPem })
  const found = readPendingOrder(file, false)
  assert.ok(found && 'keyPem' in found)
  assert.deepEqual([found.orderUrl, found.keyPem], ['https://ca.example/order/2', keyPem])
})

test('the largest order is small enough', async (t) => {
  const file = fileIn(t)
  const names = Array.from({ length: 100 }, (_, i) => `${i}.`.padEnd(253, 'x'))
  new OrderRecord(file, { ...(await order()), names, keyPem: await generateKey('rsa4096') }).write()
  assert.ok('names' in (readPendingOrder(file, false) ?? {}))
})

/** Texts that are no order. */
const damages: Readonly<Record<string, [damage: (text: string) => string, flaw: RegExp]>> = {
  'cut short': [(text) => text.slice(0, -10), /is not JSON/],
  empty: [() => '', /is not JSON/],
  'a list': [() => '[]', /is no JSON object/],
  'a newer version': [(text) => text.replace('"version": 1', '"version": 2'), /is not of version 1/],
  'no URL': [(text) => text.replace('"orderUrl"', '"other"'), /'orderUrl'/],
  'a plain http URL': [
    (text) => text.replace('https://ca.example/order', 'http://127.0.0.1/order'),
    /'orderUrl' is no https/,
  ],
  'names that are none': [(text) => text.replace('"a.example"', '7'), /'names' is no list of texts/],
  'no instant': [(text) => text.replace('2026-11-02T10:00', 'yesterday'), /'placedAt' is no instant/],
  'a lifetime in words': [(text) => text.replace('86400', '"long"'), /'notAfter' is no number/],
  'another source of the key': [(text) => text.replace('"new"', '"thin air"'), /'keySource'/],
  'a damaged key': [(text) => text.replace('BEGIN EC', 'BEGIN'), /'key' is no private key/],
}

for (const [name, [damage, flaw]] of Object.entries(damages))
  test(`not believed: ${name}`, async (t) => {
    const file = fileIn(t)
    new OrderRecord(file, await order()).write()
    const text = readFileSync(file.path, 'utf8')
    assert.notEqual(damage(text), text)
    writeFileSync(file.path, damage(text))
    const found = readPendingOrder(file, false)
    assert.ok(found && 'flaw' in found)
    assert.match(found.flaw, flaw)
    assert.doesNotMatch(found.flaw, /PRIVATE|MHc/)
  })

/** Things in the place of the file; each goes away with `removePendingOrder`. */
const strangers: Readonly<Record<string, [lay: (path: string) => void, flaw: RegExp]>> = {
  'a link': [
    (path) => {
      writeFileSync(`${path}.real`, readFileSync(path))
      rmSync(path)
      symlinkSync(`${path}.real`, path)
    },
    /symbolic link/,
  ],
  'a pipe': [
    (path) => {
      rmSync(path)
      execFileSync('mkfifo', ['-m', '600', path])
    },
    /not a regular file/,
  ],
  'a folder': [
    (path) => {
      rmSync(path)
      mkdirSync(join(path, 'x'), { recursive: true })
    },
    /not a regular file/,
  ],
  'a file that others may write': [(path) => chmodSync(path, 0o660), /others may write/],
  'a file without end': [(path) => writeFileSync(path, ' '.repeat(200_000)), /more than 131072 bytes/],
}

for (const [name, [lay, flaw]] of Object.entries(strangers))
  test(`not believed: ${name}`, async (t) => {
    const file = fileIn(t)
    new OrderRecord(file, await order()).write()
    lay(file.path)
    const found = readPendingOrder(file, false)
    assert.ok(found && 'flaw' in found)
    assert.match(found.flaw, flaw)
    removePendingOrder(file)
    new OrderRecord(file, await order()).write()
    assert.ok('names' in (readPendingOrder(file, false) ?? {}))
  })

test("not believed: another user's file", async (t) => {
  if (!needs(t, 'root')) return
  const file = fileIn(t)
  new OrderRecord(file, await order()).write()
  chownSync(file.path, 12_345, 0)
  assert.deepEqual(readPendingOrder(file, false), { flaw: 'it belongs to another user' })
})

test('a file that cannot be written or removed is told', async (t) => {
  const file = { ...fileIn(t), path: join(folder(t), 'missing', '.order.json') }
  const content = await order()
  assert.throws(() => new OrderRecord(file, content).write(), { kind: 'write' })
  assert.ok(!existsSync(file.path))
})

test('what comes from outside leaves the order, a definite no ends it', () => {
  const leaves = ['later', 'unavailable', 'write', 'permission'] as const
  for (const kind of leaves) assert.ok(!endsOrder(new NixacmeError(kind, 'x')), kind)
  for (const kind of ['refused', 'bug', 'data'] as const) assert.ok(endsOrder(new NixacmeError(kind, 'x')), kind)
  assert.ok(endsOrder(new Error('x')))
})
