// An order that is interrupted and taken up again, at the CA of the tests.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Issued, issue } from '../../src/acme/issue.ts'
import type { IssueRequest } from '../../src/acme/request.ts'
import type { NixacmeError } from '../../src/errors.ts'
import { type Ca, type CaOptions, startCa } from '../ca/ca.ts'
import type { RequestKind } from '../ca/routes.ts'
import { type Bench, bench, failureOf } from './request.ts'

export interface Scene extends Bench {
  readonly ca: Ca
  readonly orderFile: string
  /** Runs until the CA is asked for `kind`, which it does or not; the order is left as it is then. */
  interrupt(kind: RequestKind, when?: 'before' | 'after'): Promise<NixacmeError>
  /** The next run, and the kinds of its signed requests in order. */
  next(changes?: Partial<IssueRequest>): Promise<{ issued: Issued; asked: readonly RequestKind[] }>
  /** The order on disk; `changes` are written. */
  order(changes?: object): { readonly key?: string }
}

export async function scene(
  t: TestContext,
  options: CaOptions = {},
  changes: Partial<IssueRequest> = {},
): Promise<Scene> {
  const ca = await startCa({ validate: 'always', ...options })
  t.after(() => ca.close())
  const b = bench(t, ca.directoryUrl, changes)
  const root = join(b.dir, 'ca.pem')
  writeFileSync(root, ca.rootPem)
  const req = { ...b.req, caCertificates: [root] }
  const orderFile = req.order.path
  return {
    ...b,
    req,
    ca,
    orderFile,
    interrupt(kind, when = 'before') {
      const stop = new AbortController()
      const end = ca.fault(kind, async ({ next }) => {
        end()
        if (when === 'after') await next()
        stop.abort('SIGTERM')
        return { status: 0, headers: {}, body: '', bare: true, transport: 'mute' }
      })
      return failureOf(issue({ ...req, signal: stop.signal }))
    },
    async next(more = {}) {
      const before = ca.requests.length
      const issued = await issue({ ...req, ...more })
      assert.ok(issued)
      const kinds = ca.requests.slice(before).map(({ kind }) => kind)
      return { issued, asked: kinds.filter((kind) => kind !== 'directory' && kind !== 'newNonce') }
    },
    order(edit) {
      const now = JSON.parse(readFileSync(orderFile, 'utf8'))
      if (edit) writeFileSync(orderFile, JSON.stringify({ ...now, ...edit }))
      return now
    },
  }
}

/** What was logged that has these words. */
export const linesWith = ({ log }: Scene, what: string): string[] => log.lines.filter((line) => line.includes(what))
