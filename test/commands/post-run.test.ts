// `nixacme post-run`: the hook and the reloads of a new certificate, run at least once, as root promises them.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { CertConfig } from '../../src/config/config.ts'
import { compile } from '../../src/job/compile.ts'
import { renderJob } from '../../src/job/job.ts'
import { jobPath } from '../../src/job/paths.ts'
import { isPending, raiseMarker } from '../../src/renewal/signal.ts'
import { certConfig, config } from '../job/support.ts'
import { bundle } from '../renewal/support/bundle.ts'
import { needs } from '../support/needs.ts'
import { type RunOptions, repository, run, runCli, spawnCli, temporaryDir } from '../support/process.ts'

interface World {
  readonly dir: string
  readonly out: string
  readonly jobs: string
  readonly args: readonly string[]
  readonly options: RunOptions
  /** Lines that hooks appended to `$DIR/log`. */
  log(): string[]
  setJob(change: Partial<CertConfig>): void
}

const cert = 'x.test'

/** A certificate that was just installed, with a systemctl that writes down how it is called. */
function aWorld(t: Pick<TestContext, 'after'>, change: Partial<CertConfig>): World {
  const dir = temporaryDir(t)
  const [state, jobs, commands] = ['state', 'jobs', 'bin'].map((name) => join(dir, name)) as [string, string, string]
  const out = join(state, cert)
  for (const folder of [out, jobs, commands]) fs.mkdirSync(folder, { recursive: true, mode: 0o755 })
  fs.writeFileSync(join(commands, 'systemctl'), `#!/bin/sh\necho "systemctl $*" >> ${dir}/log\n`, { mode: 0o755 })
  raiseMarker(out, undefined)
  const setJob = (change: Partial<CertConfig>) => {
    const { postRun = '' } = change
    const one = certConfig({ name: cert, extraDomainNames: ['www.x.test'], ...change })
    const [job] = compile(config([{ ...one, postRun: postRun.replaceAll('$DIR', dir) }], { sources: [] }))
    assert.ok(job)
    fs.writeFileSync(jobPath({ state, jobs, runtime: dir }, cert), renderJob(job), { mode: 0o644 })
  }
  setJob(change)
  return {
    dir,
    out,
    jobs,
    setJob,
    args: ['--state-dir', state, '--jobs-dir', jobs, '--runtime-dir', join(dir, 'run'), 'post-run', cert],
    options: {
      env: {
        PATH: `${commands}:${process.env['PATH']}`,
        HOME: '/var/lib/acme',
        LANG: 'C.UTF-8',
        SECRET: 'not for hooks',
      },
    },
    log: () => (fs.existsSync(join(dir, 'log')) ? fs.readFileSync(join(dir, 'log'), 'utf8').trim().split('\n') : []),
  }
}

const postRun = ({ args, options }: World) => runCli(args, options)

test('the hook runs in out/, with the documented environment and no other', async (t) => {
  const world = aWorld(t, { postRun: 'pwd\nenv | sort\n' })
  const { status, stdout, stderr } = await postRun(world)
  assert.equal(status, 0, stderr)
  assert.equal(stdout, '', "a hook's output is said, not answered")
  const [pwd, ...lines] = stderr.trimEnd().split('\n')
  assert.equal(pwd, fs.realpathSync(world.out))
  // The last three are what bash itself adds.
  const shells = ['PWD', 'SHLVL', '_']
  const env = Object.fromEntries(lines.slice(0, -1).map((line) => line.split(/=(.*)/s).slice(0, 2)))
  assert.deepEqual(
    Object.entries(env).filter(([name]) => !shells.includes(name)),
    Object.entries({
      HOME: userInfo().homedir,
      LANG: 'C.UTF-8',
      NIXACME_CERT: cert,
      NIXACME_DIRECTORY: world.out,
      NIXACME_DOMAIN: cert,
      NIXACME_KIND: 'acme',
      NIXACME_NAMES: 'x.test www.x.test',
      PATH: world.options.env?.['PATH'],
    }),
  )
  assert.match(lines.at(-1) ?? '', /^nixacme: x\.test: ran postRun$/)
  assert.ok(!isPending(world.out))
  assert.deepEqual(fs.readdirSync(world.out), [])
})

