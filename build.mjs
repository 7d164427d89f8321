// Bundles src/main.ts into dist/: one CommonJS file, whose modules begin to run when they are needed. Everything but fs-ext
// (native) is inside; the licences of what is inside go beside it. Identifiers keep their names, lines stay short: a
// stack trace is readable without a source map.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const readManifest = (dir) => JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))

/** The release's date: SOURCE_DATE_EPOCH (reproducible-builds.org), else that of the commit, else that of package.json. */
function builtAt() {
  const seconds = process.env.SOURCE_DATE_EPOCH || commitSeconds()
  return (seconds ? new Date(Number(seconds) * 1000) : statSync(join(root, 'package.json')).mtime).toISOString()
}

function commitSeconds() {
  try {
    statSync(join(root, '.git'))
    const git = ['-C', root, 'log', '-1', '--format=%ct', 'HEAD']
    return execFileSync('git', git, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

/**
 * What acme-client's HTTP core brings along and never uses, and what would cost a third of the network half's start: its own
 * X.509 library (ours is a door further on), uploads of forms with a list of all media types, and axios's other adapter,
 * whose look at `Request` and `FormData` loads all of Node's fetch.
 */
const withoutTheUnused = {
  name: 'without-the-unused',
  setup({ onResolve, onLoad }) {
    const unused = [
      { filter: /^(@peculiar\/x509|asn1js)$/, by: /[\\/]acme-client[\\/]src[\\/]/ },
      { filter: /^form-data$/, by: /[\\/]axios\.cjs$/ },
    ]
    for (const { filter, by } of unused)
      onResolve({ filter }, ({ path, importer }) => (by.test(importer) ? { path, namespace: 'unused' } : undefined))
    onLoad({ filter: /./, namespace: 'unused' }, ({ path }) => ({
      contents: `module.exports = new Proxy({ cryptoProvider: { set() {} } }, {
        get(known, name) { if (name in known) return known[name]; throw new Error('${path} is not in this bundle') } })`,
    }))
    onLoad({ filter: /[\\/]axios\.cjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const looks = /globalObject\.(Request|Response)\b|(?<=FormDataCtor = )typeof G\.FormData [^;]*/g
      if (text.match(looks)?.length !== 3) throw new Error(`'${path}' looks for fetch in another way now`)
      return { contents: text.replace(looks, 'undefined') }
    })
  },
}

const shared = {
  absWorkingDir: root,
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  mainFields: ['module', 'main'],
  target: 'node20',
  external: ['fs-ext'],
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  legalComments: 'linked',
  metafile: true,
  write: false,
  logLevel: 'warning',
}

/** Leaves what is imported on demand outside: the short way returns before it would be needed. */
const withoutTheLazy = {
  name: 'without-the-lazy',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind }) => (kind === 'dynamic-import' ? { path, external: true } : undefined))
    // In CommonJS `require` is there already. What it does to find a native module takes longer than loading one.
    onResolve({ filter: /^node:module$/ }, () => ({ path: 'module', namespace: 'require' }))
    onLoad({ filter: /./, namespace: 'require' }, () => ({
      contents: `
        export const createRequire = () => (id) => (id.endsWith('.node') && loaded(id)) || require(id)
        function loaded(id) {
          const module = { exports: {} }
          try {
            process.dlopen(module, __dirname + '/../node_modules/' + id)
            return module.exports
          } catch {}
        }`,
    }))
  },
}

/**
 * esbuild makes a copy of a CommonJS module, getter by getter, for each `import * as`; Node's own modules serve as they
 * are, and their copies would take a third of the short way's time to load.
 */
const withoutCopies = ({ path, text }) => {
  const contents = text.replace(/[\w$]+\((require\("node:\w+"\)),1\)/g, '$1')
  if (contents === text) throw new Error(`no copies in '${path}': esbuild writes them in another way now`)
  return { path, contents }
}

/**
 * Bundles in memory: `outputFiles` and `metafile` as esbuild gives them. Two parts: main.cjs, and short-way.cjs, small, for a
 * run with nothing to do. Both are CommonJS: its compiled code can be kept by every version of Node, one file is read faster
 * than sixty, and importing node:fs as an ES module would load Node's streams and promises with it.
 */
export async function bundle() {
  const define = {
    NIXACME_BUILT_AT: JSON.stringify(builtAt()),
    NIXACME_VERSION: JSON.stringify(readManifest(root).version),
  }
  const [main, shortWay] = await Promise.all([
    build({
      ...shared,
      define: { ...define, 'import.meta.url': 'urlOfThisFile' },
      entryPoints: ['src/main.ts'],
      banner: { js: 'const urlOfThisFile = require("node:url").pathToFileURL(__filename).href' },
      plugins: [withoutTheUnused],
    }),
    build({
      ...shared,
      define: { ...define, 'import.meta.url': '__filename' },
      entryPoints: ['src/short-way.ts'],
      // It never throws, so nobody reads its names and lines in a stack trace; shorter ones load faster.
      minifyIdentifiers: true,
      lineLimit: 0,
      plugins: [withoutTheLazy],
    }),
  ])
  const merged = (part) => ({ ...main.metafile[part], ...shortWay.metafile[part] })
  return {
    outputFiles: [...main.outputFiles, ...shortWay.outputFiles.map(withoutCopies)],
    metafile: { inputs: merged('inputs'), outputs: merged('outputs') },
  }
}

/** The folders of the packages that bytes of the bundle come from. */
function bundledPackages({ inputs, outputs }) {
  const used = Object.values(outputs).flatMap((output) =>
    Object.keys(output.inputs).filter((path) => output.inputs[path].bytesInOutput > 0 && inputs[path]),
  )
  const folders = used.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
  return [...new Set(folders)].filter((folder) => folder !== undefined).sort()
}

function licenceOf(folder) {
  const dir = join(root, folder)
  const { name, version, license } = readManifest(dir)
  const file = readdirSync(dir).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
  if (!file && !license) throw new Error(`'${folder}' has no licence`)
  const text = file ? readFileSync(join(dir, file), 'utf8').trim() : `Licence, as its package.json says: ${license}`
  return `${name} ${version}\n\n${text}\n`
}

/** Removes what is stale when all is written: whoever runs meanwhile finds a whole bundle. */
function writeDist({ outputFiles, metafile }) {
  const dist = join(root, 'dist')
  const licences = bundledPackages(metafile)
    .map(licenceOf)
    .join(`\n${'-'.repeat(80)}\n\n`)
  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  files.set('THIRD-PARTY-LICENSES.txt', licences)
  mkdirSync(dist, { recursive: true })
  for (const [name, contents] of files) {
    const temporary = join(dist, `.${name}.${process.pid}.tmp`)
    writeFileSync(temporary, contents)
    renameSync(temporary, join(dist, name))
  }
  for (const name of readdirSync(dist)) if (!files.has(name)) rmSync(join(dist, name), { recursive: true, force: true })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) writeDist(await bundle())
