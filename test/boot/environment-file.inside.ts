// What systemd itself makes of the texts that our own reader of variable files is tested with.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { environmentFileCases } from '../job/environment-file-cases.ts'
import { ok, writeUnit } from './machine.ts'

test('variable files', async () => {
  const unit = (i: number) => `variables-${i}.service`
  for (const [i, [, text]] of environmentFileCases.entries()) {
    writeFileSync(`/run/variables-${i}`, text)
    const service = ['Type=oneshot', `EnvironmentFile=/run/variables-${i}`, 'ExecStart=/usr/bin/env -0']
    await writeUnit(unit(i), `[Service]\n${service.join('\n')}\nStandardOutput=truncate:/run/seen-${i}\n`)
  }
  await ok('systemctl', 'start', ...environmentFileCases.map((_, i) => unit(i)))
  for (const [i, [name, , wanted]] of environmentFileCases.entries()) {
    const seen = readFileSync(`/run/seen-${i}`, 'utf8').split('\0')
    const pairs = seen.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const)
    // systemd's own variables have more letters.
    assert.deepEqual(Object.fromEntries(pairs.filter(([key]) => key.length === 1)), wanted, name)
  }
})
