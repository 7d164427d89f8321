// What apply asks of the machine before it writes: groups, and calendar expressions, of systemd's own program.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { assertApplicable } from '../../src/commands/apply-checks.ts'
import type { CertConfig } from '../../src/config/config.ts'
import { SystemControl } from '../../src/systemd/control.ts'
import { certConfig, config } from '../job/support.ts'
import { needs } from '../support/needs.ts'
import { temporaryDir } from '../support/process.ts'

const program = { command: ['/usr/bin/env'], config: undefined }

const check = (cert: Partial<CertConfig>, path = process.env['PATH']): Promise<void> => {
  const control = new SystemControl({ env: { PATH: path }, interrupted: new AbortController().signal })
  const certs = [certConfig({ name: 'example.com', group: 'acme', ...cert })]
  return assertApplicable(config(certs), program, '/', control)
}

test('a calendar expression that systemd knows', async (t) => {
  if (!needs(t, 'systemd')) return
  await check({ renewInterval: 'Mon..Fri *-*-* 04:00' })
})

test('one that it does not know: 78', async (t) => {
  if (!needs(t, 'systemd')) return
  await assert.rejects(check({ renewInterval: 'Mon..Foo' }), {
    kind: 'config',
    message: "renewInterval 'Mon..Foo' is not a calendar expression that systemd knows",
  })
})

test('without systemd-analyze it is left to systemd', async (t: TestContext) => {
  await check({ renewInterval: 'Mon..Foo' }, temporaryDir(t))
})

test('a group that does not exist: 78; that of user acme is made with him', async () => {
  await assert.rejects(check({ group: 'no-such-group' }), {
    kind: 'config',
    message: "the group 'no-such-group' does not exist",
  })
  await check({ group: 'acme' })
})
