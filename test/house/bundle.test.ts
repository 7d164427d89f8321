// The bundle: small and offline where nothing is due, complete where something is.
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import test, { before, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { BuildResult } from 'esbuild'
import { compile } from '../../src/job/compile.ts'
import { pathsOf, renderJob } from '../../src/job/job.ts'
import { jobPath, type Roots } from '../../src/job/paths.ts'
import { certConfig, config } from '../job/support.ts'
import { writeAccount, writeCertificate } from '../renewal/support/stored.ts'
import { makeSet } from '../support/certificates.ts'
import { repository, run, temporaryDir } from '../support/process.ts'

const dist = join(repository, 'dist')
type Metafile = NonNullable<BuildResult['metafile']>
let metafile: Metafile

before(async () => {
  const { bundle } = await import(String(pathToFileURL(join(repository, 'build.mjs'))))
  ;({ metafile } = await bundle())
})

const parts = ['dist/main.cjs', 'dist/short-way.cjs'] as const

/** The modules that run as soon as `module` does, itself included. */
function closure(module: string): Set<string> {
  assert.ok(metafile.inputs[module], module)
  const found = new Set([module])
  for (const one of found)
    for (const { path, kind, external } of metafile.inputs[one]?.imports ?? [])
      if (!external && kind !== 'dynamic-import') found.add(path)
  return found
}

/** Those of these modules that are in a part of the bundle, with the bytes that they take there. */
const within = (part: (typeof parts)[number], modules: Iterable<string>): [path: string, bytes: number][] =>
  [...modules].flatMap((path) => {
    const bytes = metafile.outputs[part]?.inputs[path]?.bytesInOutput ?? 0
    return bytes > 0 ? [[path, bytes]] : []
  })

const packagesOf = (modules: readonly [path: string, bytes: number][]): string[] =>
  [
    ...new Set(
      modules.flatMap(([path]) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(path)?.[1] ?? []),
    ),
  ].sort()

const loadedBy = (module: string) => within('dist/main.cjs', closure(module))

test('the way of a day with nothing due is one file, holds no package, and is small', () => {
  const { inputs = {}, bytes = Number.POSITIVE_INFINITY } = metafile.outputs['dist/short-way.cjs'] ?? {}
  assert.deepEqual(packagesOf(within('dist/short-way.cjs', Object.keys(inputs))), [])
  assert.ok(bytes < 40_000)
})

test('the rest of the offline half holds no package, and is small', () => {
  const modules = loadedBy('src/main.ts')
  assert.deepEqual(packagesOf(modules), [])
  assert.ok(modules.reduce((sum, [, bytes]) => sum + bytes, 0) < 150_000)
})

test('the config checker and the network half do not load each other', () => {
  const network = packagesOf(loadedBy('src/acme/issue.ts'))
  const checker = packagesOf(loadedBy('src/config/load.ts'))
  const request = packagesOf(loadedBy('src/certificate/csr.ts'))
  assert.ok(network.includes('acme-client') && !network.includes('@peculiar/x509'), String(network))
  assert.ok(!network.includes('form-data'), String(network))
  assert.ok(request.includes('@peculiar/x509'), String(request))
  assert.ok(checker.includes('zod') && checker.includes('toml-eslint-parser'), String(checker))
  assert.deepEqual(
    network.filter((name) => checker.includes(name) || name === 'execa' || name === 'commander'),
    [],
  )
})

test('each bundled package has its licence beside the bundle', () => {
  const text = readFileSync(join(dist, 'THIRD-PARTY-LICENSES.txt'), 'utf8')
  const packages = parts.flatMap((part) => packagesOf(within(part, Object.keys(metafile.inputs))))
  assert.ok(packages.length > 10)
  for (const name of packages) assert.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+`, 'm'))
})

test('nothing is shipped that only the build needs', () => {
  for (const name of readdirSync(dist)) assert.match(name, /\.cjs(\.LEGAL\.txt)?$|^THIRD-PARTY-LICENSES\.txt$/)
})

/** A preload that writes to stderr, at the end, what was loaded: `loaded <file>`, and `loaded NativeModule <name>` of Node's own. */
function witness(dir: string): string {
  const file = join(dir, 'witness.cjs')
  const source = `const before = new Set(process.moduleLoadList)
process.on('exit', () => {
  const native = process.moduleLoadList.filter((name) => !before.has(name))
  const files = Object.keys(require.cache).filter((name) => name !== __filename)
  for (const name of [...files, ...native]) require('node:fs').writeSync(2, 'loaded ' + name + '\\n')
})`
  writeFileSync(file, source)
  return file
}

/** State, job and installed files of x.test, not due for a month. */
async function stateWithNothingDue(t: TestContext): Promise<{ dir: string; roots: Roots }> {
  const dir = temporaryDir(t, 'nixacme-bundle')
  const roots = { state: join(dir, 'state'), runtime: join(dir, 'run'), jobs: join(dir, 'state/.nixacme/jobs') }
  // As root `renew` would look for the user 'acme'.
  const [job] = compile(
    config([certConfig({ name: 'x.test', ...(process.geteuid?.() === 0 && { group: 'root' }) })], {
      useRoot: true,
      sources: [],
    }),
  )
  assert.ok(job)
  for (const folder of [roots.jobs, roots.runtime, join(roots.state, 'x.test')]) mkdirSync(folder, { recursive: true })
  writeFileSync(jobPath(roots, 'x.test'), renderJob(job))
  const paths = pathsOf(roots, job)
  writeCertificate(paths, job, await makeSet({ names: ['x.test'] }))
  writeAccount(paths)
  return { dir, roots }
}

test('a renew with nothing due loads the short way, and none of the heavy modules of Node', async (t) => {
  const { dir, roots } = await stateWithNothingDue(t)
  const args = ['--require', witness(dir), join(repository, 'bin/nixacme.js'), 'renew', 'x.test']
  const env = { NIXACME_STATE_DIR: roots.state, NIXACME_RUNTIME_DIR: roots.runtime, NOTIFY_SOCKET: '/nonexistent' }
  // The first run installs what is stored; the second has nothing left to do.
  await run(process.execPath, args, { env })
  const { status, stdout, stderr } = await run(process.execPath, args, { env })
  assert.equal(status, 0, stderr)
  assert.equal(stdout, '')
  const lines = stderr.trim().split('\n')
  const loaded = lines.flatMap((line) => /^loaded (.*)/.exec(line)?.[1] ?? [])
  assert.match(
    lines.filter((line) => !line.startsWith('loaded ')).join('\n'),
    /^nixacme: x\.test: skipping renewal[^\n]*$/,
  )
  assert.deepEqual(
    loaded.filter((name) => name.startsWith('/')).map((path) => relative(repository, path)),
    ['bin/nixacme.js', 'dist/short-way.cjs'],
  )
  assert.deepEqual(
    loaded.filter((name) =>
      /^NativeModule (crypto|stream|http|https|http2|net|tls|dns|child_process|tty)\b/.test(name),
    ),
    [],
  )

  // What a killed run has left is seen on this way, too, and taken away on the long one.
  const challenge = join(dir, 'www/.well-known/acme-challenge/token')
  const lent = join(roots.state, '.lego/x.test/.lego.1-1.tmp/secrets')
  const ledger = join(roots.state, '.lego/x.test/.challenges.json')
  for (const folder of [lent, dirname(challenge)]) mkdirSync(folder, { recursive: true })
  writeFileSync(challenge, 'x')
  writeFileSync(ledger, JSON.stringify({ version: 1, traces: [{ kind: 'file', path: challenge }] }), { mode: 0o600 })
  const clearing = await run(process.execPath, [join(repository, 'bin/nixacme.js'), 'renew', 'x.test'], { env })
  assert.equal(clearing.status, 0, clearing.stderr)
  assert.match(clearing.stderr, /taking away what an earlier run has left of its challenges/)
  for (const path of [challenge, lent, ledger]) assert.ok(!existsSync(path), path)
})

test('without a build the command says what to do', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-unbuilt-'))
  try {
    mkdirSync(join(dir, 'bin'))
    writeFileSync(join(dir, 'bin/package.json'), readFileSync(join(repository, 'bin/package.json')))
    writeFileSync(join(dir, 'bin/nixacme.js'), readFileSync(join(repository, 'bin/nixacme.js')))
    const { status, stdout, stderr } = await run(process.execPath, [join(dir, 'bin/nixacme.js'), '--version'])
    assert.equal(status, 70)
    assert.equal(stdout, '')
    assert.equal(stderr, "nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('compiled code is cached only where nobody else can write', async (t) => {
  const args = [join(repository, 'bin/nixacme.js'), '--version']
  const cached = async (mode: number) => {
    const dir = temporaryDir(t, 'nixacme-cache')
    chmodSync(dir, mode)
    const { status, stderr } = await run(process.execPath, args, { env: { CACHE_DIRECTORY: dir } })
    assert.deepEqual([status, stderr], [0, ''])
    return readdirSync(dir).length
  }
  assert.equal(await cached(0o700), 1)
  for (const mode of [0o1777, 0o770]) assert.equal(await cached(mode), 0)
})

test('a run with nothing to do keeps its compiled code, and never runs what it did not keep', async (t) => {
  const { roots } = await stateWithNothingDue(t)
  const cache = temporaryDir(t, 'nixacme-cache')
  chmodSync(cache, 0o700)
  const args = [join(repository, 'bin/nixacme.js'), 'renew', 'x.test']
  const env = { NIXACME_STATE_DIR: roots.state, NIXACME_RUNTIME_DIR: roots.runtime, CACHE_DIRECTORY: cache }
  const renew = async () => {
    const { status, stderr } = await run(process.execPath, args, { env })
    assert.equal(status, 0, stderr)
    return stderr
  }
  await renew()
  const words = await renew()
  assert.match(words, /^nixacme: x\.test: skipping renewal[^\n]*\n$/)
  const kept = () => readdirSync(cache).filter((name) => name.startsWith('short-way-'))
  const [name = '', ...more] = kept()
  assert.deepEqual(more, [])
  const file = join(cache, name)
  const whole = readFileSync(file)
  const { mtimeMs } = statSync(file)
  assert.equal(await renew(), words)
  assert.equal(statSync(file).mtimeMs, mtimeMs, 'what is kept is used')
  const source = readFileSync(join(dist, 'short-way.cjs')).length
  const damage: readonly ((bytes: Buffer) => Buffer)[] = [
    (bytes) => bytes.fill(0x5a, source + 5000, source + 5002),
    (bytes) => bytes.fill(0x5a, 100, 102),
    (bytes) => bytes.subarray(0, bytes.length - 1000),
    (bytes) => bytes.subarray(0, source),
    () => Buffer.alloc(0),
  ]
  for (const change of damage) {
    writeFileSync(file, change(Buffer.from(whole)))
    assert.equal(await renew(), words)
    assert.ok(readFileSync(file).length > source + 10_000, 'kept anew')
  }
  rmSync(file)
  chmodSync(cache, 0o770)
  assert.equal(await renew(), words)
  assert.deepEqual(kept(), [])
})
