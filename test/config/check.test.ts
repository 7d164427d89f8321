import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { check } from '../../src/commands/check.ts'
import { letsEncrypt } from '../../src/config/config.ts'
import { type Host, type Output, systemHost } from '../../src/host.ts'
import { createLog } from '../../src/log.ts'
import { type Files, oneCert, withFiles } from './support.ts'

interface Said {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** What `nixacme check` says of these files, paths without their folder. */
async function run(files: Files, json = false, main = 'config.toml'): Promise<Said> {
  const said = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr'): Output => ({
    write: (text) => {
      said[name] += text
    },
    isTerminal: false,
    columns: 80,
  })
  // Over a prototype, since a copy would ask for the signals and so take them from the test.
  const host: Host = Object.assign(Object.create(systemHost()), {
    env: {},
    stdout: output('stdout'),
    stderr: output('stderr'),
    stderrIsJournal: false,
  })
  const log = await createLog(host)
  // The files are gone when withFiles returns: check reads them before its first pause.
  let folder = ''
  const status = await withFiles(files, (dir) => {
    folder = dir
    return check({ config: join(dir, main), explicitConfig: main !== 'config.toml', json }, host, log)
  })
  const { stdout, stderr } = said
  return { status, stdout: stdout.replaceAll(`${folder}/`, ''), stderr: stderr.replaceAll(`${folder}/`, '') }
}

test('a good config: a line for each certificate, a summary, silence on stderr', async () => {
  assert.deepEqual(await run({ 'config.toml': oneCert('extraDomainNames = ["bücher.test"]') }), {
    status: 0,
    stdout: `x.test: x.test xn--bcher-kva.test; ec256 from https://acme-v02.api.letsencrypt.org/directory, challenges in /w
config.toml: 1 certificate, no faults
`,
    stderr: '',
  })
})

test('a config in parts, read from a file of another name', async () => {
  const files = { 'my.conf': oneCert('server = ""'), 'config.d/a.toml': '[certs."a.test"]', 'config.d/b.json': '{}' }
  const { status, stdout } = await run(files, false, 'my.conf')
  assert.equal(status, 0)
  assert.match(stdout, /^x.test: x.test; ec256, challenges in \/w$/m)
  assert.match(stdout, /^my.conf and 2 files in config.d: 2 certificates, no faults$/m)
})

test('several CAs, profiles and a request in a line for people', async () => {
  const servers = 'servers = ["https://a.test/dir", "https://b.test/dir"]'
  const csr = 'csr = "/etc/x.csr"\ncsrKey = "/etc/x.key"'
  const { stdout } = await run({
    'config.toml': oneCert(`${servers}\n${csr}\nprofile = ["short", "long"]\nprofilePolicy = "preferred"`),
  })
  const [line] = stdout.split('\n')
  assert.equal(
    line,
    'x.test: x.test; request /etc/x.csr from https://a.test/dir, else from https://b.test/dir, profile short or long if offered, challenges in /w',
  )
})

test('--json tells the CAs that are asked and all that is ordered', async () => {
  const csr = 'csr = "/etc/x.csr"\ncsrKey = "/etc/x.key"'
  const ownCas = 'servers = ["https://a.test/dir", "http://localhost/dir"]\nplainHttp = true'
  const more = 'profile = "short"\nnotAfter = "7d"\norderTimeout = 90\npreferredChain = "X1"'
  const { stdout } = await run({ 'config.toml': oneCert(`${ownCas}\n${csr}\n${more}`) }, true)
  const [cert] = JSON.parse(stdout).certs
  assert.deepEqual(
    [cert.server, cert.servers, cert.plainHttp],
    ['https://a.test/dir', ['https://a.test/dir', 'http://localhost/dir'], true],
  )
  assert.deepEqual([cert.profiles, cert.profilePolicy, cert.preferredChain], [['short'], 'required', 'X1'])
  assert.deepEqual(cert.csr, { request: '/etc/x.csr', key: '/etc/x.key' })
  assert.deepEqual([cert.notAfter, cert.orderTimeout, cert.keyReuse, cert.ocspMustStaple], [604_800, 90, false, false])
  const [plain] = JSON.parse((await run({ 'config.toml': oneCert('server = ""') }, true)).stdout).certs
  assert.deepEqual([plain.server, plain.servers], [null, [letsEncrypt]])
})

test('a config without certificates', async () =>
  assert.deepEqual(await run({ 'config.toml': '' }), {
    status: 0,
    stdout: 'config.toml: no certificates, no faults\n',
    stderr: '',
  }))

test('warnings are said, and the config holds', async () => {
  const { status, stdout, stderr } = await run({ 'config.toml': oneCert('extraDomainNames = ["x.test"]') })
  assert.equal(status, 0)
  assert.match(stdout, /1 certificate, no faults/)
  assert.match(stderr, /^nixacme: warning: config.toml:6:21: certs."x.test".extraDomainNames\[0\]: 'x.test' is there/)
})

test('faults: one line each on stderr, with the hint, nothing on stdout, status 78', async () => {
  assert.deepEqual(await run({ 'config.toml': 'webrot = 1\n[defaults]\nemail = 5' }), {
    status: 78,
    stdout: '',
    stderr: `nixacme: error: config.toml:1:1: webrot: unknown option 'webrot'
nixacme: hint: is 'webroot' meant? it belongs in defaults or in certs."<name>"
nixacme: error: config.toml:3:9: defaults.email: expected an e-mail address or null, found the number 5
`,
  })
})

test('--json: one object, good or bad', async () => {
  const good = await run({ 'config.toml': oneCert('postRun = "secret-tool"') }, true)
  assert.equal(good.status, 0)
  const { certs, ...rest } = JSON.parse(good.stdout)
  assert.deepEqual(rest, { ok: true, faults: [], warnings: [] })
  assert.deepEqual(
    certs.map((cert: { name: string; names: string[] }) => [cert.name, cert.names]),
    [['x.test', ['x.test']]],
  )
  assert.doesNotMatch(good.stdout, /secret-tool/)

  const bad = await run({ 'config.toml': `qqq = 1\n${oneCert('extraDomainNames = ["x.test"]')}` }, true)
  assert.equal(bad.status, 78)
  const answer = JSON.parse(bad.stdout)
  assert.deepEqual(answer.faults, [
    {
      file: 'config.toml',
      line: 1,
      column: 1,
      path: 'qqq',
      message: "unknown option 'qqq'",
      hint: 'nixacme-config(5) lists all options',
    },
  ])
  assert.equal(answer.ok, false)
  assert.equal(answer.warnings.length, 1)
  assert.deepEqual(answer.certs, [])
})

test('control characters of a config do not reach the terminal', async () => {
  const { stderr } = await run({ 'config.toml': '"a\\u001b[31m" = 1' })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
  assert.doesNotMatch(stderr, /\u001b/)
})
