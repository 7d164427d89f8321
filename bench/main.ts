// Runs what bench/run promises, one part after the other, and prints the table.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isThere, parts } from '../test/parts/find.mjs'
import { measureAll } from './all.ts'
import { measureDns } from './dns.ts'
import { measureIssuance } from './issuance.ts'
import { measureMonth } from './month.ts'
import { current, type Installation, installationFor } from './nodes.ts'
import { measureSkip } from './skip.ts'
import { measureStorm } from './storm.ts'
import { type Line, render } from './table.ts'
import { measureWaiting } from './waiting.ts'
import { measureYear } from './year.ts'

const allParts = ['skip', 'waiting', 'all', 'issuance', 'dns', 'storm', 'month', 'year']
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, nodes: { type: 'string' } },
})
const unknown = positionals.find((part) => !allParts.includes(part))
if (unknown !== undefined) throw new Error(`there is no part '${unknown}', only: ${allParts.join(', ')}`)
const wanted = positionals.length > 0 ? positionals : allParts

const major = Number.parseInt(process.versions.node, 10)
const majors = values.nodes?.split(',').map(Number) ?? [...new Set([major, 22])]
const size = values.quick
  ? {
      skip: 6,
      waiting: 2,
      crowd: 10,
      all: 2,
      sizes: [10, 1000],
      issuance: 1,
      dns: 1,
      storm: 20,
      months: 1,
      starts: 1000,
      year: 50,
    }
  : {
      skip: 20,
      waiting: 5,
      crowd: 50,
      all: 3,
      sizes: [10, 1000, 10_000],
      issuance: 3,
      dns: 3,
      storm: 200,
      months: 5,
      starts: 10_000,
      year: 1000,
    }

const scratch = mkdtempSync(join(tmpdir(), 'nixacme-bench-'))
// What the parts make for themselves, Pebble's folder for one, goes with it.
process.env['TMPDIR'] = scratch
// Each child that is started listens for it, too.
process.setMaxListeners(0)
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
for (const [name, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) // prettier-ignore
  process.on(name, () => process.exit(128 + number))

function installations(lines: Line[]): Installation[] {
  return majors.flatMap((wantedMajor) => {
    try {
      return [installationFor(wantedMajor, scratch)]
    } catch (e) {
      const note = e instanceof Error ? e.message : String(e)
      lines.push({ what: `Node ${wantedMajor}`, found: 'not measured', note })
      return []
    }
  })
}

const measures: Readonly<Record<string, () => Promise<Line[]>>> = {
  async skip() {
    const lines: Line[] = []
    return [...(await measureSkip(installations(lines), scratch, size.skip)), ...lines]
  },
  month: () => measureMonth(size.months, size.starts),
  year: async () => measureYear(size.year),
  waiting: () => measureWaiting(scratch, size.waiting, size.crowd),
  all: () => measureAll(size.sizes, scratch, size.all),
  async issuance() {
    if (isThere('pebble')) return measureIssuance(scratch, size.issuance)
    return [{ what: 'a certificate from Pebble', found: 'not measured', note: `run ${parts.pebble.install}` }]
  },
  async dns() {
    const all = (['pebble', 'knot', 'lego'] as const)
      .filter((part) => !isThere(part))
      .map((part) => parts[part].install)
    if (all.length === 0 && process.geteuid?.() === 0) return measureDns(scratch, size.dns)
    return [{ what: 'many names by DNS-01', found: 'not measured', note: ['needs root', ...all].join(', and ') }]
  },
  async storm() {
    if (isThere('pebble') && process.geteuid?.() === 0) return measureStorm(scratch, size.storm)
    return [{ what: 'a boot storm', found: 'not measured', note: `needs root, and ${parts.pebble.install}` }]
  },
}

const lines: Line[] = []
for (const part of wanted) {
  process.stderr.write(`bench: measuring: ${part}\n`)
  try {
    lines.push(...((await measures[part]?.()) ?? []))
  } catch (e) {
    lines.push({ what: part, found: 'failed', note: e instanceof Error ? e.message : String(e) })
    process.exitCode = 1
  }
}
const processors = cpus()
process.stdout.write(
  `${processors.length} cores (${processors[0]?.model ?? 'unknown'}), Node ${current.version}, ` +
    `${values.quick ? 'quick, ' : ''}all from one run\n\n${render(lines)}`,
)
