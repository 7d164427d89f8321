// How a test starts a TypeScript file as a process of its own. `npm test` bundles the tests (test/bundle.mjs), and these
// files with them: a test that was bundled finds them bundled too. One that is run from its source has tsx load them.
import { join, relative } from 'node:path'
import { repository } from './process.ts'

/** The folder of the bundles, when the test that runs is one of them. */
const bundles = /^.*[\\/]node_modules[\\/]\.tests-\w+(?=[\\/])/.exec(process.argv[1] ?? '')?.[0]

/** What Node needs before any TypeScript file that `runnable` has given. */
export const loader: readonly string[] = bundles === undefined ? ['--import', 'tsx'] : []

/** What Node is given to run `source`, absolute, of *.inside.ts, *-driver.ts or test/ca/main.ts. */
export const runnable = (source: string): string =>
  bundles === undefined ? source : join(bundles, relative(repository, source).replace(/\.ts$/, '.mjs'))
