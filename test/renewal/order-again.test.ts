// An order in place of one that may be lost: what it is counted for, and what it need not wait for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { makeSet } from '../support/certificates.ts'
import { away, remembered, statusOf } from './support/failing.ts'
import { makeJob } from './support/lock-job.ts'
import { makePlace } from './support/renewal.ts'
import { writeAccount, writeCertificate, writeMemory } from './support/stored.ts'

const names = ['example.com']
/** Hours. */
const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000)

test('an order in place of one that may be lost is not spread over the time that is left, but counts', async (t) => {
  const job = makeJob({ validMinDays: 3 })
  const place = makePlace(t, job)
  writeCertificate(place.paths, place.job, await makeSet({ names, notBefore: ago(110), notAfter: ago(-50) }))
  writeAccount(place.paths)
  const orders = [100, 80, 60].map((hours) => ({ at: ago(hours).toISOString(), names: names.join(' ') }))
  writeMemory(place.paths, { version: 1, orders })
  const said: string[] = []
  const run = place.run({
    async obtain(_job, { diary }) {
      for (const again of [undefined, 'again', 'again'] as const) {
        try {
          diary.ordering(again)
        } catch (e) {
          said.push(e instanceof NixacmeError ? e.message : 'a bug')
        }
      }
      throw away()
    },
  })
  await statusOf(run)
  assert.equal(remembered(place).orders.length, 5)
  assert.equal(said.length, 1)
  assert.match(said[0] ?? '', /^no new order before .*: 5 orders of these names in 7 days$/)
})