test("the text of a hook is in nobody's list of processes", async (t) => {
  const world = aWorld(t, {
    postRun: [
      '# token-in-a-hook',
      'cat /proc/[0-9]*/cmdline /proc/$PPID/environ /proc/$$/environ 2>/dev/null | tr "\\0" "\\n" > $DIR/processes',
      'cat /proc/$$/cmdline | tr "\\0" "\\n" >> $DIR/log',
    ].join('\n'),
  })
  assert.equal((await postRun(world)).status, 0)
  assert.match(fs.readFileSync(join(world.dir, 'processes'), 'utf8'), /post-run\nx\.test\n/)
  assert.doesNotMatch(fs.readFileSync(join(world.dir, 'processes'), 'utf8'), /token-in-a-hook/)
  assert.doesNotMatch(world.log().join('\n'), /token-in-a-hook/)
})

test('hook and reloads come for a self-signed certificate, too, and are told that it is one', async (t) => {
  const world = aWorld(t, { postRun: 'echo "$NIXACME_KIND" >> $DIR/log', reloadServices: ['nginx.service'] })
  raiseMarker(world.out, undefined, 'selfsigned')
  assert.equal((await postRun(world)).status, 0)
  assert.deepEqual(world.log(), ['selfsigned', 'systemctl --no-block try-reload-or-restart -- nginx.service'])
  raiseMarker(world.out, undefined)
  assert.equal((await postRun(world)).status, 0)
  assert.equal(world.log()[2], 'acme')
  assert.ok(!isPending(world.out))
})

for (const [what, script, lines] of [
  [
    'many lines, quotes and here-documents',
    `cat >> $DIR/log <<'E'\nit's "so" \${x}\nE\nprintf '%s\\n' 'a  b' >> $DIR/log`,
    [`it's "so" \${x}`, 'a  b'],
  ],
  ['no newline or a backslash at its end', 'echo one >> $DIR/log; echo two >> $DIR/log \\', ['one', 'two']],
  ['a comment at its end', 'echo one >> $DIR/log # done', ['one']],
  ['more than a pipe holds', `${'# padding\n'.repeat(40_000)}echo end >> $DIR/log`, ['end']],
  ['an empty standard input', 'cat >> $DIR/log; echo end >> $DIR/log', ['end']],
  ['only its last command counted', 'false\necho end >> $DIR/log', ['end']],
  ['words of bash', '[[ a == a* ]] && a=(one two) && echo "$a" >> $DIR/log', ['one']],
] as const)
  test(`a hook with ${what}`, async (t) => {
    const world = aWorld(t, { postRun: script })
    const { status, stderr } = await postRun(world)
    assert.equal(status, 0, stderr)
    assert.deepEqual(world.log(), lines)
    assert.ok(!isPending(world.out))
  })

for (const [script, words] of [
  ['echo ran >> $DIR/log; exit 3', 'postRun ended with status 3'],
  ['echo ran >> $DIR/log; set -e; false; echo never >> $DIR/log', 'postRun ended with status 1'],
  ['echo ran >> $DIR/log; kill -TERM $$', 'postRun was ended by SIGTERM'],
] as const)
  test(`a failing hook keeps the marker, and the next run tries again: ${words}`, async (t) => {
    const world = aWorld(t, { postRun: script, reloadServices: ['nginx.service'] })
    for (const times of [1, 2]) {
      const { status, stdout, stderr } = await postRun(world)
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, new RegExp(`^nixacme: error: ${words}\\nnixacme: hint: .*'nixacme post-run x\\.test'.*\\n$`))
      assert.deepEqual(world.log(), Array(times).fill('ran'), 'and nothing is reloaded')
      assert.ok(isPending(world.out))
    }
    world.setJob({ postRun: 'echo mended >> $DIR/log' })
    assert.equal((await postRun(world)).status, 0)
    assert.equal(world.log().at(-1), 'mended')
    assert.ok(!isPending(world.out))
  })

