// `nixacme units`: the units and the files beside them as text, written nowhere but where one says. For packages, for a look.
import { join, resolve } from 'node:path'
import { compile } from '../job/compile.ts'
import { writeFile } from '../systemd/changes.ts'
import { SystemControl } from '../systemd/control.ts'
import { systemFiles } from '../systemd/machine.ts'
import type { Program } from '../systemd/service.ts'
import { type Context, loadConfig } from './context.ts'

/** How units start this very program. `root`: the folder that stands for `/` when they do. */
export function programOf({ host, config }: Context, root: string | undefined): Program {
  const script = host.self.at(-1)
  const command = [host.self[0], script].filter((part) => part !== undefined)
  const within = (path: string) =>
    root !== undefined && path.startsWith(`${resolve(root)}/`) ? path.slice(resolve(root).length) : path
  return { command: command.map(within), config: config.explicit ? within(config.path) : undefined }
}

/** Prints the files one after the other, each under its path; or writes them below `out`. Throws as reading the config does. */
export async function units(out: string | undefined, context: Context): Promise<number> {
  const { host, log } = context
  const config = await loadConfig(context)
  const systemdVersion = await new SystemControl(host).version()
  const files = systemFiles(config, compile(config), { program: programOf(context, undefined), systemdVersion })
  if (out === undefined) {
    host.stdout.write(files.map(({ path, text }) => `# ${path}\n${text}`).join('\n'))
    return 0
  }
  for (const { path, text } of files) writeFile(join(resolve(out), path), text)
  log.notice(`wrote ${files.length} files below '${resolve(out)}'`)
  return 0
}
