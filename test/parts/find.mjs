// Which of the real parts of parts.json this machine has: the tests and their set-up ask here.
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Name of a part → `{command | file, install}`: what is looked for, and the command line that gets it. */
export const parts = JSON.parse(readFileSync(new URL('parts.json', import.meta.url), 'utf8'))

/** Where commands are looked for: $PATH, and the folders of root's commands, which other users' $PATH lacks. */
export const folders = [...(process.env.PATH ?? '').split(':').filter(Boolean), '/usr/local/sbin', '/usr/sbin', '/sbin']

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** True when the part can be used. */
export function isThere(part) {
  const { command, file } = parts[part]
  return file ? isExecutable(join(root, file)) : folders.some((folder) => isExecutable(join(folder, command)))
}