test('the services are reloaded after the hook', async (t) => {
  const world = aWorld(t, { postRun: 'echo hook >> $DIR/log', reloadServices: ['nginx.service', '-odd.service'] })
  const { status, stdout, stderr } = await postRun(world)
  assert.equal(status, 0, stderr)
  assert.equal(stdout, '')
  assert.deepEqual(world.log(), ['hook', 'systemctl --no-block try-reload-or-restart -- nginx.service -odd.service'])
  assert.equal(stderr, 'nixacme: x.test: ran postRun, reloaded nginx.service, reloaded -odd.service\n')
})

test('a reload that fails, or a systemctl that is not there, is tried again', async (t) => {
  const world = aWorld(t, { reloadServices: ['nginx.service'] })
  const systemctl = join(world.dir, 'bin', 'systemctl')
  fs.writeFileSync(systemctl, '#!/bin/sh\nexit 5\n')
  const failed = await postRun(world)
  assert.equal(failed.status, 1)
  assert.match(failed.stderr, /error: reloading nginx\.service: systemctl ended with status 5\n/)
  assert.ok(isPending(world.out))
  fs.rmSync(systemctl)
  const absent = await runCli(world.args, { env: { ...world.options.env, PATH: join(world.dir, 'bin') } })
  assert.equal(absent.status, 1)
  assert.match(absent.stderr, /systemctl could not be started: no such file or directory\n/)
  assert.ok(isPending(world.out))
  fs.writeFileSync(systemctl, `#!/bin/sh\necho reloaded >> ${world.dir}/log\n`, { mode: 0o755 })
  assert.equal((await postRun(world)).status, 0)
  assert.deepEqual(world.log(), ['reloaded'])
  assert.ok(!isPending(world.out))
})

test('no marker: silence, status 0 and no program', async (t) => {
  const world = aWorld(t, { postRun: 'echo ran >> $DIR/log', reloadServices: ['nginx.service'] })
  fs.unlinkSync(join(world.out, 'renewed'))
  const silent = { status: 0, signal: undefined, stdout: '', stderr: '', timedOut: false }
  assert.deepEqual(await postRun(world), silent)
  fs.rmSync(world.jobs, { recursive: true })
  assert.deepEqual(await postRun(world), silent)
  fs.rmSync(world.out, { recursive: true })
  assert.deepEqual(await postRun(world), silent)
  assert.deepEqual(world.log(), [])
})

test('neither hook nor reloads: the marker goes in silence', async (t) => {
  const world = aWorld(t, { postRun: ' \n' })
  const { status, stdout, stderr } = await postRun(world)
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
  assert.ok(!isPending(world.out))
})

test('a link in the place of out/ is refused, and nothing runs', async (t) => {
  const world = aWorld(t, { postRun: 'echo ran >> $DIR/log', reloadServices: ['nginx.service'] })
  fs.renameSync(world.out, join(world.dir, 'elsewhere'))
  fs.symlinkSync(join(world.dir, 'elsewhere'), world.out)
  const { status, stdout, stderr } = await postRun(world)
  assert.deepEqual([status, stdout], [77, ''])
  assert.match(stderr, /^nixacme: error: '.*\/state\/x\.test' is not a folder of its own: .*\nnixacme: hint: .*\n$/)
  assert.deepEqual(world.log(), [])
  assert.deepEqual(fs.readdirSync(join(world.dir, 'elsewhere')), ['renewed'])
})

test('a job that others may write is refused by root, and nothing runs', async (t) => {
  if (!needs(t, 'root')) return
  const world = aWorld(t, { postRun: 'echo ran >> $DIR/log' })
  fs.chmodSync(join(world.jobs, `${cert}.json`), 0o666)
  const { status, stderr } = await postRun(world)
  assert.equal(status, 77)
  assert.match(stderr, /is not to be trusted/)
  assert.deepEqual(world.log(), [])
  assert.ok(isPending(world.out))
})

