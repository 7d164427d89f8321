// `renew --all`, as the cron line calls it, with nothing due: what one certificate more costs.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeFleet } from './fleet.ts'
import { median, wall } from './measure.ts'
import { current } from './nodes.ts'
import { fixed, type Line, ms, seconds } from './table.ts'

/** Milliseconds a certificate, over the fixed cost, at the largest size. */
const target = 1

async function timeOf(count: number, dir: string, rounds: number): Promise<number> {
  try {
    const { env } = await makeFleet(dir, { count, stored: true, slots: 5 })
    const command = { file: current.node, args: [current.cli, '--quiet', 'renew', '--all'], env }
    wall(command)
    return median(Array.from({ length: rounds }, () => wall(command)))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** `sizes`: from small to large; the first is the fixed cost's. */
export async function measureAll(sizes: readonly number[], scratch: string, rounds: number): Promise<Line[]> {
  const lines: Line[] = []
  let first: { count: number; time: number } | undefined
  for (const count of sizes) {
    const time = await timeOf(count, join(scratch, `all-${count}`), rounds)
    const what = `renew --all, nothing due, ${count} certificates`
    if (!first) {
      first = { count, time }
      lines.push({ what, found: ms(time), note: `Node ${current.version}, median of ${rounds}: the fixed cost` })
      continue
    }
    const each = (time - first.time) / (count - first.count)
    const note = `${seconds(time)} in all, over the ${ms(first.time)} of ${first.count}`
    const isLast = count === sizes.at(-1)
    lines.push({
      what,
      found: `${fixed(each, 2)} ms each`,
      ...(isLast && { target: `at most ${target} ms each`, isMet: each <= target }),
      note,
    })
  }
  return lines
}
