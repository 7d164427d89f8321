// Bad input, one line of data a case: a certificate is there, something is spoiled, nixacme runs, and then status, words,
// requests and every byte of what was there before are looked at together.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HostChanges } from '../support/fake-host.ts'
import { changesBetween } from '../support/tree.ts'
import {
  cert,
  errorsIn,
  makeWorld,
  type Said,
  type Way,
  type World,
  type WorldOptions,
  ways,
} from '../support/world.ts'

export interface BadInput extends Omit<WorldOptions, 'way'> {
  readonly name: string
  /** Nothing was issued before. */
  readonly fresh?: true
  /** Makes the input bad; what it leaves must then stay. */
  spoil?(world: World): unknown
  readonly args?: readonly string[]
  host?(world: World): HostChanges
  /** Default: both. */
  readonly ways?: readonly Way[]
  readonly status: number
  /** The one error sentence, after `nixacme: error: `. */
  readonly error: RegExp
  /** One of the hints; null: the sentence is enough. */
  readonly hint: RegExp | null
  /** How many requests the CA may see, exactly; null: see `mostRequests`. Default: none. */
  readonly requests?: number | null
  /** How many it may see at most, where their number depends on time. */
  readonly mostRequests?: number
  /** What may have changed, as `changesBetween` tells it. Default: nothing. */
  changed?(world: World): readonly string[]
}

/** A sentence as log.ts wants it: one line, no capital at its start, no full stop, nothing of a stack. */
export function assertSentence(sentence: string): void {
  assert.doesNotMatch(sentence, /^[A-Z][a-z]|\.$|\n|\bat .*:\d+:\d+\)?$|undefined|\[object/)
}

const hintsIn = ({ stderr }: Said): string[] =>
  [...stderr.matchAll(/^nixacme: hint: (.*)$/gm)].map((match) => match[1] ?? '')

async function tryOut(bad: BadInput, world: World): Promise<void> {
  if (!bad.fresh) await world.issueAll()
  await bad.spoil?.(world)
  const before = world.tree()
  const said = await world.nixacme(bad.args ?? ['renew', cert], bad.host?.(world))
  assert.equal(said.status, bad.status, said.stderr)
  assert.equal(said.stdout, '')
  const [error = '', ...more] = errorsIn(said)
  assert.deepEqual(more, [], 'one error, told once')
  assert.match(error, bad.error)
  assertSentence(error)
  if (bad.hint)
    assert.ok(
      hintsIn(said).some((hint) => bad.hint?.test(hint)),
      said.stderr,
    )
  assert.deepEqual(changesBetween(before, world.tree()), bad.changed?.(world) ?? [])
  if (bad.requests !== null) assert.equal(world.ca.count(), bad.requests ?? 0)
  else assert.ok(world.ca.count() <= (bad.mostRequests ?? 0), `${world.ca.count()} requests`)
}

/** Registers a test for each case and way, some of them at a time. */
export function badInputs(what: string, cases: readonly BadInput[]): void {
  describe(what, { concurrency: 3 }, () => {
    for (const bad of cases)
      for (const way of bad.ways ?? ways)
        test(`${bad.name} (${way})`, async (t) => tryOut(bad, await makeWorld(t, { ...bad, way })))
  })
}

/** The CA is gone: nobody listens at its address any more. */
export const closeCa = (world: World): Promise<void> => world.ca.close()

/** The order stays for the next run. */
export const keptOrder = (world: World) => [`+${world.paths().pendingOrder}`]
