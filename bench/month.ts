// Months in a minute: `renew` as it is with a clock of its own, through outages, kills and crash loops. What it asked for, and
// whether a CA's limit was exceeded or a certificate lost. The CA half is modelled: requests are a constant for each order.
import { day, hour, liveThrough, type Month, randomSpells } from '../test/renewal/support/month.ts'
import type { Line } from './table.ts'

const lifetimes = { '90 d': 90 * day, '45 d': 45 * day, '160 h': 160 * hour }

const sum = (months: readonly Month[], key: 'starts' | 'requests' | 'orders' | 'issued'): number =>
  months.reduce((total, month) => total + month[key], 0)

/** `count` months of each lifetime, half of their days bad, a fifth of the runs with work killed, a crash loop in each. */
export async function measureMonth(count: number, starts: number): Promise<Line[]> {
  const lines: Line[] = []
  for (const [name, lifetime] of Object.entries(lifetimes)) {
    const months: Month[] = []
    for (let seed = 1; seed <= count; seed++) {
      const days = Math.max(30, lifetime / day)
      const crashLoop = { at: (days * day * seed) / (count + 1), starts }
      const spells = randomSpells(seed, days)
      months.push(await liveThrough({ after() {} }, { seed, lifetime, days, spells, kills: 0.2, crashLoop }))
    }
    const beyond = months.flatMap((month) => [...month.beyondLimits, ...month.lost])
    lines.push({
      what: `${count} simulated lives (CA half modelled), certificates of ${name}: limits exceeded, certificates lost`,
      found: String(beyond.length),
      target: '0',
      isMet: beyond.length === 0,
      note: `${sum(months, 'starts')} starts, ${sum(months, 'requests')} requests, ${sum(months, 'orders')} orders, ${sum(months, 'issued')} issued`,
    })
  }
  return lines
}
