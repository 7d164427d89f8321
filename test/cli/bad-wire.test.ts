// A CA at the other end of a bad wire: slow, endless, huge, leading in circles, or something else that answers in its place.
// Our own limits end each, with one sentence, few requests, and every byte of what was there before in its place.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Fault } from '../ca/faults.ts'
import type { RequestKind } from '../ca/routes.ts'
import { cert, makeWorld, type World } from '../support/world.ts'
import { type BadInput, badInputs, keptOrder } from './bad-input.ts'

const fault = (kind: RequestKind | '*', what: Fault) => (world: World) => world.ca.fault(kind, what)

type WireCase = Pick<BadInput, 'name' | 'status' | 'error' | 'hint' | 'spoil'> & Partial<BadInput>

const soon = (world: World) => world.configure({ defaults: { orderTimeout: '2s' } })

/** A fault that only our own limit ends. */
const slow = (kind: RequestKind | '*', what: Fault) => (world: World) => {
  soon(world)
  world.ca.fault(kind, what)
}

const late = { status: 69, error: /the work with the CA at '127\.0\.0\.1:\d+' took longer than 2 s/, hint: /next run/ }

/** What must end must end as a process, too. */
const endless: readonly WireCase[] = [
  {
    name: 'an order that never ends',
    spoil: (w) => {
      soon(w)
      w.ca.set({ polls: { ready: 1_000_000 } })
    },
    ...late,
    changed: keptOrder,
    mostRequests: 15,
  },
  {
    name: 'a certificate that never comes',
    spoil: (w) => {
      soon(w)
      w.ca.set({ polls: { certificate: 1_000_000 } })
    },
    ...late,
    changed: keptOrder,
    mostRequests: 15,
  },
  {
    name: 'a directory that comes byte by byte',
    spoil: slow('directory', { do: 'drip' }),
    ...late,
    mostRequests: 1,
  },
  {
    name: 'an order that comes byte by byte',
    spoil: slow('newOrder', { do: 'drip' }),
    ...late,
    mostRequests: 3,
  },
  {
    name: 'a CA that takes connections and never answers',
    spoil: slow('*', { do: 'mute' }),
    ...late,
    mostRequests: 1,
  },
]

const wrong: readonly WireCase[] = [
  {
    name: 'a CA that hangs up on every order',
    spoil: fault('newOrder', { do: 'drop', when: 'after' }),
    status: 69,
    error: /cannot reach the CA at '.*': the connection was reset/,
    hint: /can be reached/,
    mostRequests: 5,
  },
  {
    name: 'a CA that rejects every nonce',
    spoil: fault('newOrder', { do: 'bad-nonce' }),
    status: 76,
    error: /the CA refused the order of .*: badNonce/,
    hint: null,
    mostRequests: 125,
  },
  {
    name: 'a directory that leads to itself for ever',
    spoil: fault('directory', { do: 'redirect' }),
    status: 69,
    error: /\/directory' makes no sense: status 307, a redirection, is not followed/,
    hint: /no proxy or portal/,
    mostRequests: 1,
  },
  {
    name: 'an order that leads to itself for ever',
    spoil: fault('newOrder', { do: 'redirect' }),
    status: 69,
    error: /\/new-order' makes no sense: status 307, a redirection, is not followed/,
    hint: /no proxy or portal/,
    mostRequests: 3,
  },
  {
    name: 'a directory of 10 MB',
    spoil: fault('directory', { do: 'huge', bytes: 10_000_000 }),
    status: 69,
    error: /\/directory' makes no sense: more than 1 MB/,
    hint: /no proxy or portal/,
    mostRequests: 1,
  },
  {
    name: 'a certificate of 10 MB',
    spoil: fault('certificate', { do: 'huge', bytes: 10_000_000 }),
    status: 69,
    error: /\/certificate\/\d+' makes no sense: more than 1 MB/,
    hint: /no proxy or portal/,
    changed: keptOrder,
    mostRequests: 14,
  },
  {
    name: '100 MB that were compressed',
    spoil: fault('newOrder', { do: 'gzip-bomb', bytes: 100_000_000 }),
    status: 69,
    error: /\/new-order' makes no sense: more than 1 MB/,
    hint: /no proxy or portal/,
    mostRequests: 3,
  },
  ...(['directory', 'newOrder', 'authz', 'challenge', 'order', 'finalize'] as const).map((kind) => ({
    name: `an answer that is called text: ${kind}`,
    ...(kind === 'directory' || kind === 'newOrder' ? {} : { changed: keptOrder }),
    spoil: fault(kind, { do: 'content-type', value: 'text/plain' }),
    status: 69,
    error: /makes no sense: expected JSON, found 'text\/plain'/,
    hint: /no proxy or portal/,
    mostRequests: 14,
  })),
  {
    name: 'a certificate that is called text',
    spoil: fault('certificate', { do: 'content-type', value: 'text/plain' }),
    status: 69,
    error: /expected a PEM certificate chain, found 'text\/plain'/,
    hint: /no proxy or portal/,
    changed: keptOrder,
    mostRequests: 14,
  },
  {
    name: 'an order without its place',
    spoil: fault('newOrder', { do: 'without-headers', names: ['Location'] }),
    status: 69,
    error: /\/new-order' makes no sense: an order without a Location/,
    hint: /no proxy or portal/,
    mostRequests: 3,
  },
  {
    name: 'an order that leads to another machine by plain http',
    spoil: fault('newOrder', { do: 'patch', json: { finalize: 'http://ca.example/finalize' } }),
    status: 69,
    error: /\/new-order' makes no sense: 'finalize' is no https URL/,
    hint: /no proxy or portal/,
    mostRequests: 3,
  },
  {
    name: 'an order that leads to this machine by plain http',
    spoil: fault('newOrder', { do: 'patch', json: { finalize: 'http://127.0.0.1:25/' } }),
    status: 69,
    error: /\/new-order' makes no sense: 'finalize' is no https URL/,
    hint: /no proxy or portal/,
    mostRequests: 3,
  },
]

badInputs('wire', [
  ...endless.map((bad) => ({ args: ['renew', '--now', cert], requests: null, ways: ['executable' as const], ...bad })),
  ...wrong.map((bad) => ({ args: ['renew', '--now', cert], requests: null, ways: ['in-process' as const], ...bad })),
])

test('an order whose answer is lost may be there: it is counted, and left to the next run', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  world.ca.fault('newOrder', { do: 'drop', when: 'after' })
  const { status } = await world.nixacme(['renew', cert])
  assert.equal(status, 69)
  const { orders } = JSON.parse(readFileSync(world.paths().memory, 'utf8'))
  assert.deepEqual([world.ca.stats.orders, orders.length], [1, 1])
})

test('fields and challenges that nobody knows are passed over', async (t) => {
  const world = await makeWorld(t, {
    way: 'in-process',
    ca: { challengeTypes: ['dns-persist-01', 'tee-01', 'http-01'] },
  })
  const more = { futureFlag: true, links: [{ href: 'javascript:alert(1)' }], 'x-\u001b[2J': { deep: [[[1]]] } }
  for (const kind of ['directory', 'newAccount', 'newOrder', 'order', 'authz', 'challenge', 'finalize'] as const)
    world.ca.fault(kind, { do: 'patch', json: more })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.equal(world.ca.stats.orders, 1)
})

test('a certificate that is 404 right after it was issued: downloaded a little later, with one order', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  world.ca.fault('certificate', { do: 'problem', type: 'malformed', status: 404, times: 2 })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.deepEqual([world.ca.stats.orders, world.ca.stats.certificates], [1, 1])
  assert.equal(world.ca.count('certificate'), 3)
})
