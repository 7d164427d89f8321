// The shape of src/: which room may import which, one door for each package, and the world outside behind one host.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import test from 'node:test'
import { repository } from '../support/process.ts'

const src = join(repository, 'src')
const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ path: `src/${name}`, text: readFileSync(join(src, name), 'utf8') }))

/** What a module imports, types too: our own modules by path from the root, packages as they are written. */
function importsOf({ path, text }: { readonly path: string; readonly text: string }): string[] {
  const specifier =
    /(?:^(?:import|export)\b[^'`]*?\bfrom|^} from|^import|\bimport\(|\brequire\(|createRequire\(import\.meta\.url\)\()\s*'([^']+)'/gm
  return [...text.matchAll(specifier)].map(([, name = '']) =>
    name.startsWith('.') ? relative(repository, join(repository, dirname(path), name)) : name,
  )
}

/** From the ground up. A module imports only from its own floor and those below; rooms of one floor do not know each other. */
const floors: readonly (readonly RegExp[])[] = [
  // Words that all use: pure, and importing nothing above.
  [/^src\/(errors|wait|time|url|config\/config|job\/limits|job\/names|job\/slots)\.ts$/],
  [/^src\/(fs|host|log|process|service-manager|system-users)\.ts$/, /^src\/certificate\//],
  [/^src\/config\//],
  [/^src\/job\//],
  [/^src\/renewal\//, /^src\/acme\//, /^src\/systemd\//],
  [/^src\/commands\//],
  [/^src\/(cli|cli-account|cli-dns|cli-units|short-way)\.ts$/],
  [/^src\/(main|short-way)\.ts$/],
]

function placeOf(path: string): { readonly floor: number; readonly room: RegExp } {
  for (const [floor, rooms] of floors.entries()) for (const room of rooms) if (room.test(path)) return { floor, room }
  assert.fail(`'${path}' has no place in the house: 'floors' in imports.test.ts lists the rooms`)
}

test('arrows point one way', () => {
  for (const source of sources)
    for (const to of importsOf(source).filter((name) => name.startsWith('src/'))) {
      const [here, there] = [placeOf(source.path), placeOf(to)]
      assert.ok(there.floor <= here.floor, `'${source.path}' imports '${to}', which is above it`)
      const isNeighbour = there.floor === here.floor && here.floor >= 2 && there.room !== here.room
      assert.ok(!isNeighbour, `'${source.path}' imports '${to}', a room beside it`)
    }
})

const doors: Readonly<Record<string, RegExp>> = {
  '@peculiar/x509': /^src\/certificate\//,
  'acme-client': /^src\/acme\/client\.ts$/,
  chalk: /^src\/log\.ts$/,
  commander: /^src\/cli(-account|-dns|-units)?\.ts$/,
  execa: /^src\/process\.ts$/,
  'fs-ext': /^src\/renewal\/lock\.ts$/,
  'https-proxy-agent': /^src\/acme\/transport\.ts$/,
  'jsonc-parser': /^src\/config\//,
  'reflect-metadata': /^src\/certificate\//,
  'toml-eslint-parser': /^src\/config\//,
  zod: /^src\/config\//,
}

test('each package has one door', () => {
  const used = new Set<string>()
  for (const source of sources)
    for (const name of importsOf(source).filter((one) => !one.startsWith('src/') && !isBuiltin(one))) {
      const packageName = /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name
      assert.match(source.path, doors[packageName] ?? /^$/, `'${source.path}' imports '${packageName}'`)
      used.add(packageName)
    }
  assert.deepEqual([...used].sort(), Object.keys(doors).sort(), 'a door without its package')
})

/** The text without comments, strings and the names of files. */
const codeOf = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*|'(?:\\.|[^'\\\n])*'/g, '')

test('only the host meets the environment, the clock, and the process', () => {
  // The process id names temporary files, the umask is lifted for one call; neither is a state of the world.
  const world =
    /\bprocess\.(?!pid\b|umask\b|getBuiltinModule\b)\w+|\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b/g
  for (const { path, text } of sources) {
    if (path === 'src/host.ts') continue
    assert.deepEqual(codeOf(text).match(world) ?? [], [], `'${path}' reads the world outside; src/host.ts does that`)
  }
})

test('the offline half does not name the network', () => {
  const offline = sources.filter(({ path }) => /^src\/(renewal|job|config)\//.test(path))
  for (const source of offline)
    for (const name of importsOf(source))
      assert.doesNotMatch(name, /^src\/acme\/|^node:(http|https|tls|dns|http2)$/, source.path)
})
