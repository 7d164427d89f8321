// The syntax of EnvironmentFile=: what systemd makes of each text is in the manual of systemd.exec(5); the same table is
// held against a real systemd in test/boot.
import assert from 'node:assert/strict'
import test from 'node:test'
import { parseEnvironmentFile } from '../../src/job/environment-file.ts'
import { environmentFileCases } from './environment-file-cases.ts'

for (const [name, text, wanted] of environmentFileCases)
  test(name, () => assert.deepEqual(parseEnvironmentFile(text), wanted))

test('whatever the bytes, it ends and gives only names that an environment can have', () => {
  let seed = 1
  const alphabet = 'A=b"\'\\\n #;$\t\r`é'
  for (let round = 0; round < 5000; round++) {
    let text = ''
    for (let i = 0; i < 30; i++) {
      seed = (seed * 48_271) % 2_147_483_647
      text += alphabet[seed % alphabet.length]
    }
    for (const key of Object.keys(parseEnvironmentFile(text))) assert.match(key, /^[A-Za-z_][A-Za-z0-9_]*$/)
  }
})

test('a value that a shell or systemd would quote comes back as it was', () => {
  for (const value of ['plain', 'with blanks ', ' # no comment', 'a"b\'c', 'tail\\', 'two\nlines', '$HOME `x`', '']) {
    const quoted = value.replace(/["\\`$]/g, '\\$&')
    assert.deepEqual(parseEnvironmentFile(`X="${quoted}"\n`), { X: value })
  }
})
