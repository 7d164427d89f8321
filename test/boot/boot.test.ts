// Real machines, booted in namespaces: this machine's own systemd, Debian testing's, and a container without any. In each
// the packed program is installed as the README says, and files *.inside.ts are run: one boot for many cases.
import { readdirSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { needs } from '../support/needs.ts'
import { temporaryDir } from '../support/process.ts'
import { type Boot, canBoot, debianTesting, installPacked, runInside, show } from './boots.ts'

/** Files that have a machine of their own; the others share one. */
const containerFiles = ['cron.inside.ts']
const stormFiles = ['storm.inside.ts']
const quickStartFiles = ['quick-start.inside.ts']
const changesFiles = ['apply.inside.ts', 'options.inside.ts']
const apart = [...containerFiles, ...stormFiles, ...quickStartFiles, ...changesFiles]
const sharedFiles = readdirSync(new URL('.', import.meta.url))
  .filter((name) => name.endsWith('.inside.ts') && !apart.includes(name))
  .sort()

/** They run side by side, three at a time: cron waits for its minutes, and the storm for its CPUs. */
const machines: Record<string, Omit<Boot, 'program'>> = {
  "this machine's systemd": { files: sharedFiles, seconds: 650 },
  "this machine's systemd, and changes of the config": { files: changesFiles, seconds: 650 },
  "the README's quick start": { files: quickStartFiles, seconds: 650 },
  "this machine's systemd in a storm": { files: stormFiles, seconds: 650 },
  "Debian testing's systemd": { files: ['smoke.inside.ts', 'units.inside.ts'], seconds: 650, root: debianTesting },
  'a container without systemd': { files: containerFiles, seconds: 650, root: debianTesting, container: true },
}

const canRun = (t: TestContext, { root }: Omit<Boot, 'program'>) =>
  root === undefined ? needs(t, 'systemd', 'dbus', 'nginx', 'openssl') : needs(t, 'debian-testing')

test('booted machines', { concurrency: 3 }, async (t) => {
  if (!needs(t, 'root', 'ip', 'pebble') || !(await canBoot(t))) return
  const program = temporaryDir(t, 'nixacme-boot')
  await installPacked(program)
  const boots = Object.entries(machines).map(([name, machine]) =>
    t.test(name, async (one) => {
      if (canRun(one, machine)) await show(one, await runInside({ ...machine, program }))
    }),
  )
  await Promise.all(boots)
})
