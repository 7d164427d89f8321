// What is read of a request of the operator's own, by whom it is read.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { prepareKey } from '../../src/acme/key-source.ts'
import { nobody } from '../support/other-user.ts'
import { bench, failureOf } from './request.ts'

/** As a user whom modes hold back, as far as the action goes without waiting. */
function asSomebodyElse<T>(action: () => T): T {
  if (process.geteuid?.() !== 0) return action()
  process.seteuid?.(nobody.uid)
  try {
    return action()
  } finally {
    process.seteuid?.(0)
  }
}

test('a file that may not be read: 77, naming path and option, and who must', async (t) => {
  const { dir, req } = bench(t, 'https://ca.example/dir')
  const [request, key] = [join(dir, 'own.csr'), join(dir, 'own.key')]
  chmodSync(dir, 0o755)
  writeFileSync(request, '')
  writeFileSync(key, '')
  for (const [secret, option] of [
    [key, 'csrKey'],
    [request, 'csr'],
  ] as const) {
    chmodSync(secret, 0)
    const e = await failureOf(asSomebodyElse(() => prepareKey({ ...req, key: { kind: 'request', request, key } })))
    assert.equal(e.exitStatus, 77)
    assert.equal(e.message, `cannot read '${secret}' of option '${option}': permission denied`)
    assert.match(e.hints.join(), /as a rule 'acme', must be able to read it/)
  }
})
