// Preloaded (node --require): ends nixacme with SIGKILL before its n-th synchronous file-system call, reads included,
// that names a path under a folder. The state after call n is the one before call n + 1.
//   KILL_AT  n; 0: never    KILL_UNDER  the folder    KILL_COUNT  file that gets the number of such calls at the end
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { KILL_AT = '0', KILL_UNDER = '', KILL_COUNT } = process.env
const { writeFileSync } = fs
let count = 0

const isWatched = (argument: unknown): boolean =>
  typeof argument === 'string' && (argument.startsWith(KILL_UNDER) || argument.startsWith('/proc/self/fd/'))

for (const [name, call] of Object.entries(fs)) {
  if (typeof call !== 'function' || !name.endsWith('Sync')) continue
  const counted = (...args: unknown[]): unknown => {
    if (args.some(isWatched) && ++count === Number(KILL_AT)) {
      process.kill(process.pid, 'SIGKILL')
      process.abort()
    }
    return Reflect.apply(call, fs, args)
  }
  Object.assign(fs, { [name]: Object.assign(counted, call) })
}
syncBuiltinESMExports()
process.on('exit', () => {
  if (KILL_COUNT) writeFileSync(KILL_COUNT, String(count))
})
