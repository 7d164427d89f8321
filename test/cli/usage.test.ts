// Wrong use of the command line: 64, what is wrong, and where help is; nothing is looked at before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cert, makeWorld } from '../support/world.ts'
import { type BadInput, badInputs } from './bad-input.ts'

const help = /nixacme --help/

const cases: readonly Pick<BadInput, 'name' | 'args' | 'error' | 'hint' | 'host'>[] = [
  { name: 'no command', args: [], error: /^no command given$/, hint: help },
  { name: 'an unknown command', args: ['renwe', cert], error: /unknown command 'renwe'.*renew/, hint: help },
  { name: 'an unknown option', args: ['renew', '--nwo', cert], error: /unknown option '--nwo'.*--now/, hint: help },
  { name: 'an unknown option before the command', args: ['--frobnicate', 'plan'], error: /'--frobnicate'/, hint: help },
  {
    name: 'names and --all',
    args: ['renew', '--all', cert],
    error: /^name certificates or give --all, not both$/,
    hint: help,
  },
  { name: 'neither name nor --all', args: ['renew'], error: /^name a certificate, or give --all$/, hint: help },
  {
    name: 'a duration that is none',
    args: ['renew', '--wait', 'soon', cert],
    error: /'soon' is invalid.*'15m'/,
    hint: help,
  },
  { name: 'a duration that is missing', args: ['renew', cert, '--wait'], error: /--wait/, hint: help },
  { name: 'an argument too many', args: ['check', cert], error: /too many arguments/, hint: help },
  { name: 'post-run without a name', args: ['post-run'], error: /missing required argument 'cert'/, hint: help },
  {
    name: 'an unknown certificate',
    args: ['renew', 'exmaple.com'],
    error: /^there is no certificate 'exmaple\.com' in the config '.*config\.toml'$/,
    hint: /^known: 'example\.com'$/,
  },
  {
    name: 'an unknown certificate beside a known one',
    args: ['plan', cert, 'other.example'],
    error: /no certificate 'other\.example'/,
    hint: /^known: 'example\.com'$/,
  },
  {
    name: 'a way out of the folder as a certificate',
    args: ['renew', '../../etc/passwd'],
    error: /no certificate '\.\.\/\.\.\/etc\/passwd'/,
    hint: /^known: /,
  },
  {
    name: 'a state folder without a name',
    args: ['--state-dir', '', 'renew', cert],
    error: /^--state-dir needs the name of a folder$/,
    hint: null,
  },
  {
    name: 'a relative folder in the environment',
    host: () => ({ env: { NIXACME_STATE_DIR: 'state' } }),
    args: ['renew', cert],
    error: /^NIXACME_STATE_DIR is 'state', expected an absolute path$/,
    hint: null,
  },
]

badInputs(
  'command line',
  cases.map((bad) => ({ ...bad, status: 64 })),
)

for (const args of [['--help'], ['renew', '--help'], ['--version']])
  test(`${args.join(' ')} is answered on stdout alone`, async (t) => {
    const { status, stdout, stderr } = await (await makeWorld(t)).nixacme(args)
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /\S/)
  })

test('roots that cannot be read end the run at once, with nothing left waiting', async (t) => {
  const world = await makeWorld(t)
  const args = ['renew', cert]
  const run = world.spawn(args, { env: { LEGO_CA_CERTIFICATES: '/nonexistent/roots.pem' }, timeoutMs: 60_000 })
  const { status, signal, stderr } = await run.finished
  assert.deepEqual([status, signal], [78, undefined], stderr)
  assert.match(stderr, /cannot read '\/nonexistent\/roots\.pem'/)
})
