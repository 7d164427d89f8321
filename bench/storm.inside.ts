// The inner half of storm.ts, inside a booted machine: starts all renewals at once, due and not due, and prints what it
// took as one line of JSON.
import { readdirSync, readFileSync } from 'node:fs'
import { apply, configure, ok, unitsIn, untilIdle } from '../test/boot/machine.ts'
import { caDefaults, configureNginx, mostOrdersAtOnce, prepareCa, startCa } from '../test/boot/services.ts'
import type { Storm } from './storm.ts'

const count = Number(process.argv[2])
const slots = Number(process.argv[3])
const certs = Array.from({ length: count }, (_, i) => `s${i + 1}.example`)
const services = certs.map((cert) => `acme-${cert}.service`)

/** Milliseconds between two looks at the memory. */
const interval = 200

/** Bytes of all processes of the renewals, shared pages counted once; and how many there are. */
function look(): { memory: number; processes: number } {
  const sizes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes('/acme.slice/')) return []
        const [, pss = '0'] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
        return [Number(pss) * 1024]
      } catch {
        return []
      }
    })
  return { memory: sizes.reduce((sum, size) => sum + size, 0), processes: sizes.length }
}

/** Runs `work` and looks meanwhile. */
async function measured(work: () => Promise<unknown>): Promise<Storm['due']> {
  const most = { memory: 0, processes: 0 }
  const timer = setInterval(() => {
    const now = look()
    most.memory = Math.max(most.memory, now.memory)
    most.processes = Math.max(most.processes, now.processes)
  }, interval)
  const begin = performance.now()
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  const failed = await unitsIn('failed', 'acme-*')
  return { wall: performance.now() - begin, ...most, failed: failed.length }
}

await prepareCa({ env: { PEBBLE_VA_ALWAYS_VALID: '1' } })
await startCa()
configureNginx([])
configure({
  global: { maxConcurrentRenewals: slots },
  defaults: caDefaults,
  certs: Object.fromEntries(certs.map((cert) => [cert, {}])),
})
const due = await measured(async () => {
  await apply()
  await untilIdle('acme-*', 600)
})
const overlap = await mostOrdersAtOnce()
const notDue = await measured(() => ok('systemctl', 'start', ...services))
process.stdout.write(`${JSON.stringify({ due, notDue, overlap } satisfies Storm)}\n`)
