// The table of DESIGN §6 once more, as rows in order, of which the first that fits is the answer: written from the table
// and not from the code, so that the two can be held against each other. Also all the cases that the rows tell apart.
import {
  type Circumstances,
  type Decision,
  decide,
  type Hold,
  type Policy,
  postpone,
} from '../../../src/renewal/decision.ts'
import { emptyMemory } from '../../../src/renewal/memory.ts'
import type { StoredState } from '../../../src/renewal/state.ts'

export const second = 1000
export const day = 86_400 * second

export interface Case {
  readonly candidate: 'missing' | 'unusable' | 'usable'
  readonly account: StoredState['account']
  readonly hash: 'equal' | 'differs' | 'absent'
  readonly names: 'same' | 'reordered' | 'added' | 'removed' | 'both'
  readonly clock: 'before build' | 'before notBefore' | 'not due' | 'due' | 'expired'
  readonly retryAt: 'none' | 'past' | 'now' | 'future'
  readonly atOnce: boolean
}

const values: { readonly [K in keyof Case]: readonly Case[K][] } = {
  candidate: ['missing', 'unusable', 'usable'],
  account: ['registered', 'key', 'missing'],
  hash: ['equal', 'differs', 'absent'],
  names: ['same', 'reordered', 'added', 'removed', 'both'],
  clock: ['before build', 'before notBefore', 'not due', 'due', 'expired'],
  retryAt: ['none', 'past', 'now', 'future'],
  atOnce: [false, true],
}

/** Every combination of what the table tells apart. */
export function* allCases(): Generator<Case> {
  const keys = Object.keys(values) as (keyof Case)[]
  const total = keys.reduce((product, key) => product * values[key].length, 1)
  for (let i = 0; i < total; i++) {
    let rest = i
    const chosen = keys.map((key) => {
      const of = values[key]
      const value = of[rest % of.length]
      rest = Math.floor(rest / of.length)
      return [key, value]
    })
    yield Object.fromEntries(chosen) as Case
  }
}

interface Row {
  readonly row: string
  readonly fits: (c: Case) => boolean
  readonly kind: Exclude<Decision['kind'], 'wait'>
}

/** DESIGN §6 and the paragraph below it. */
export const table: readonly Row[] = [
  { row: 'key or certificate missing or unusable', fits: (c) => c.candidate !== 'usable', kind: 'run' },
  { row: 'no usable account', fits: (c) => c.account !== 'registered', kind: 'run' },
  { row: 'a wanted name is not in it', fits: (c) => c.names === 'added' || c.names === 'both', kind: 'force-renew' },
  {
    row: 'hash differs and it holds an unwanted name',
    fits: (c) => c.hash !== 'equal' && c.names === 'removed',
    kind: 'force-renew',
  },
  { row: '--now: dates do not count', fits: (c) => c.atOnce, kind: 'renew' },
  { row: 'the clock is distrusted', fits: (c) => c.clock.startsWith('before'), kind: 'skip' },
  { row: 'due', fits: (c) => c.clock === 'due' || c.clock === 'expired', kind: 'renew' },
  { row: 'not due', fits: () => true, kind: 'skip' },
]

/** The first row that fits. */
export function rowOf(c: Case): Row {
  const row = table.find(({ fits }) => fits(c))
  if (!row) throw new Error('the last row fits always')
  return row
}

/** What is to be done by the table: the row's action, or `wait` while the failure memory forbids any but skip. */
export function expectedKind(c: Case): Decision['kind'] {
  const { kind } = rowOf(c)
  return kind !== 'skip' && c.retryAt === 'future' && !c.atOnce ? 'wait' : kind
}

const builtAt = new Date('2026-01-01T00:00:00Z')
/** After the build, 90 days long. */
const notBefore = new Date('2026-06-01T00:00:00Z')
export const notAfter = new Date(notBefore.getTime() + 90 * day)
const validMinDays = 30

/** 31 days before the end, give or take: the first instant with fewer than 31 whole days left. */
export const firstDue = new Date(notAfter.getTime() - 31 * day + second)

const clocks: Record<Case['clock'], Date> = {
  'before build': new Date(builtAt.getTime() - 1),
  'before notBefore': new Date(notBefore.getTime() - 1),
  'not due': new Date(firstDue.getTime() - 1),
  due: firstDue,
  expired: new Date(notAfter.getTime() + day),
}

const held = ['a.test', 'b.test']
const wanted: Record<Case['names'], readonly string[]> = {
  same: ['a.test', 'b.test'],
  reordered: ['b.test', 'a.test'],
  added: ['a.test', 'b.test', 'c.test'],
  removed: ['a.test'],
  both: ['a.test', 'c.test'],
}

interface At extends Circumstances {
  readonly heldBack?: Hold | undefined
}

/** The whole table: what is wanted, and whether it waits. */
export function decideAll(state: StoredState, policy: Policy, { heldBack, ...at }: At): Decision {
  const decision = decide(state, policy, at)
  return decision.kind === 'skip' ? decision : postpone(decision, at, heldBack)
}

/** The arguments of `decideAll` for a case. */
export function inputsOf(c: Case): { state: StoredState; policy: Policy; at: At } {
  const now = clocks[c.clock]
  const candidate: StoredState['candidate'] =
    c.candidate === 'missing'
      ? { kind: 'missing', what: 'certificate' }
      : c.candidate === 'unusable'
        ? { kind: 'unusable', reason: 'the certificate is damaged or cut short' }
        : {
            kind: 'usable',
            facts: { notBefore, notAfter, names: held },
            set: { key: '', chain: [], fullchain: '', issuers: '' },
          }
  const offset = { none: 0, past: -1, now: 0, future: 1 }[c.retryAt]
  return {
    state: {
      candidate,
      account: c.account,
      domainHash: { equal: 'hash', differs: 'other', absent: undefined }[c.hash],
      memory: emptyMemory,
    },
    policy: { names: wanted[c.names], domainHash: 'hash', validMinDays },
    at: {
      now,
      builtAt,
      atOnce: c.atOnce,
      heldBack: c.retryAt === 'none' ? undefined : { until: new Date(now.getTime() + offset), why: 'failed' },
    },
  }
}
