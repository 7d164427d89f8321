// A certificate from the CA: by the order that an earlier run left, else by a new one. Whatever ends the run, the order
// stays on disk as long as anything can come of it.
import type { AcmeClient } from './client.ts'
import { newOrder } from './new-order.ts'
import { OrderInProgress, orderOf } from './order.ts'
import { endsOrder, OrderRecord } from './pending-order.ts'
import { fetchIssued, forgetOrder, isOfOldKey, type Lost, type Obtained, takeUp, type Wanted } from './resume.ts'

/**
 * Goes on where the account's key was changed meanwhile: the order stays the account's. Throws AcmeProblem when the CA
 * refuses, else as `AcmeClient.post`, the solver, `accept` and `OrderRecord.write` do.
 */
export async function obtainCertificate(client: AcmeClient, wanted: Wanted): Promise<Obtained> {
  for (;;) {
    try {
      const taken = await takeUp(client, wanted)
      return taken && !('failure' in taken) ? taken : await order(client, wanted, taken)
    } catch (e) {
      if (!(await isOfOldKey(e, wanted))) throw giveUp(e, wanted)
    }
  }
}

function giveUp(e: unknown, { file, log }: Wanted): unknown {
  if (endsOrder(e)) forgetOrder(file, log)
  return e
}

async function order(client: AcmeClient, wanted: Wanted, lost: Lost | undefined): Promise<Obtained> {
  const { names, log, identity, file, solvers } = wanted
  await solvers.verify(identity.accountUrl)
  log.info(`ordering a certificate for ${names.map((name) => `'${name}'`).join(', ')} from '${client.host}'`)
  log.progress('ordering')
  const { order: body, url: orderUrl } = await newOrder(client, wanted, { about: orderOf(names), lost, ...wanted })
  const { expires } = body
  const placedAt = wanted.now()
  const record = new OrderRecord(file, { ...identity, orderUrl, placedAt, expires, keyPem: undefined })
  record.write()
  const inProgress = new OrderInProgress(client, record, wanted)
  return fetchIssued(inProgress, await inProgress.complete({ body, retryAfter: undefined }), wanted)
}
