// `npm test`: from a fresh clone to a verdict: packages, build, real parts, linter, compiler, every suite, and a summary
// that names each skipped test with its reason.
//   npm test [-- WORD…]   WORDs: only the test files whose path contains one, without linter and compiler
//   npm run golden        rewrites the generated texts that are kept in the repository
// With CI=true a skipped test is a failure, and so is a generated text that regeneration changes.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setup } from './setup.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const isCi = process.env.CI === 'true'
/** Files at a time. About half of what most take is waiting: for the pace of a CA, for a process, for a clock. */
const lanes = 3
/** Milliseconds. Node 20 and 22 bound a test file by it, Node 24 each test. */
const timeout = 600_000

const start = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options })

/** Says what it does, does it, and tells whether it went well. */
function step(title, command, args, options) {
  console.log(`\n== ${title}`)
  const { status, error } = start(command, args, options)
  if (error) console.error(`cannot start '${command}': ${error.message}`)
  return status === 0
}

const readJson = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'))

/** True when node_modules holds exactly the versions of package-lock.json, whatever the files' dates. */
function isInstalled() {
  try {
    const there = readJson('node_modules/.package-lock.json').packages
    const wanted = Object.entries(readJson('package-lock.json').packages)
    return wanted.every(([path, { version, optional }]) => !path || optional || there[path]?.version === version)
  } catch {
    return false
  }
}

const isGoldenTest = (file) => readFileSync(file, 'utf8').includes('support/golden.ts')

/** The files below test/ with this ending, in a stable order, as absolute paths. */
const filesEndingIn = (end) =>
  readdirSync(join(root, 'test'), { recursive: true })
    .filter((name) => name.endsWith(end))
    .map((name) => join(root, 'test', name))
    .sort()

/** What takes longest, the booted machines, comes first: nobody waits for it in the end. */
const testFiles = () => filesEndingIn('.test.ts').sort((a, b) => rank(a) - rank(b))
const rank = (file) => (file.includes('/test/boot/') ? 0 : 1)

/** What tests start as processes of their own (test/support/program.ts). */
const startedFiles = () => ['.inside.ts', '-driver.ts', 'ca/main.ts'].flatMap(filesEndingIn)

/** Bundles test files, and what they start, for as long as `action` takes, which gets the bundled test files. */
async function withBundled(files, action) {
  // Only now: before the packages are installed there is no bundler.
  const { bundleTests } = await import('./bundle.mjs')
  const { dir, bundled } = await bundleTests([...files, ...startedFiles()])
  try {
    return action(bundled.slice(0, files.length))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Runs bundled test files under node:test; `found` gets what the summary needs. */
function runTests(files, env = {}) {
  const scratch = mkdtempSync(join(tmpdir(), 'nixacme-test-'))
  const report = join(scratch, 'report')
  const reporters = ['spec', join(root, 'test/support/summary-reporter.mjs')].map((r) => `--test-reporter=${r}`)
  const targets = ['stdout', report].map((target) => `--test-reporter-destination=${target}`)
  const flags = ['--enable-source-maps', '--test', `--test-concurrency=${lanes}`, `--test-timeout=${timeout}`]
  try {
    const { status } = start(process.execPath, [...flags, ...reporters, ...targets, ...files], {
      env: { ...process.env, NO_COLOR: process.stdout.isTTY ? '' : '1', ...env },
    })
    const lines = readFileSync(report, 'utf8').split('\n').filter(Boolean)
    return { ok: status === 0, found: lines.map((line) => JSON.parse(line)) }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The source of a bundled test file, relative to the repository. */
const sourceOf = (file = root) => relative(root, file).replace(/^node_modules.\.tests-\w+.(.*)\.mjs$/, '$1.ts')

const place = ({ file, name }) => `${sourceOf(file)}: ${name}`

/** Rewrites the golden texts; returns false when a writing test failed. */
function writeGolden() {
  console.log('\n== golden texts')
  return withBundled(testFiles().filter(isGoldenTest), (files) => runTests(files, { GOLDEN: '1' }).ok)
}

/** How the working tree differs from HEAD, or undefined outside of a git checkout. */
function treeState() {
  const git = (...args) => start('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const status = git('status', '--porcelain')
  return status.status === 0 ? status.stdout + git('diff', 'HEAD').stdout : undefined
}

/** True when writing the golden texts anew leaves every file as it was. */
async function isGoldenStable() {
  const before = treeState()
  const written = await writeGolden()
  const stable = before === treeState()
  if (!stable) console.error("regeneration changed files: run 'npm run golden' and look at 'git diff'")
  return written && stable
}

async function main(words) {
  if (!isInstalled() && !step('packages', 'npm', ['ci', '--no-audit', '--no-fund'])) return ['packages']
  if (!step('build', process.execPath, ['build.mjs'])) return ['build']
  console.log('\n== real parts')
  const missing = setup()
  console.log(missing.length === 0 ? 'all there' : `missing: ${missing.join(', ')}`)
  if (words.includes('--golden')) return (await writeGolden()) ? [] : ['golden texts']

  const failures = []
  const bin = (name) => join(root, 'node_modules/.bin', name)
  if (words.length === 0) {
    if (!step('biome', bin('biome'), ['check', '--error-on-warnings', '.'])) failures.push('biome')
    if (!step('tsc', bin('tsc'), [])) failures.push('tsc')
  }
  const files = testFiles().filter((file) => words.length === 0 || words.some((w) => relative(root, file).includes(w)))
  if (files.length === 0) return [`no test file's path contains ${words.join(' or ')}`]
  console.log('\n== suites')
  const { ok, found } = await withBundled(files, (bundled) => runTests(bundled))
  const failed = found.filter((test) => test.failed).map(place)
  const skipped = found.filter((test) => test.skipped !== undefined)
  if (!ok || failed.length > 0) failures.push('suites')
  if (isCi && words.length === 0 && !(await isGoldenStable())) failures.push('golden texts')

  console.log('\n== summary')
  for (const test of skipped) console.log(`skipped  ${place(test)}: ${test.skipped || 'no reason given'}`)
  for (const test of failed) console.log(`failed   ${test}`)
  if (isCi && skipped.length > 0) failures.push('skipped tests, which CI=true does not allow')
  return failures
}

const failures = await main(process.argv.slice(2))
console.log(failures.length === 0 ? 'ok' : `not ok: ${failures.join(', ')}`)
process.exitCode = failures.length === 0 ? 0 : 1
