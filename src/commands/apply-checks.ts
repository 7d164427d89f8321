// What must hold before apply writes its first byte: what systemd would only find out later, one unit at a time.
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, webrootsOf } from '../config/config.ts'
import { NixacmeError } from '../errors.ts'
import { orAbsent } from '../fs.ts'
import { assertTrustedFile } from '../job/trust.ts'
import { groupId } from '../system-users.ts'
import { filesToRead } from '../systemd/certificate-units.ts'
import type { SystemControl } from '../systemd/control.ts'
import { isHidden } from '../systemd/hardening.ts'
import { isBound, type Program } from '../systemd/service.ts'
import { acmeUser, noSuchGroup } from './owner.ts'

/** Throws `config` (78) for the first thing that would keep the units from working. `control`: the systemd that is asked. */
export async function assertApplicable(
  config: Config,
  program: Program,
  root: string,
  control: SystemControl | undefined,
): Promise<void> {
  assertProgram(program, root)
  for (const cert of config.certs)
    for (const path of [...webrootsOf(cert.challenges), ...filesToRead(cert)]) assertVisible(path)
  if (root === '/') assertSecrets(config)
  if (!control) return
  for (const group of new Set(config.certs.map(({ group }) => group))) await assertGroup(group)
  for (const expression of new Set(config.certs.map(({ renewInterval }) => renewInterval)))
    await assertCalendar(expression, control)
}

/** Units see neither homes nor temporary folders, and what starts them must be there. */
function assertProgram({ command }: Program, root: string): void {
  for (const path of command) {
    const real = orAbsent(() => realpathSync(join(root, path)))
    if (!existsSync(join(root, path)))
      throw new NixacmeError('config', `the units would start '${path}', which is not there in '${root}'`, {
        hints: ['install Node.js and nixacme in the image, at the paths that they have here'],
      })
    const hidden = [path, ...(root === '/' && real !== undefined ? [real] : [])].find(isHidden)
    if (hidden !== undefined)
      throw new NixacmeError('config', `the units cannot start '${hidden}': their sandbox hides homes and /tmp`, {
        hints: ['install Node.js and nixacme for the whole machine, below /usr or /opt, and run that one'],
      })
  }
}

/** Versions of systemd differ in how they read quotes, colons and backslashes in a path that is bound in. */
function assertVisible(path: string): void {
  if (!isBound(path) || !/[:"'\\]/.test(path)) return
  throw new NixacmeError('config', `the units cannot be shown '${path}': it holds one of : " ' \\`, {
    hints: ['name it without them, or move it out of homes and /tmp, for example to /srv'],
  })
}

/**
 * systemd reads these as root: a path that somebody else can bend would show him any file. And what the one of variables
 * sets is in the environment of the hooks, too, which are root's. Those that are not there yet are systemd's to miss.
 */
function assertSecrets({ certs }: Config): void {
  for (const { environmentFile, credentialFiles } of certs) {
    if (environmentFile !== null) assertTrustedFile(environmentFile, 0, 'environmentFile')
    for (const path of Object.values(credentialFiles)) assertTrustedFile(path, 0, 'the credential file')
  }
}

async function assertGroup(group: string): Promise<void> {
  if (group === acmeUser || (await groupId(group)) !== undefined) return
  throw noSuchGroup(group)
}

/** Where systemd-analyze is missing, or knows no expression at all, systemd itself will say it, in the journal. */
async function assertCalendar(expression: string, control: SystemControl): Promise<void> {
  const isKnown = async (e: string) => (await control.ask('systemd-analyze', 'calendar', '--', e)) !== undefined
  if ((await isKnown(expression)) || !(await isKnown('daily'))) return
  throw new NixacmeError('config', `renewInterval '${expression}' is not a calendar expression that systemd knows`, {
    hints: [`try it: systemd-analyze calendar '${expression}'`],
  })
}
