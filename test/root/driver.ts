// A program for tests: one command over and over, in one process, so that a race gets as many tries as there is time for.
// Arguments: command, milliseconds (0: once), config, state, runtime, jobs. Prints how often it ran; says what it has to say.
import type { Context } from '../../src/commands/context.ts'
import { fixPermissions } from '../../src/commands/fix-permissions.ts'
import { lockFiles } from '../../src/commands/lock-files.ts'
import { tell } from '../../src/commands/post-run.ts'
import { NixacmeError } from '../../src/errors.ts'
import { systemHost } from '../../src/host.ts'
import { readJob } from '../../src/job/job.ts'
import { readManifest } from '../../src/job/manifest.ts'
import { logError, plainLog } from '../../src/log.ts'

const commands = {
  'fix-permissions': fixPermissions,
  'lock-files': lockFiles,
  async 'post-run'(context: Context) {
    for (const cert of readManifest(context.roots) ?? []) {
      const job = readJob(context.roots, cert)
      if (job) await tell(job, context)
    }
    return 0
  },
}

const [, , command = '', milliseconds, config = '', state = '', runtime = '', jobs = ''] = process.argv
const host = systemHost()
const log = plainLog(host)
const context: Context = {
  host,
  log,
  quiet: false,
  roots: { state, runtime, jobs },
  config: { path: config, explicit: false },
}
const end = performance.now() + Number(milliseconds)
let runs = 0
do {
  runs++
  try {
    process.exitCode = await commands[command as keyof typeof commands](context)
  } catch (e) {
    if (!(e instanceof NixacmeError)) throw e
    logError(log, e)
    process.exitCode = e.exitStatus
  }
} while (performance.now() < end)
host.stdout.write(`${runs}\n`)
