// What must hold after the run that follows a SIGKILL in the middle of an issuance.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Said, World } from '../support/world.ts'

/** Names of temporary files below the state, but for the folder of what the poller reads: there is no secret in it. */
const temporaries = ({ roots }: World): string[] =>
  readdirSync(roots.state, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.tmp') && !name.startsWith('.renewal-info/'),
  )

/** One account, one certificate, no order too many; what is installed fits together, and nothing lies about. */
export function assertFinished(world: World, { status, stderr }: Said, orders: number): void {
  assert.equal(status, 0, stderr)
  const { accounts, certificates, orders: placed } = world.ca.stats
  assert.deepEqual({ accounts, certificates, placed }, { accounts: 1, certificates: 1, placed: orders }, stderr)
  const { out } = world.paths()
  const leaf = new X509Certificate(readFileSync(join(out, 'fullchain.pem')))
  assert.ok(leaf.checkPrivateKey(createPrivateKey(readFileSync(join(out, 'key.pem')))))
  assert.deepEqual(temporaries(world), [])
  assert.deepEqual(challenges(world), [])
}

/** What is in the webroot. */
export function challenges({ webroot }: World): string[] {
  const folder = join(webroot, '.well-known', 'acme-challenge')
  return existsSync(folder) ? readdirSync(folder) : []
}

/** Runs `action` for each, a few at a time. */
export async function forEach<T>(all: readonly T[], action: (one: T) => Promise<void>): Promise<void> {
  const left = [...all]
  const lane = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await action(one)
  }
  await Promise.all([lane(), lane(), lane()])
}