const isAlive = (pid: number): boolean => fs.existsSync(`/proc/${pid}`)

describe('told to stop', { concurrency: true }, () => {
  for (const [what, script] of [
    ['a hook', 'echo $$ >&2; exec sleep 300'],
    ['a hook that ignores SIGTERM', "trap '' TERM; echo $$ >&2; while :; do sleep 0.2; done"],
  ] as const)
    test(`${what} is ended, and run again by the next run`, async (t) => {
      const world = aWorld(t, { postRun: script, reloadServices: ['nginx.service'] })
      const running = spawnCli(world.args, world.options)
      const pid = Number((await running.stderrMatch(/^(\d+)\n/))[1])
      assert.ok(isAlive(pid))
      const { status, stderr } = await running.end('SIGTERM')
      assert.equal(status, 75, stderr)
      assert.match(stderr, /error: stopped by SIGTERM\n/)
      assert.ok(!isAlive(pid))
      assert.deepEqual(world.log(), [], 'and nothing is reloaded')
      assert.ok(isPending(world.out))
    })
})

describe('killed with SIGKILL', { concurrency: 2 }, () => {
  const hook = { postRun: 'echo ran >> $DIR/log', reloadServices: ['nginx.service'] }
  const both = ['ran', 'systemctl --no-block try-reload-or-restart -- nginx.service']

  /** The next run ends all there is to do, and nothing is left. */
  async function assertNextRunCompletes(world: World): Promise<void> {
    if (!isPending(world.out)) assert.deepEqual(world.log(), both, 'the marker went before the hook had run')
    const { status, stderr } = await postRun(world)
    assert.equal(status, 0, stderr)
    assert.ok(world.log().length >= 2)
    assert.deepEqual(world.log().slice(-2), both)
    assert.deepEqual(fs.readdirSync(world.out), [])
  }

  test('before each file-system call: the hook runs at least once', async (t) => {
    const preload = await bundle('kill-at-call', temporaryDir(t))
    const killed = (world: World, at: number) => {
      const env = { KILL_AT: String(at), KILL_UNDER: world.dir, KILL_COUNT: join(world.dir, 'count') }
      const args = ['--require', preload, join(repository, 'bin', 'nixacme.js'), ...world.args]
      return run(process.execPath, args, { env: { ...world.options.env, ...env } })
    }
    const whole = aWorld(t, hook)
    assert.equal((await killed(whole, 0)).status, 0)
    const calls = Number(fs.readFileSync(join(whole.dir, 'count'), 'utf8'))
    assert.ok(calls >= 5, `${calls} calls only`)
    t.diagnostic(`${calls} calls`)
    for (let at = 1; at <= calls; at++) {
      const world = aWorld(t, hook)
      assert.equal((await killed(world, at)).signal, 'SIGKILL', `call ${at}`)
      await assertNextRunCompletes(world)
    }
  })

  for (const [what, change] of [
    ['the hook', { postRun: 'test -e $DIR/log || { echo ran >> $DIR/log; kill -9 $PPID; }; echo ran >> $DIR/log' }],
    ['the reload', {}],
  ] as const)
    test(`while ${what} runs: it runs again`, async (t) => {
      const world = aWorld(t, { ...hook, ...change })
      if (what === 'the reload')
        fs.writeFileSync(
          join(world.dir, 'bin', 'systemctl'),
          `#!/bin/sh\ntest -e ${world.dir}/killed || { touch ${world.dir}/killed; kill -9 $PPID; }\necho "systemctl $*" >> ${world.dir}/log\n`,
        )
      assert.equal((await postRun(world)).signal, 'SIGKILL')
      assert.ok(isPending(world.out))
      await assertNextRunCompletes(world)
    })
})
