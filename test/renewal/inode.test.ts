// Inodes held by descriptor: what was held is what is changed, and a folder is frozen only when nobody else can write there.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { holdIn, holdRoot, type Inode, letGo, namesIn, setAccess, whileFrozen } from '../../src/renewal/inode.ts'
import { needs } from '../support/needs.ts'
import { nobody } from '../support/other-user.ts'
import { run, temporaryDir } from '../support/process.ts'

function hold(t: Pick<TestContext, 'after'>, inode: Inode | undefined): Inode {
  assert.ok(inode)
  t.after(() => letGo(inode))
  return inode
}

const self = { uid: 0, gid: 0 }
const bits = (path: string): string => (fs.lstatSync(path).mode & 0o7777).toString(8)

test('a name that is swapped after the hold leads nobody elsewhere', (t) => {
  const dir = temporaryDir(t)
  const file = join(dir, 'file')
  fs.writeFileSync(file, '', { mode: 0o600 })
  fs.writeFileSync(join(dir, 'decoy'), '', { mode: 0o600 })
  const held = hold(t, holdIn(hold(t, holdRoot(dir)), 'file'))
  fs.renameSync(file, join(dir, 'moved'))
  fs.symlinkSync('decoy', file)
  const { uid, gid } = held.stat
  assert.equal(setAccess(held, { uid, gid, mode: 0o640 }), true)
  assert.equal(setAccess(held, { uid, gid, mode: 0o640 }), false)
  assert.deepEqual([bits(join(dir, 'moved')), bits(join(dir, 'decoy'))], ['640', '600'])
})

test('links are held as links, fifos without waiting, names that are no text too; what is gone is undefined', async (t) => {
  const dir = temporaryDir(t)
  fs.symlinkSync('/etc/passwd', join(dir, 'link'))
  assert.equal((await run('mkfifo', [join(dir, 'fifo')])).status, 0)
  const strange = Buffer.from([0x66, 0xff, 0xfe])
  fs.writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), strange]), '')
  const folder = hold(t, holdRoot(dir))
  assert.ok(hold(t, holdIn(folder, 'link')).stat.isSymbolicLink())
  assert.ok(hold(t, holdIn(folder, 'fifo')).stat.isFIFO())
  const names = [...namesIn(folder)]
  assert.equal(names.length, 3)
  assert.ok(names.some((name) => name.equals(strange)))
  assert.ok(hold(t, holdIn(folder, strange)).stat.isFile())
  const gone = join(dir, 'gone')
  fs.mkdirSync(gone)
  const removed = hold(t, holdIn(folder, 'gone'))
  fs.rmdirSync(gone)
  assert.deepEqual([...namesIn(removed)], [])
  assert.equal(holdIn(folder, 'nothing'), undefined)
  assert.equal(holdRoot(join(dir, 'nothing')), undefined)
  assert.equal(holdRoot(join(dir, 'fifo')), undefined)
})

test('a frozen folder: nobody but root may change its names; then it is given back', async (t) => {
  if (!needs(t, 'root')) return
  const dir = temporaryDir(t)
  fs.chownSync(dir, nobody.uid, nobody.gid)
  fs.chmodSync(dir, 0o755)
  const folder = hold(t, holdRoot(dir))
  const done = whileFrozen(folder, self, nobody.uid, () => {
    const { uid, gid } = fs.statSync(dir)
    assert.deepEqual([uid, gid, bits(dir)], [0, nobody.gid, '755'])
  })
  const { uid, gid } = fs.statSync(dir)
  assert.deepEqual([done, uid, gid, bits(dir)], [true, nobody.uid, nobody.gid, '755'])
})

for (const mode of [0o777, 0o775, 0o757])
  test(`a folder with mode ${mode.toString(8)} is not taken for frozen, and given back with less`, (t) => {
    if (!needs(t, 'root')) return
    const dir = temporaryDir(t)
    fs.chownSync(dir, nobody.uid, nobody.gid)
    fs.chmodSync(dir, mode)
    let ran = false
    const done = whileFrozen(hold(t, holdRoot(dir)), self, nobody.uid, () => {
      ran = true
    })
    assert.deepEqual([done, ran, fs.statSync(dir).uid, bits(dir)], [false, false, nobody.uid, '755'])
  })

test('a frozen folder is given back also when the work in it fails', (t) => {
  if (!needs(t, 'root')) return
  const dir = temporaryDir(t)
  fs.chownSync(dir, nobody.uid, nobody.gid)
  const fail = () => {
    throw new Error('on the way')
  }
  assert.throws(() => whileFrozen(hold(t, holdRoot(dir)), self, nobody.uid, fail), /on the way/)
  assert.equal(fs.statSync(dir).uid, nobody.uid)
})
