// A year of a thousand certificates in seconds: how many renewals come while the window is open that their CA has suggested
// (RFC 9773), which is when an order is free of its limits; and what it costs in questions. The rules are the real ones; the CA
// is modelled: its windows never move, and no renewal fails.
import { day, hour } from '../test/renewal/support/month.ts'
import { liveYear } from '../test/renewal/support/year.ts'
import { fixed, type Line } from './table.ts'

const lifetimes = { '90 d': 90 * day, '45 d': 45 * day, '160 h': 160 * hour }

/** One year for each lifetime; one question of a hundred gets no answer. */
export const measureYear = (certificates: number): Line[] =>
  Object.entries(lifetimes).map(([name, lifetime], i) => {
    const options = { seed: i + 1, certificates, lifetime, days: 365, faults: 0.01, slots: 5 }
    const { renewals, inside, questions, lost } = liveYear(options)
    return {
      what: `a year of ${certificates} certificates of ${name}: renewed inside the CA's window (CA modelled: windows stay, renewals go well)`,
      found: `${fixed((100 * inside) / renewals, 2)} %`,
      target: '100 %',
      isMet: inside === renewals && lost === 0,
      note: `${inside} of ${renewals} renewals, ${fixed(questions / certificates / 365, 1)} questions a day for each, ${lost} lost`,
    }
  })
