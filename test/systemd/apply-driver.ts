// A process of its own that applies a config to a folder, to be killed: apply-driver ROOT KILL-AT
// Prints `{changes}`, the number of changes of the disk.
import { writeSync } from 'node:fs'
import { main } from '../../src/main.ts'
import { injectKill } from '../renewal/support/faults.ts'
import { fakeHost } from '../support/fake-host.ts'
import { program } from './apply-world.ts'

const [root = '', killAt = ''] = process.argv.slice(2)
const host = Object.assign(fakeHost({ env: { PATH: process.env['PATH'] } }), { self: program })
const faults = injectKill(Number(killAt))
const status = await main(['apply', '--root', root], host)
if (status !== 0) throw new Error(host.said.stderr)
writeSync(1, JSON.stringify({ changes: faults.count }))
