// What must hold after the run that follows a SIGKILL in the middle of an issuance.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RequestKind } from '../ca/routes.ts'
import { cert, type Said, type World } from '../support/world.ts'

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

export interface Kill {
  /** At the n-th of the requests, from 1. */
  readonly n: number
  /** Of this kind; without it all are counted. */
  readonly kind?: RequestKind | '*'
  /** `after`: when the request has had its effect at the CA. */
  readonly when: 'before' | 'after'
}

/** Runs the command and kills it when the CA gets this request, whose kind it gives. */
export async function killAt(
  world: World,
  { n, kind = '*', when }: Kill,
  args: readonly string[] = ['--now'],
): Promise<RequestKind> {
  let seen = 0
  const end = world.ca.fault(kind, async (exchange) => {
    if (++seen !== n) return exchange.next()
    if (when === 'after') await exchange.next()
    reached(exchange.kind)
    return { status: 0, headers: {}, body: '', bare: true, transport: 'mute' }
  })
  let reached: (kind: RequestKind) => void = () => {}
  const arrived = new Promise<RequestKind>((resolve) => {
    reached = resolve
  })
  const running = world.spawn(['renew', ...args, cert])
  const found = await Promise.race([arrived, running.finished.then(({ stderr }) => assert.fail(stderr))])
  const { signal } = await running.end('SIGKILL')
  assert.equal(signal, 'SIGKILL')
  end()
  return found
}

/** Runs `action` for each, a few at a time. */
export async function forEach<T>(all: readonly T[], action: (one: T) => Promise<void>): Promise<void> {
  const left = [...all]
  const lane = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await action(one)
  }
  await Promise.all([lane(), lane(), lane()])
}
