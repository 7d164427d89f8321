// A process of its own that gives an account a new key, to be killed: rollover-driver DIR DIRECTORY-URL KILL-AT
// Prints `{changes}`, the number of changes of the disk.
import { readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { rollOverKey } from '../../src/acme/account-work.ts'
import { injectKill } from '../renewal/support/faults.ts'
import { accountWorkIn } from './account-bench.ts'

const [dir = '', directoryUrl = '', killAt = ''] = process.argv.slice(2)
const { work } = accountWorkIn(dir, { directoryUrl, rootPem: readFileSync(join(dir, 'root.pem'), 'utf8') })
const faults = injectKill(Number(killAt))
await rollOverKey(work)
writeSync(1, JSON.stringify({ changes: faults.count }))
