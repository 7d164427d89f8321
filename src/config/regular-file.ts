// Reads files that an admin names: never waits for a pipe or a device, and has a limit.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { hasCode, systemWord } from '../errors.ts'
import type { Findings, Place } from './faults.ts'

const mebibyte = 1024 * 1024
const limit = 64 * mebibyte

/** The bytes of a regular file; undefined, and a fault at `place` whose sentence starts with `what`, when that fails. */
export function readRegular(path: string, place: Place, what: string, findings: Findings): Buffer | undefined {
  try {
    // A FIFO would block the opening itself.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const status = fstatSync(fd)
      if (status.isFile() && status.size <= limit) return readFileSync(fd)
      const why = status.isFile() ? `has more than ${limit / mebibyte} MiB` : 'is not a regular file'
      findings.fault(place, `${what} ${why}`)
      return undefined
    } finally {
      closeSync(fd)
    }
  } catch (e) {
    const message = `${what} cannot be read: ${systemWord(e)}`
    if (hasCode(e, 'EACCES', 'EPERM')) findings.denied(place, message, 'run as root, or give this user access to it')
    else findings.fault(place, message)
    return undefined
  }
}
