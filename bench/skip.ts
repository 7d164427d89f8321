// The daily "nothing to do" of one certificate, as the unit calls it: against Node starting for nothing, and against what
// the NixOS unit runs in bash on the same state.
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathsOf } from '../src/job/job.ts'
import { repository } from '../test/support/process.ts'
import { type Fleet, makeFleet } from './fleet.ts'
import { type Command, inTurns, type Times } from './measure.ts'
import type { Installation } from './nodes.ts'
import { fixed, type Line, ms } from './table.ts'

const againstNode = 1.25
/** seed-skip.sh is the mark from this version on: older ones take longer to start than bash to finish. */
const firstQuick = 22

/** The same state in the layout of the unit's work directory. */
function seedCommand({ dir, roots, jobs }: Fleet): Command {
  const work = join(dir, 'seed')
  const [job] = jobs
  if (!job) throw new Error('the fleet is empty')
  const { accounts, certificates, out } = pathsOf(roots, job)
  mkdirSync(work)
  symlinkSync(accounts, join(work, 'accounts'))
  cpSync(certificates, join(work, 'certificates'), { recursive: true })
  cpSync(out, join(work, 'out'), { recursive: true, dereference: true })
  const group = String(process.getegid?.() ?? 0)
  const args = [work, job.domain, group, join(dir, 'seed.lock'), '30', job.domainHash]
  return { file: join(repository, 'bench', 'seed-skip.sh'), args, env: { PATH: process.env['PATH'] ?? '' } }
}

export async function measureSkip(
  installations: readonly Installation[],
  scratch: string,
  rounds: number,
): Promise<Line[]> {
  const fleet = await makeFleet(join(scratch, 'skip'), { count: 1, stored: true, slots: 5 })
  const { env, jobs } = fleet
  const seed = seedCommand(fleet)
  return installations.flatMap(({ version, node, cli }) => {
    const bare = { file: node, args: ['-e', '0'], env }
    const uncached = { file: node, args: [cli, 'renew', jobs[0]?.cert ?? ''], env }
    // As in a unit with CacheDirectory=.
    const cache = join(fleet.dir, `cache-${version}`)
    mkdirSync(cache, { mode: 0o700 })
    const nixacme = { ...uncached, env: { ...env, CACHE_DIRECTORY: cache } }
    const times = inTurns({ bare, nixacme, uncached, seed }, rounds)
    const toNode = compare(`nothing due, one certificate, against bare node ${version}`, times.nixacme, times.bare)
    const without = compare('the same without a cache of compiled code', times.uncached, times.bare)
    const toSeed = compare(
      `nothing due, one certificate, Node ${version}, against seed-skip.sh`,
      times.nixacme,
      times.seed,
    )
    const isMark = Number.parseInt(version.slice(1), 10) >= firstQuick
    return [
      { ...toNode.line, target: `at most ${againstNode}`, isMet: toNode.ratio <= againstNode },
      without.line,
      { ...toSeed.line, ...(isMark && { target: 'below 1', isMet: toSeed.ratio < 1 }) },
    ]
  })
}

function compare(what: string, ours: Times, theirs: Times): { ratio: number; line: Line } {
  const ratio = ours.median / theirs.median
  const fastest = fixed(ours.fastest / theirs.fastest, 2)
  const note = `median ${ms(ours.median)} to ${ms(theirs.median)}; fastest ${ms(ours.fastest)} to ${ms(theirs.fastest)}, ratio ${fastest}`
  return { ratio, line: { what, found: `${fixed(ratio, 2)} times`, note } }
}
