// The README's quick start, word for word: its files are written where it says, its commands run as they stand. Only the
// CA is another one, by a drop-in.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import test from 'node:test'
import { repository, run } from '../support/process.ts'
import { caDirectory, caRoot, prepareCa, startCa } from './services.ts'

interface Block {
  readonly language: string
  readonly text: string
  /** The last path named before it. */
  readonly path: string
}

/** The fenced blocks of a section, in order. */
function blocksOf(section: string): Block[] {
  const fence = /```(\w+)\n([\s\S]*?)```/g
  return [...section.matchAll(fence)].map(({ 1: language = '', 2: text = '', index }) => {
    const paths = [...section.slice(0, index).matchAll(/`(\/etc\/[^`]+)`/g)]
    return { language, text, path: paths.at(-1)?.[1] ?? '' }
  })
}

/** Lines with a prompt; what follows `#` later on is a comment to the shell too. */
const commandsOf = (text: string): string[] => text.split('\n').flatMap((line) => /^[#$] (.*)/.exec(line)?.[1] ?? [])

const clone = '/root/clone'

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** What a clone has: no more than git knows of. */
function makeClone(): void {
  const without = ['node_modules', 'dist', '.parts', '.git']
  cpSync(repository, clone, { recursive: true, filter: (path) => !without.includes(relative(repository, path)) })
}

test("the README's quick start", async (t) => {
  await prepareCa()
  await startCa()
  const [, section = ''] = /\n## Quick start\n([\s\S]*?)\n## /.exec(
    readFileSync(join(repository, 'README.md'), 'utf8'),
  ) ?? ['']
  write('/etc/nixacme/config.d/ca.toml', `[defaults]\nserver = "${caDirectory}"\ncaCertificates = ["${caRoot}"]\n`)
  makeClone()
  const blocks = blocksOf(section)
  assert.deepEqual([...new Set(blocks.map(({ language }) => language))].sort(), ['console', 'nginx', 'toml'])
  // Nobody is reached from in here: npm takes what it has.
  const env = { ...process.env, HOME: '/root', npm_config_offline: 'true' }
  let last = ''
  for (const { language, text, path } of blocks)
    await t.test(language === 'console' ? commandsOf(text).join('; ') : path, async () => {
      if (language !== 'console') return write(path, text)
      for (const command of commandsOf(text)) {
        const { status, stdout, stderr } = await run('bash', ['-c', command], { cwd: clone, env, timeoutMs: 180_000 })
        assert.equal(status, 0, `${command}: status ${status}\n${stdout}${stderr}`)
        last += stdout
      }
    })

  await t.test('what it has shown: the certificate of the CA, and the timer', () => {
    assert.match(last, /subject=.*\nissuer=CN = Pebble Intermediate/)
    assert.match(last, /acme-example\.com\.timer/)
  })
})
