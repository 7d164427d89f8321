// Chains of other lengths than usual, from the CA to what is installed: Pebble makes none without an intermediate.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { splitPem } from '../../src/certificate/pem.ts'
import { cert, makeWorld } from '../support/world.ts'

/** Certificates after the leaf. */
for (const [chain, issuers] of [
  ['leaf-only', 0],
  ['with-root', 2],
] as const)
  test(`a leaf and ${issuers} more: installed as they came, and nothing is due then`, async (t) => {
    const world = await makeWorld(t, { way: 'in-process', ca: { chain } })
    const { status, stderr } = await world.nixacme(['renew', cert])
    assert.equal(status, 0, stderr)
    const { out } = world.paths()
    const certificatesIn = (name: string) => splitPem(readFileSync(join(out, name), 'utf8')).length
    assert.deepEqual([certificatesIn('fullchain.pem'), certificatesIn('chain.pem')], [issuers + 1, issuers])
    const again = await world.nixacme(['renew', cert])
    assert.match(again.stderr, /skipping renewal/)
    assert.equal(world.ca.stats.certificates, 1)
  })
