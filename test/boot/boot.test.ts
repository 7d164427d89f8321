// Real machines, booted in namespaces: this machine's own systemd, Debian testing's, and a container without any. In each
// the packed program is installed as the README says, and files *.inside.ts are run: one boot for many cases.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { needs } from '../support/needs.ts'
import { run, temporaryDir } from '../support/process.ts'
import { type Boot, canBoot, debianTesting, installPacked, runInside, show } from './boots.ts'

/** Files that have a machine of their own; the others share one. */
const containerFiles = ['cron.inside.ts']
const stormFiles = ['storm.inside.ts']
const quickStartFiles = ['quick-start.inside.ts']
const applyFiles = ['apply.inside.ts']
const optionsFiles = ['options.inside.ts']
const renewalInfoFiles = ['renewal-info.inside.ts']
const socketFiles = ['sockets.inside.ts']
const rebootFiles = ['before-reboot.inside.ts', 'after-reboot.inside.ts']
const apart = [
  ...containerFiles,
  ...stormFiles,
  ...quickStartFiles,
  ...applyFiles,
  ...optionsFiles,
  ...renewalInfoFiles,
  ...socketFiles,
  ...rebootFiles,
]
const sharedFiles = readdirSync(new URL('.', import.meta.url))
  .filter((name) => name.endsWith('.inside.ts') && !apart.includes(name))
  .sort()

/** They run side by side, three at a time: cron waits for its minutes, and the storm for its CPUs. */
const machines: Record<string, Omit<Boot, 'program'>> = {
  "this machine's systemd": { files: sharedFiles, seconds: 650 },
  "this machine's systemd, and changes of the config": { files: applyFiles, seconds: 650 },
  "this machine's systemd, and what the config can say": { files: optionsFiles, seconds: 650 },
  "this machine's systemd, and when the CA wants renewals": { files: renewalInfoFiles, seconds: 300 },
  "the README's quick start": { files: quickStartFiles, seconds: 650 },
  "this machine's systemd in a storm": { files: stormFiles, seconds: 650 },
  "Debian testing's systemd": {
    files: ['smoke.inside.ts', 'units.inside.ts', ...socketFiles, ...renewalInfoFiles],
    seconds: 650,
    root: debianTesting,
  },
  'a container without systemd': { files: containerFiles, seconds: 650, root: debianTesting, container: true },
}

const canRun = (t: TestContext, { root }: Omit<Boot, 'program'>) =>
  root === undefined ? needs(t, 'systemd', 'dbus', 'nginx', 'openssl', 'lego') : needs(t, 'debian-testing')

/** A folder on a tmpfs, which an overlay can write to whatever this machine's own disk is. */
async function memoryDir(t: TestContext): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-kept-'))
  t.after(async () => {
    await run('umount', [dir])
    rmdirSync(dir)
  })
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'nixacme-kept', dir])
  assert.equal(mounted.status, 0, mounted.stderr)
  return dir
}

test('booted machines', { concurrency: 3 }, async (t) => {
  if (!needs(t, 'root', 'ip', 'pebble') || !(await canBoot(t))) return
  const program = temporaryDir(t, 'nixacme-boot')
  await installPacked(program)
  const boots = Object.entries(machines).map(([name, machine]) =>
    t.test(name, async (one) => {
      if (canRun(one, machine)) await show(one, await runInside({ ...machine, program }))
    }),
  )
  const secondBoot = t.test("this machine's systemd, and its power is cut", async (one) => {
    if (!needs(one, 'systemd', 'dbus', 'nginx', 'openssl')) return
    const keep = await memoryDir(one)
    for (const file of rebootFiles) await show(one, await runInside({ files: [file], seconds: 300, keep, program }))
  })
  await Promise.all([...boots, secondBoot])
})
