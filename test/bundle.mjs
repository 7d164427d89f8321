// Turns the test files into plain JavaScript before they are run, everything they import included: each file is a process,
// and what tsx and node_modules' hundreds of small modules cost it at its start is most of what a short one takes.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Each module goes on knowing where its source stands: tests find their fixtures and programs from there. */
const ownPlaces = {
  name: 'own-places',
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|m?js)$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta.url')) return undefined
      const place = `const moduleUrl = ${JSON.stringify(pathToFileURL(path).href)}; `
      return { contents: place + text, loader: path.endsWith('.ts') ? 'ts' : 'js' }
    })
  },
}

/** CommonJS packages `require` Node's own modules, which ES modules cannot; tsyringe wants reflect-metadata before it. */
const packages = {
  name: 'packages',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind }) =>
      kind === 'require-call' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
    onLoad({ filter: /[\\/]tsyringe[\\/]dist[\\/]esm5[\\/]index\.js$/ }, ({ path }) => ({
      contents: `import 'reflect-metadata'\n${readFileSync(path, 'utf8')}`,
    }))
  },
}

// Below node_modules: native packages are found from there, and no tool looks into it.
const place = join(root, 'node_modules')
const stem = '.tests-'
const day = 86_400_000

/** Removes what runs that were killed have left; a run takes minutes, so no other uses a folder of yesterday. */
function removeStale() {
  for (const name of readdirSync(place).filter((entry) => entry.startsWith(stem))) {
    const dir = join(place, name)
    const { mtimeMs } = statSync(dir, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() }
    if (Date.now() - mtimeMs > day) rmSync(dir, { recursive: true, force: true })
  }
}

/**
 * Bundles `files` (absolute paths of *.ts below the repository) into a new folder, in chunks that they share. Returns the
 * folder, which the caller removes, and the bundled files in the same order, each at its source's place below the folder.
 */
export async function bundleTests(files) {
  removeStale()
  const dir = mkdtempSync(join(place, stem))
  await build({
    absWorkingDir: root,
    entryPoints: files,
    outbase: root,
    outdir: dir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    mainFields: ['module', 'main'],
    external: ['fs-ext', 'esbuild'],
    define: { 'import.meta.url': 'moduleUrl' },
    sourcemap: true,
    sourcesContent: false,
    plugins: [ownPlaces, packages],
    logLevel: 'warning',
  })
  return { dir, bundled: files.map((file) => join(dir, relative(root, file).replace(/\.ts$/, '.mjs'))) }
}
