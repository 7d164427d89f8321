// Store and install where the machine does not play along: a umask, a full disk, a disk or a folder that cannot be written.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import type { StoredSet } from '../../src/renewal/state.ts'
import { day, makeSet } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { asUser, nobody, runUnderMounts } from '../support/other-user.ts'
import { run, temporaryDir } from '../support/process.ts'
import { bundle } from './support/bundle.ts'
import type { DiskResult } from './support/full-disk.ts'
import { foreignGid, layPlain, makeWorld, modes, names, putIn, snapshot } from './support/world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'nixacme-limits-'))
chmodSync(scratch, 0o755)
after(() => rmSync(scratch, { recursive: true, force: true }))

let driver: string
let older: StoredSet
let newer: StoredSet

before(async () => {
  const from = (days: number) => makeSet({ names, notBefore: new Date(Date.now() - days * day) })
  ;[driver, older, newer] = await Promise.all([bundle('install-driver', scratch), from(60), from(1)])
})

function writePlan(dir: string, plan: unknown): string {
  const path = join(dir, 'plan.json')
  writeFileSync(path, JSON.stringify(plan))
  return path
}

/** Contract 1.6, as `<type> <mode> <group>`. */
function expectedModes(found: Record<string, string>): Record<string, string> {
  const gid = foreignGid ?? process.getegid?.()
  const of = (path: string) => {
    if (/\.(pem|crt|key|json|txt)$|renewed$/.test(path) && !/^x\.test\/[a-z]+\.pem$|cert\.pem$/.test(path))
      return `100000 640 ${gid}`
    if (/\.pem$|current$/.test(path)) return /^120000 777 \d+$/.exec(found[path] ?? '')?.[0] ?? 'a link'
    return `40000 750 ${gid}`
  }
  return Object.fromEntries(Object.keys(found).map((path) => [path, of(path)]))
}

for (const umask of ['0077', '0000', '0777'])
  test(`modes and groups are those of the contract under umask ${umask}`, async (t) => {
    // A umask of 0777 hides even a folder of our own from us, but not from root.
    if (umask === '0777' && !needs(t, 'root')) return
    const dir = temporaryDir(t)
    const plan = writePlan(dir, { dir: join(dir, 'world'), gid: foreignGid, set: newer })
    const script = `umask ${umask}; exec "$0" "$@"`
    const { status, stderr } = await run('sh', ['-c', script, process.execPath, driver, plan, '0'])
    assert.equal(status, 0, stderr)
    const found = modes({ ...makeWorld(join(dir, 'world')), gid: foreignGid })
    assert.ok(Object.keys(found).length >= 20, Object.keys(found).join(' '))
    assert.deepEqual(found, expectedModes(found))
  })

test('a disk with any number of pages free: all of a step or nothing of it, status 73', async (t) => {
  if (!needs(t, 'root')) return
  const dir = temporaryDir(t)
  const disk = join(dir, 'disk')
  mkdirSync(disk)
  const program = await bundle('full-disk', scratch)
  const plan = writePlan(dir, { dir: disk, older, newer })
  const { status, stdout, stderr } = await runUnderMounts('', [process.execPath, program, plan])
  assert.equal(status, 0, stderr)
  const results = JSON.parse(stdout) as DiskResult[]
  for (const result of results) {
    const { stored, installed, changed, left, afterwards } = result
    assert.ok([0, 73].includes(stored) && [0, 73].includes(installed), JSON.stringify(result))
    assert.deepEqual(
      { changed, left, afterwards },
      { changed: [], left: [], afterwards: 'none' },
      JSON.stringify(result),
    )
  }
  for (const plain of [false, true])
    for (const step of ['stored', 'installed'] as const) {
      const statuses = results.filter((r) => r.plain === plain).map((r) => r[step])
      assert.deepEqual(new Set(statuses), new Set([73, 0]), `${step}: ${statuses.join(' ')}`)
    }
})

for (const lay of [putIn, layPlain])
  test(`folders that cannot be written: status 77 and not one byte changed (${lay.name})`, async (t) => {
    if (!needs(t, 'root')) return
    const dir = temporaryDir(t)
    chmodSync(dir, 0o755)
    const world = makeWorld(join(dir, 'world'))
    lay(world, older)
    // For others to read, so that only writing fails.
    await run('chmod', ['-R', 'a+rX', dir])
    const plan = writePlan(dir, { dir: join(dir, 'world'), set: newer })
    const before = snapshot(dir)
    const [command = '', ...args] = asUser(nobody, [process.execPath, driver, plan, '0'])
    const { status, stdout, stderr } = await run(command, args)
    assert.equal(status, 1, stderr)
    const { kind, message } = JSON.parse(stdout) as { kind: string; message: string }
    assert.equal(kind, 'permission')
    assert.match(message, /^cannot write '.*': permission denied$/)
    assert.deepEqual(snapshot(dir), before)
  })

test('a read-only disk: status 73 and not one byte changed', async (t) => {
  if (!needs(t, 'root')) return
  const dir = temporaryDir(t)
  const world = makeWorld(join(dir, 'world'))
  putIn(world, older)
  const plan = writePlan(dir, { dir: join(dir, 'world'), set: newer })
  const before = snapshot(dir)
  const mounts = `mount --bind ${dir} ${dir}\nmount -o remount,bind,ro ${dir}`
  const { status, stdout, stderr } = await runUnderMounts(mounts, [process.execPath, driver, plan, '0'])
  assert.equal(status, 1, stderr)
  assert.match(stdout, /"kind":"write","message":"cannot write '.*': read-only file system","status":73/)
  assert.deepEqual(snapshot(dir), before)
})
