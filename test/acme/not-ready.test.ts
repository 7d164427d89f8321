// A certificate that the CA has issued and answers with 404: it is waited for, over several runs, and not paid for twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { Hook } from '../ca/faults.ts'
import { linesWith, type Scene, scene } from './interrupted.ts'
import { failureOf } from './request.ts'

const notFound = { do: 'problem', type: 'malformed', status: 404, retryAfter: 0 } as const
const page = {
  do: 'answer',
  status: 404,
  headers: { 'Content-Type': 'text/html' },
  body: '<h1>Not Found</h1>',
} as const
const hour = 3_600_000

/** Runs in vain: `later`, said as it is, with order and key kept. */
async function assertKept(s: Scene, key?: string): Promise<string> {
  const e = await failureOf(issue(s.req))
  assert.equal(e.exitStatus, 75)
  assert.match(e.message, /^the CA has issued the certificate for 'a.example', .* \(status 404\)$/)
  assert.match(e.hints.join(), /next run downloads/)
  // What the CA said, not a fault of this machine, which would hold no further try back.
  assert.ok(e.refusal)
  const kept = s.order().key
  assert.match(String(kept), /PRIVATE KEY/)
  if (key !== undefined) assert.equal(kept, key)
  return String(kept)
}

test('404 in the first run and in those that take the order up: the last one downloads it', async (t) => {
  const s = await scene(t)
  const end = s.ca.fault('certificate', notFound)
  const key = await assertKept(s)
  assert.equal(s.ca.count('certificate'), 6)
  end()
  const endOfPages = s.ca.fault('certificate', page)
  await assertKept(s, key)
  assert.equal(s.ca.count('certificate'), 7)
  endOfPages()
  const { issued, asked } = await s.next()
  assert.equal(issued.keyPem, key)
  assert.deepEqual(asked, ['order', 'certificate'])
  assert.deepEqual([s.ca.stats.orders, s.ca.stats.certificates], [1, 1])
  assert.deepEqual(linesWith(s, 'ordering anew'), [])
})

test('a page in the first run: the order stays', async (t) => {
  const s = await scene(t)
  s.ca.fault('certificate', page)
  await assertKept(s)
})

/** Hours since the certificate was first missed, and whether the order is given up. */
for (const [hours, isLetGo] of [
  [0.9, false],
  [1.1, true],
  [-1.1, true],
] as const)
  test(`missed for ${hours} h: ${isLetGo ? 'ordered anew' : 'waited for'}, however old the order is`, async (t) => {
    const s = await scene(t)
    await s.interrupt('certificate')
    const ago = (h: number) => new Date(Date.now() - h * hour).toISOString()
    s.order({ placedAt: ago(3), missedAt: ago(hours) })
    s.ca.fault('certificate', { ...page, times: 1 } as unknown as Hook)
    if (!isLetGo) return void (await assertKept(s))
    await s.next()
    assert.equal(s.ca.stats.orders, 2)
    assert.match(linesWith(s, 'ordering anew').join(), /nothing can come of the order/)
  })
