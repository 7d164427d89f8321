// What systemd itself says of the units of the matrix: nothing at all, and how open their sandboxes are.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cannotRun, needs } from '../support/needs.ts'
import { repository, run, temporaryDir } from '../support/process.ts'
import { type Case, cases, filesOf } from './matrix.ts'
import { readUnit } from './read-unit.ts'

/** Writes the units of a case, started by a program that is there. Returns their paths. */
function writeUnits(dir: string, { config, settings }: Case): string[] {
  mkdirSync(dir, { recursive: true })
  const [, ...rest] = settings.program.command
  const program = { ...settings.program, command: [process.execPath, ...rest] }
  return filesOf({ config, settings: { ...settings, program } })
    .filter(({ path }) => path.startsWith('/etc/systemd/system/'))
    .map(({ path, text }) => {
      const file = join(dir, basename(path))
      writeFileSync(file, text)
      return file
    })
}

/** All that `systemd-analyze verify` prints about these files. */
async function verify(files: readonly string[], dir: string, analyze: readonly string[] = ['systemd-analyze']) {
  const [command = '', ...args] = analyze
  const { stdout, stderr } = await run(command, [...args, 'verify', '--man=no', ...files], {
    env: { SYSTEMD_UNIT_PATH: `${dir}:` },
  })
  return stdout + stderr
}

/** Debian testing's systemd-analyze, started by its own loader. */
function newerAnalyze(t: TestContext): string[] | undefined {
  if (!needs(t, 'debian-testing')) return undefined
  if (process.arch !== 'x64') {
    cannotRun(t, 'needs an x86-64 processor')
    return undefined
  }
  const root = join(repository, '.parts/debian-testing')
  const libraries = ['', '/systemd'].map((folder) => `${root}/usr/lib/x86_64-linux-gnu${folder}`).join(':')
  return [`${root}/lib64/ld-linux-x86-64.so.2`, '--library-path', libraries, `${root}/usr/bin/systemd-analyze`]
}

test('what is wrong is told', async (t) => {
  if (!needs(t, 'systemd')) return
  const dir = temporaryDir(t)
  writeFileSync(join(dir, 'x.service'), '[Service]\nType=oneshot\nExecStart=/bin/true\nReadWritePath=/srv\n')
  assert.match(await verify([join(dir, 'x.service')], dir), /Unknown key/)
})

for (const one of cases.filter(({ name }) => name !== 'systemd 258')) {
  test(`${one.name}: systemd has nothing to say of the units`, async (t) => {
    if (!needs(t, 'systemd')) return
    const dir = temporaryDir(t)
    assert.equal(await verify(writeUnits(dir, one), dir), '')
  })

  test(`${one.name}: the sandboxes are tight`, async (t) => {
    if (!needs(t, 'systemd')) return
    const services = writeUnits(temporaryDir(t), one).filter((file) => file.endsWith('.service'))
    const { stdout, stderr } = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', ...services])
    const scores = new Map(
      [...stdout.matchAll(/exposure level for (\S+): (\d+\.\d+)/g)].map(([, unit = '', score]) => [
        unit,
        Number(score),
      ]),
    )
    assert.deepEqual([...scores.keys()].sort(), services.map((file) => basename(file)).sort(), stderr)
    // The user root alone is worth 0.4, and a home that is seen 0.1.
    const allowance = (one.config.useRoot ? 0.4 : 0) + (one.name === 'paths that a sandbox hides' ? 0.1 : 0)
    const renewals = one.config.certs.map(({ name }) => `acme-${name.replaceAll('+', '\\x2b')}.service`)
    const online = new Set([...renewals, 'acme-poll.service'])
    for (const [unit, score] of scores) {
      const limit = (online.has(unit) ? 1.2 : 0.5) + allowance
      assert.ok(score <= limit + 1e-9, `${unit} is exposed by ${score}`)
    }
  })
}

for (const one of cases)
  test(`${one.name}: a newer systemd has nothing to say either`, async (t) => {
    const analyze = newerAnalyze(t)
    if (!analyze) return
    const dir = temporaryDir(t)
    const said = await verify(writeUnits(dir, one), dir, analyze)
    // It reads the units of this older machine, too.
    assert.deepEqual(
      said.split('\n').filter((line) => line.includes('acme')),
      [],
    )
  })

test('no service has a capability, listens, or may get more rights', () => {
  for (const one of cases)
    for (const { path, text } of filesOf(one))
      if (path.endsWith('.service')) {
        const unit = readUnit(text)
        for (const key of ['CapabilityBoundingSet', 'AmbientCapabilities'])
          assert.equal(unit.one('Service', key), '', path)
        assert.doesNotMatch(text, /CAP_/, path)
        for (const key of ['NoNewPrivileges', 'RestrictSUIDSGID', 'MemoryDenyWriteExecute'])
          assert.equal(unit.one('Service', key), 'yes', path)
        // Outside of the sandbox, as root, is what hooks need, and nothing else.
        for (const key of unit.keys('Service').filter((name) => name.startsWith('Exec') && name !== 'ExecStartPost'))
          assert.match(unit.one('Service', key), /^\//, path)
      }
})

test('only renewals and the poller reach the network', () => {
  for (const one of cases)
    for (const { path, text, part } of filesOf(one))
      if (path.endsWith('.service')) {
        const isOnline = part === 'service' || part === 'acme-poll.service'
        const unit = readUnit(text)
        assert.deepEqual(unit.all('Service', 'PrivateNetwork'), isOnline ? [] : ['yes'], path)
        assert.equal(unit.words('Service', 'RestrictAddressFamilies').includes('AF_INET'), isOnline, path)
      }
})
