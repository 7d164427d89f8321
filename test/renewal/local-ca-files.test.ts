// The local CA on disk: made once, whole or not at all, and what is there is never overwritten.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { minicaShape } from '../certificate/minica.ts'
import { temporaryDir } from '../support/process.ts'
import { aCa, layCa, makeStart, type Start } from './support/preliminary.ts'
import { snapshot } from './support/world.ts'

const modeOf = (path: string): string => (fs.statSync(path).mode & 0o7777).toString(8)

for (const umask of [0o022, 0o077, 0])
  test(`made once, with the modes of the contract (umask ${umask.toString(8)}), and then silence`, async (t) => {
    const start = makeStart(t)
    const before = process.umask(umask)
    try {
      assert.match(await start.selfsignCa(), /^nixacme: made a local CA [^\n]*\n$/)
    } finally {
      process.umask(before)
    }
    const { folder, key, certificate } = start.ca
    assert.deepEqual([folder, key, certificate].map(modeOf), ['750', '600', '600'])
    assert.deepEqual(fs.readdirSync(folder).sort(), ['cert.pem', 'key.pem'])
    const made = snapshot(start.roots.state)
    assert.equal(await start.selfsignCa(), '')
    assert.deepEqual(snapshot(start.roots.state), made)
  })

test('the folder may be there, as systemd makes it', async (t) => {
  const start = makeStart(t)
  fs.mkdirSync(start.ca.folder, { recursive: true })
  await start.selfsignCa()
  assert.ok(fs.existsSync(start.ca.key))
})

test('eight runs at once make one CA', async (t) => {
  const start = makeStart(t)
  const said = await Promise.all(Array.from({ length: 8 }, () => start.selfsignCa()))
  assert.equal(said.join('').match(/made a local CA/g)?.length, 1)
  assert.deepEqual(fs.readdirSync(start.ca.folder).sort(), ['cert.pem', 'key.pem'])
})

test('what a kill left is moved into place, not made anew', async (t) => {
  const pair = await aCa()
  for (const moved of [[], ['cert.pem'], ['cert.pem', 'key.pem']]) {
    const start = makeStart(t)
    const pending = join(start.ca.folder, '.pending')
    fs.mkdirSync(pending, { recursive: true })
    fs.writeFileSync(join(pending, 'key.pem'), pair.key)
    fs.writeFileSync(join(pending, 'cert.pem'), pair.certificate)
    fs.mkdirSync(join(start.ca.folder, '.ca.7-1.tmp'))
    for (const name of moved) fs.renameSync(join(pending, name), join(start.ca.folder, name))
    assert.equal(await start.selfsignCa(), '')
    assert.ok(!fs.existsSync(pending))
    assert.equal(fs.readFileSync(start.ca.key, 'utf8'), pair.key)
    assert.equal(fs.readFileSync(start.ca.certificate, 'utf8'), pair.certificate)
  }
})

for (const [what, harm, words] of [
  [
    'the key is gone',
    ({ ca }: Start) => fs.unlinkSync(ca.key),
    /is not whole: '.*cert\.pem' is there, '.*key\.pem' is not/,
  ],
  [
    'the certificate is gone',
    ({ ca }: Start) => fs.unlinkSync(ca.certificate),
    /is not whole: '.*key\.pem' is there, '.*cert\.pem' is not/,
  ],
  [
    'they are of two CAs',
    async (start: Start) => fs.writeFileSync(start.ca.key, (await aCa()).key),
    /cannot be used: its key is not the one of its certificate/,
  ],
  ['the key is empty', ({ ca }: Start) => fs.writeFileSync(ca.key, ''), /cannot be used: its key is damaged/],
] as const)
  test(`${what}: status 65 with a way to heal it, and nothing is touched`, async (t) => {
    const start = makeStart(t)
    layCa(start, minicaShape(temporaryDir(t), { key: 'ec' }))
    await harm(start)
    const before = snapshot(start.roots.state)
    for (const run of [() => start.selfsignCa(), () => start.selfsign()])
      await assert.rejects(run, (e) => {
        assert.ok(e instanceof NixacmeError)
        assert.equal(e.exitStatus, 65)
        assert.match(e.message, words)
        assert.ok(e.hints.some((hint) => hint.includes(`move '${start.ca.folder}' away`)))
        return true
      })
    for (const [path, is] of Object.entries(before)) assert.equal(snapshot(start.roots.state)[path], is, path)
    fs.renameSync(start.ca.folder, join(start.roots.state, 'away'))
    assert.match(await start.selfsign(), /installed self-signed certificate/)
  })

test('a CA of minica, RSA too, is taken as it is', async (t) => {
  for (const shape of [{ key: 'rsa', pkcs1: true }, { key: 'ec384' }] as const) {
    const start = makeStart(t)
    const pair = minicaShape(temporaryDir(t), shape)
    layCa(start, pair)
    assert.equal(await start.selfsignCa(), '')
    await start.selfsign()
    assert.equal(start.shown('chain.pem'), pair.certificate)
    assert.equal(fs.readFileSync(start.ca.key, 'utf8'), pair.key)
  }
})
