// What must hold after an installation; apart from world.ts, which small programs load.
import assert from 'node:assert/strict'
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { compare, installedNames } from '../../../src/renewal/install.ts'
import type { StoredSet } from '../../../src/renewal/state.ts'
import { seen, temporaries, type World } from './world.ts'

/** `out/` shows `set` by every way, whole, with nothing left to do. */
export function assertInstalled(world: World, set: StoredSet): void {
  assert.deepEqual(seen(world, { set }), { current: 'set', full: 'set', names: 'set' })
  assert.equal(compare(world.paths.out, set, world.gid), 'none')
  for (const name of installedNames) assert.equal(readlinkSync(join(world.paths.out, name)), `current/${name}`)
  assert.deepEqual(temporaries(world.paths.out), [])
}
