// Loaded before nixacme (node --require): ends it with SIGKILL before its n-th change of the disk.
//   KILL_AT  n; 0: never    KILL_COUNT  file that gets the number of changes at the end
import { writeFileSync } from 'node:fs'
import { injectKill } from './faults.ts'

const { KILL_AT = '0', KILL_COUNT } = process.env
const write = writeFileSync
const faults = injectKill(Number(KILL_AT))

process.on('exit', () => {
  if (KILL_COUNT) write(KILL_COUNT, String(faults.count))
})
