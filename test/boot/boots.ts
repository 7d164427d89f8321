// Boots a machine and runs test files inside it: what the tests outside need. The files themselves use machine.ts.
import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { cannotRun } from '../support/needs.ts'
import { repository, run } from '../support/process.ts'
import { loader, runnable } from '../support/program.ts'

const folder = join(repository, 'test', 'boot')
const script = join(folder, 'boot-systemd.sh')

/** What a machine's root finds; node and nixacme are in /usr/local/bin, as npm puts them there. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export const debianTesting = join(repository, '.parts', 'debian-testing')

/** False, and `t` skipped, where this machine lets nobody boot another one in namespaces. */
export async function canBoot(t: TestContext): Promise<boolean> {
  const { status, stderr } = await run(script, ['--container', 'true'])
  return status === 0 || cannotRun(t, `cannot boot in namespaces here: ${stderr.trim().replace(/\s+/g, ' ')}`)
}

/** Installs the packed program as the README does, into `dir`, which is to be copied over a machine's root. */
export async function installPacked(dir: string): Promise<void> {
  const { HOME, npm_config_nodedir } = process.env
  const npm = async (...args: string[]) => {
    const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
    const env = { HOME, npm_config_nodedir }
    const result = await run('npm', [...args, ...quiet], { cwd: repository, env, timeoutMs: 300_000 })
    assert.equal(result.status, 0, result.stderr)
    return result.stdout
  }
  // Already built; --ignore-scripts keeps this from building a second time under other tests' feet.
  const [packed] = JSON.parse(await npm('pack', '--ignore-scripts', '--json', '--pack-destination', dir))
  const tarball = join(dir, packed.filename)
  const machine = join(dir, 'machine')
  await npm('install', '--global', '--allow-scripts=fs-ext', '--prefix', join(machine, 'usr', 'local'), tarball)
}

export interface Machine {
  /** Where `installPacked` has put the program. */
  readonly program: string
  /** The machine's root; without it this machine's own. */
  readonly root?: string
  /** Without systemd, as in a container. */
  readonly container?: boolean
  /** Folder, on a tmpfs, that what the machine writes is kept in: a further boot goes on from there. */
  readonly keep?: string
  /** Seconds for all of it. */
  readonly seconds: number
}

export interface Boot extends Machine {
  /** Names of the files in test/boot, in the order in which they are run. */
  readonly files: readonly string[]
}

interface Ended {
  readonly file: string
  readonly name: string
  readonly seconds: number
  readonly skipped?: string
  readonly failure?: string
}

/** What a boot has shown. */
export interface Shown {
  readonly boot: Boot
  readonly ended: readonly Ended[]
  /** Undefined when it took too long. */
  readonly status: number | undefined
  /** All else that was said. */
  readonly said: string
}

/** Boots once and runs the files inside, one after the other. */
export async function runInside(boot: Boot): Promise<Shown> {
  const tests = [...loader, '--enable-source-maps', '--test', '--test-concurrency=1', `--test-timeout=${fileTimeout}`]
  const reporter = [`--test-reporter=${join(folder, 'reporter.mjs')}`, '--test-reporter-destination=stdout']
  const [command, args] = bootCommand(boot, [
    ...tests,
    ...reporter,
    ...boot.files.map((file) => runnable(join(folder, file))),
  ])
  const { status, stdout, stderr } = await run(command, args, {
    cwd: repository,
    timeoutMs: (boot.seconds + 30) * 1000,
  })
  const lines = stdout.split('\n')
  const isResult = (line: string) => line.startsWith('{"file":')
  const ended = lines.filter(isResult).map((line): Ended => {
    const one: Ended = JSON.parse(line)
    return { ...one, file: `${basename(one.file, extname(one.file))}.ts` }
  })
  return { boot, ended, status, said: [...lines.filter((line) => !isResult(line)), stderr].join('\n').trim() }
}

/** Makes each test inside a subtest of `t`. */
export async function show(t: TestContext, { boot, ended, status, said }: Shown): Promise<void> {
  for (const { file, name, skipped, failure, seconds } of ended) {
    await t.test(`${file}: ${name} (${seconds.toFixed(1)} s)`, (one) => {
      // Its own stack would only say that it happened in there.
      if (failure !== undefined) throw Object.assign(new Error(failure), { stack: failure })
      if (skipped !== undefined) cannotRun(one, skipped)
    })
  }
  const seen = new Set(ended.map(({ file }) => file))
  const unseen = boot.files.filter((file) => !seen.has(file))
  assert.deepEqual(unseen, [], `no test of these files has ended (status ${status}):\n${said}`)
  const isRed = ended.some(({ failure }) => failure !== undefined)
  assert.ok(status === 0 || isRed, `the machine has ended with status ${status}:\n${said}`)
}

/** Node 20 and 22 bound a file by --test-timeout, Node 24 each test; milliseconds. */
const fileTimeout = 600_000

/** The command line, from the checkout, that boots a machine and runs Node with these arguments in it. */
export function bootCommand(machine: Machine, node: readonly string[]): [command: string, args: string[]] {
  const { program, root, container, keep, seconds } = machine
  const checkout = resolve(repository)
  const binds = [`${realpathSync(process.execPath)}:/usr/local/bin/node:ro`, `${checkout}:${checkout}:ro`]
  const env = { PATH: path, TMPDIR: '/tmp', CI: process.env['CI'] ?? '', NO_COLOR: '1' }
  const options = [
    ...(root === undefined ? [] : ['--root', root]),
    ...(container ? ['--container'] : []),
    ...(keep === undefined ? [] : ['--keep', keep]),
    ...['--tree', join(program, 'machine')],
    ...binds.flatMap((bind) => ['--bind', bind]),
    ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...['--timeout', String(seconds)],
  ]
  return [script, [...options, '--', '/usr/local/bin/node', ...node]]
}
