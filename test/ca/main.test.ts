// The test CA as a process of its own, and the helper that runs processes.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { repository, run, start, temporaryDir } from '../support/process.ts'
import { loader, runnable } from '../support/program.ts'

const node = process.execPath
const main = [...loader, runnable(join(repository, 'test', 'ca', 'main.ts'))]

async function started(t: TestContext, ...args: string[]) {
  const running = start(node, [...main, ...args], { cwd: repository })
  t.after(() => running.end('SIGKILL'))
  const [line] = await running.stdoutMatch(/^\{.*\}$/m)
  return { running, ...(JSON.parse(line) as Record<'directoryUrl' | 'rootPem' | 'controlUrl', string>) }
}

function control(
  url: string,
  method: string,
  body?: unknown,
): Promise<{ status: number; json: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent: false, timeout: 5000 }, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) })
    })
    sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const directoryStatus = (url: string, rootPem: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { ca: readFileSync(rootPem), agent: false as const, headers: { 'User-Agent': 'test' } }
    get(url, options, (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject)
  })

test('the CA runs in another process, is steered from outside and cleans up at SIGTERM', async (t) => {
  const { running, directoryUrl, rootPem, controlUrl } = await started(t, '--set', '{"validate":"always"}')
  assert.equal(await directoryStatus(directoryUrl, rootPem), 200)
  const stats = await control(`${controlUrl}/stats`, 'GET')
  assert.equal((stats.json['requests'] as Record<string, number>)['directory'], 1)
  assert.equal((await control(`${controlUrl}/set`, 'POST', { lifetime: { seconds: 8 } })).status, 200)
  const fault = { kind: 'directory', fault: { do: 'answer', status: 500 } }
  assert.equal((await control(`${controlUrl}/fault`, 'POST', fault)).status, 200)
  assert.equal(await directoryStatus(directoryUrl, rootPem), 500)
  await control(`${controlUrl}/reset`, 'POST')
  assert.equal(await directoryStatus(directoryUrl, rootPem), 200)
  assert.equal((await control(`${controlUrl}/requests`, 'GET')).status, 200)
  for (const [path, body] of [
    ['set', { nonsense: 1 }],
    ['fault', { kind: 'nothing', fault }],
    ['fault', { kind: 'directory', fault: { do: 'nothing' } }],
    ['nowhere', {}],
  ] as const) {
    const { status, json } = await control(`${controlUrl}/${path}`, 'POST', body)
    assert.equal(status, 400)
    assert.equal(typeof json['error'], 'string')
  }
  const { status, stderr } = await running.end()
  assert.deepEqual([status, stderr], [0, ''])
  assert.equal(existsSync(rootPem), false)
})

test('the CA ends with the stdin of who started it', async (t) => {
  const dir = temporaryDir(t)
  // `start` closes stdin at once.
  const { status } = await run(node, [...main, '--with-stdin', '--dir', dir], { cwd: repository })
  assert.equal(status, 0)
  assert.ok(existsSync(join(dir, 'root.pem')))
})

test('a process is given back with status, stdout and stderr, and only the environment it was given', async () => {
  const script =
    'process.stdin.on("data", (d) => process.stdout.write(d)); console.error(process.env.A, process.env.HOME); process.exitCode = 3'
  const result = await run(node, ['-e', script], { input: 'hello', env: { A: 'x' } })
  assert.deepEqual(result, { status: 3, signal: undefined, stdout: 'hello', stderr: 'x undefined\n', timedOut: false })
})

test('a process that takes too long is killed with its children', async () => {
  const begin = performance.now()
  const result = await run('sh', ['-c', 'sleep 60 & wait'], { timeoutMs: 300 })
  assert.deepEqual([result.signal, result.timedOut, result.status], ['SIGKILL', true, undefined])
  // The child held stdout open: the result would have come with its own end.
  assert.ok(performance.now() - begin < 30_000)
})

test('a line that is waited for is found, or its absence is told', async () => {
  const running = start('sh', ['-c', 'echo ready 42 >&2; exec sleep 60'])
  assert.equal((await running.stderrMatch(/ready (\d+)/))[1], '42')
  await assert.rejects(running.stderrMatch(/never/, 50), /50 ms passed without \/never\//)
  assert.equal((await running.end()).signal, 'SIGTERM')
  await assert.rejects(running.stderrMatch(/never/), /the process ended without/)
  await assert.rejects(start('/nonexistent/command', []).stderrMatch(/x/), /ENOENT/)
})
