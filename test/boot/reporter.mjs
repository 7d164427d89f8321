// A reporter for node:test inside a booted machine: one JSON line for each test that has ended, `{file, name, seconds,
// skipped?, failure?}`. A failure brings the journal of its time along, since the machine is gone when somebody reads it.
import { spawnSync } from 'node:child_process'
import { basename } from 'node:path'
import { inspect } from 'node:util'

const isParent = (error) => error?.failureType === 'subtestsFailed'

/** The journal of the last seconds; empty where no systemd runs. */
function journal(seconds) {
  const since = `@${Math.floor(Date.now() / 1000 - seconds - 1)}`
  const options = ['--boot', '--quiet', '--no-pager', '--output=short-precise', '--lines=150', `--since=${since}`]
  return spawnSync('journalctl', options, { encoding: 'utf8', timeout: 20_000 }).stdout ?? ''
}

function failureOf({ details }, seconds) {
  const { error } = details
  return `${inspect(error.cause ?? error)}\n\njournal:\n${journal(seconds)}`
}

export default async function* reporter(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (type === 'test:fail' && isParent(data.details.error)) continue
    const seconds = data.details.duration_ms / 1000
    const skipped = data.skip === true ? 'no reason given' : data.skip
    const failure = type === 'test:fail' ? failureOf(data, seconds) : undefined
    yield `${JSON.stringify({ file: basename(data.file ?? ''), name: data.name, seconds, skipped, failure })}\n`
  }
}
