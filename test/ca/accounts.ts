// Accounts (RFC 8555 section 7.3): made, found again by key, updated, deactivated.
import type { Signed } from './access.ts'
import { type Answer, jsonAnswer } from './answer.ts'
import { assertBound } from './key-change.ts'
import { malformed, Problem } from './problem.ts'
import type { Account } from './store.ts'
import { type Call, refusePayload, type World } from './world.ts'

/** POST newAccount: 201 for a new one, 200 for a known key; `onlyReturnExisting` never makes one. */
export function newAccount(world: World, { jwk, thumbprint, payload = {} }: Signed): Answer {
  const { store, urls, settings } = world
  const known = store.accounts.all.find((account) => account.thumbprint === thumbprint)
  if (known !== undefined) {
    if (known.status !== 'valid') throw new Problem(401, 'unauthorized', `the account is ${known.status}`)
    return view(world, known, 200)
  }
  if (payload['onlyReturnExisting'] === true) throw new Problem(400, 'accountDoesNotExist', 'no account has this key')
  if (settings.terms && payload['termsOfServiceAgreed'] !== true) {
    throw new Problem(403, 'userActionRequired', `the terms of service at ${urls.terms} are not agreed to`)
  }
  assertBound(world, payload['externalAccountBinding'], thumbprint)
  const contact = readContact(payload['contact'])
  const account = store.accounts.add((id) => ({ id, jwk, thumbprint, contact, status: 'valid' as const }))
  return view(world, account, 201)
}

/** POST account/<n>: read, new contact, or `{"status":"deactivated"}`. */
export function account(world: World, call: Call): Answer {
  const { account: self, payload } = call
  if (call.id !== self.id) throw new Problem(403, 'unauthorized', 'this is another account')
  if (payload !== undefined && 'contact' in payload) self.contact = readContact(payload['contact'])
  if (payload?.['status'] === 'deactivated') self.status = 'deactivated'
  return view(world, self, 200)
}

/** POST-as-GET account/<n>/orders. */
export function orders({ store, urls }: World, call: Call): Answer {
  refusePayload(call)
  if (call.id !== call.account.id) throw new Problem(403, 'unauthorized', 'these are the orders of another account')
  const own = store.orders.all.filter((order) => order.accountId === call.id)
  return jsonAnswer(200, { orders: own.map((order) => urls.order(order.id)) })
}

function view({ urls }: World, { id, status, contact }: Account, httpStatus: number): Answer {
  const body = { status, contact, orders: urls.orders(id) }
  return jsonAnswer(httpStatus, body, { Location: urls.account(id) })
}

function readContact(contact: unknown = []): string[] {
  if (!Array.isArray(contact) || !contact.every((c) => typeof c === 'string')) {
    throw malformed('contact is not a list of strings')
  }
  for (const url of contact) {
    if (!url.startsWith('mailto:')) throw new Problem(400, 'unsupportedContact', `only mailto contacts, not '${url}'`)
    // RFC 8555 section 7.3: one address, without header fields.
    if (!/^mailto:[^@\s,?]+@[^@\s,?]+$/.test(url)) throw new Problem(400, 'invalidContact', `'${url}' is no address`)
  }
  return contact
}
